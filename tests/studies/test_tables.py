"""Numbers in tables: how values become one, which is best, and how it is written."""

import base64
import io
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from restain.studies.summary import summarise

VALUES = list(np.random.default_rng(0).normal(10, 2, 40))


def test_a_mean_has_the_standard_error_and_the_interval_of_scipy():
    found = summarise(VALUES, "mean", seed=0)
    assert found.value == pytest.approx(np.mean(VALUES), rel=1e-12)
    assert found.error == pytest.approx(stats.sem(VALUES), rel=1e-12)
    other = stats.bootstrap((VALUES,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=0.05)


def test_a_median_has_an_interval_and_no_standard_error():
    found = summarise(VALUES, "median", seed=0)
    assert found.value == np.median(VALUES)
    assert math.isnan(found.error)
    assert found.low < found.value < found.high


def test_the_seed_decides_the_interval():
    assert summarise(VALUES, "mean", 1) == summarise(VALUES, "mean", 1)
    assert summarise(VALUES, "mean", 1).low != summarise(VALUES, "mean", 2).low


def test_images_without_a_value_are_left_out_and_counted():
    assert summarise([1.0, math.nan, 3.0], "mean", 0).value == 2
    assert summarise([1.0, math.nan, 3.0], "mean", 0).n == 2
    assert summarise([math.nan], "mean", 0) is None


def test_infinite_values_have_no_interval():
    found = summarise([math.inf, 30.0], "mean", 0)
    assert found.value == math.inf
    assert math.isnan(found.low)


@pytest.mark.parametrize(("column", "choose"), [("psnr", max), ("l1", min), ("iod_whole", lambda v: min(v, key=abs))])
def test_the_best_model_of_a_column_is_bold_in_its_direction_and_references_do_not_compete(done, column, choose):
    done.run(tables__0__columns=[column])
    rows = done.rows()
    best = choose([float(rows[name][column]) for name in ("regression", "diffusion", "diffusion, 4 steps")])
    text = (done.out / "tables" / "methods.md").read_text()
    bold = re.findall(r"^\| ([^|]+) \| [a-z]* \| \*\*", text, re.MULTILINE)
    assert bold == [name for name, row in rows.items() if row[column] and float(row[column]) == best]
    assert set(bold).isdisjoint({"real stain", "source, unstained"})


def test_the_page_needs_nothing_else_and_shows_the_pixels_themselves(done):
    text = (done.out / "study.html").read_text()
    addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(addresses) == 5  # source, three models, truth
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1])))) for address in addresses]
    images: Path = done.out / "images" / "ki67"
    stored = [images / "source", done.out / "cells" / "ki67" / "regression" / "images"]
    for picture, folder in zip(shown[:2], stored, strict=True):
        assert (picture == np.asarray(Image.open(folder / "phantom_0200.png"))).all()
    assert "@import" not in text
    assert "url(" not in text


def test_the_page_tells_how_it_was_made(done):
    text = (done.out / "study.html").read_text()
    for told in (
        "restain 0.",
        "torch 2.",
        "seed",
        "multipliers:",
        "3 test images",
        "PSNR" if "PSNR" in text else "psnr",
    ):
        assert told in text


def test_names_from_a_configuration_are_text_and_not_markup(done):
    done.run(title="<script>alert(1)</script>", only=("real stain",))
    text = (done.out / "study.html").read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_table_says_that_its_truth_is_not_aligned(fresh, tmp_path):
    rng = np.random.default_rng(0)
    for side in ("he", "ihc"):
        (tmp_path / side).mkdir()
        for name in ("a", "b", "c"):
            Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(tmp_path / side / f"{name}.png")
    data = {"kind": "unaligned", "source": str(tmp_path / "he"), "target": str(tmp_path / "ihc")}
    data |= {"held_out": "b", "test": "c"}
    fresh.run(datasets__ki67__data=data, only=("real stain",))
    assert "not aligned to the pixel" in (fresh.out / "tables" / "methods.md").read_text()
