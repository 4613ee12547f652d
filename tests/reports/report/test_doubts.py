"""Warnings appear when they are due, and only then: each test has the same evaluation with and without the fault."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from restain.bundle import load_card
from restain.config import dump_config
from restain.errors import DataError
from restain.geometry import Mpp
from restain.reports.report import ReportOptions, write_report
from restain.reports.report.cases import find_cases
from restain.reports.report.doubts import doubts_of_distance, doubts_of_values
from restain.reports.report.intervals import mean_interval
from restain.reports.report.leakage import find_leakage
from restain.reports.report.model import find_origin, is_dab, notes_of
from restain.reports.report.record import DistanceRecord, read_record
from restain.slides import save_image

from .conftest import Page

SHIPPED = "he-ki67-phantom"


def doubts(case, **options) -> str:
    return " | ".join(Page(write_report(case.scores, case.root / "page", ReportOptions(**options))).doubts)


def distance(**changes) -> DistanceRecord:
    facts = {"features": "phantom", "dimension": 128, "sha256": "0", "tile": 128, "pred": 4000, "pred_images": 40}
    return DistanceRecord(**(facts | {"target": 4000, "target_images": 40, "floor": 2000, "numbers": ()} | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"pred": 2047}, ["below 2048"]),
        ({"target": 2047}, ["below 2048"]),
        ({"floor": 0}, ["no floor"]),
        ({"pred": 12, "floor": 0}, ["below 2048", "no floor"]),
    ],
)
def test_small_sets_and_missing_floors_are_told(changes, said):
    found = list(doubts_of_distance(distance(**changes)))
    assert len(found) == len(said)
    assert all(words in sentence for words, sentence in zip(said, found, strict=True))


def test_fewer_than_ten_units_are_told(whole):
    record = read_record(whole.scores)
    names = [row.name for row in record.rows]
    assert list(doubts_of_values(record, names, patients=False)) == []
    (few,) = doubts_of_values(record, ["one", "two"] * 6, patients=True)
    assert "over 2 patients: below 10" in few


def test_images_of_one_patient_count_once():
    values = list(np.random.default_rng(0).normal(30, 4, 20))
    names = [f"p{number}" for number in range(20)]
    alone, twice = (
        mean_interval(values, names, 0),
        mean_interval(np.repeat(values, 2).tolist(), list(np.repeat(names, 2)), 0),
    )
    assert (twice.value, twice.low, twice.high) == pytest.approx((alone.value, alone.low, alone.high))
    blind = mean_interval(np.repeat(values, 2).tolist(), [str(number) for number in range(40)], 0)
    assert blind.high - blind.low < 0.8 * (alone.high - alone.low)
    assert alone.high - alone.low == pytest.approx(2 * 1.96 * np.std(values) / np.sqrt(20), rel=0.1)


def test_patients_are_read_from_a_table(small, undrawn):
    table = small.root / "patients.csv"
    table.write_text("image,patient\ntile00,p1\ntile01,p1\n")
    with pytest.raises(DataError, match="does not tell the patient of tile02"):
        write_report(small.scores, options=ReportOptions(patients=table))
    table.write_text("image,patient\ntile00,p1\ntile01,p1\ntile02,p2\n")
    assert "over 2 patients" in doubts(small, patients=table)
    table.write_text("name,who\ntile00,p1\n")
    with pytest.raises(DataError, match="has no column image, patient"):
        write_report(small.scores, options=ReportOptions(patients=table))


def test_a_virtual_image_that_is_the_real_one_is_told_and_so_is_infinity(small, remeasured, undrawn):
    before = doubts(small)
    assert "pixel by pixel" not in before
    assert "infinite" not in before
    shutil.copy(small.root / "real" / "tile01.png", small.root / "virtual" / "tile01.png")
    after = doubts(remeasured(small.root, metrics=["psnr", "l1"]))
    assert "tile01: the virtual image is the real one, pixel by pixel" in after
    assert "psnr is infinite for some images" in after
    assert "∞" in (small.root / "page" / "report.html").read_text()


def test_images_that_changed_since_they_were_measured_are_told(small, undrawn):
    assert "changed since" not in doubts(small)
    shutil.copy(small.root / "virtual" / "tile02.png", small.root / "virtual" / "tile00.png")
    assert "tile00 changed since psnr was measured" in doubts(small)


def test_a_name_that_stands_twice_is_told(small, undrawn):
    table, record = small.scores / "evaluation.csv", small.scores / "evaluation.json"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]) + "\n")
    record.write_text(record.read_text().replace('"images": 3', '"images": 4'))
    assert "tile00 is in the table more than once" in doubts(small)


def trained_on(card, folder, **changes):
    data = {"kind": "folders", "source": str(folder / "source"), "target": str(folder / "target"), "held_out": "h*"}
    return card.model_copy(update={"training": {**card.training, "data": data | changes}})


def test_training_images_are_found_under_other_names(small):
    card, cases = load_card_of_shipped(), find_cases(read_record(small.scores))
    folder = small.root / "training"
    for side in ("source", "target"):
        for number, name in enumerate(("a", "b", "h")):
            image = np.full((32, 32, 3), 40 * number + 20, np.uint8)
            save_image(folder / side / f"{name}.png", image)
    other = find_leakage(trained_on(card, folder), cases, None)
    assert other.images == ()
    assert "compared with 2 training images" in other.compared
    shutil.copy(small.root / "real" / "tile02.png", folder / "target" / "b.png")
    assert find_leakage(trained_on(card, folder), cases, None).images == ("tile02",)
    shutil.copy(small.root / "he" / "tile01.png", folder / "source" / "h.png")  # held out, not trained on
    assert find_leakage(trained_on(card, folder), cases, None).images == ("tile02",)
    patients = {"a": "p1", "b": "p2", "tile00": "p1", "tile01": "p3", "tile02": "p4"}
    assert find_leakage(trained_on(card, folder), cases, patients).patients == ("p1",)
    assert find_leakage(card, cases, None).compared.startswith("the model was trained on synthetic tissue")
    assert "could not be compared" in find_leakage(trained_on(card, folder / "gone"), cases, None).compared


def load_card_of_shipped():
    from restain.bundle import find_bundle

    return load_card(find_bundle(SHIPPED))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".ome.tiff"])
def test_notes_in_images_name_the_model(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    notes = {"software": "restain 0.1.0", "model": "m", "weights": "sha256 abc"}
    save_image(path, np.zeros((32, 32, 3), np.uint8), Mpp.square(0.5), provenance=notes)
    assert notes_of(path) == notes
    save_image(path, np.zeros((32, 32, 3), np.uint8), Mpp.square(0.5))
    assert notes_of(path) == {}


def test_the_model_is_found_by_its_weights_and_tells_the_stain(small):
    card = load_card_of_shipped()
    path = small.root / "virtual" / "tile00.png"
    image = np.asarray(Image.open(path))
    cases = find_cases(read_record(small.scores))
    assert find_origin(cases, ReportOptions()).card is None
    digest = card.files["weights.safetensors"]
    save_image(path, image, provenance={"software": "restain 0.1.0", "weights": f"sha256 {digest}"})
    origin = find_origin(cases, ReportOptions())
    assert origin.card == card
    assert is_dab(origin.card, ReportOptions())[0]
    assert not is_dab(card.model_copy(update={"target": card.source}), ReportOptions())[0]
    assert not is_dab(origin.card, ReportOptions(dab=False))[0]
    save_image(path, image, provenance={"software": "restain 0.1.0", "weights": "sha256 abc"})
    with pytest.raises(DataError, match="weights abc, which are not those of"):
        find_origin(cases, ReportOptions(model=SHIPPED))


def test_the_seed_of_the_page_and_the_files_it_is_of_are_told(small, undrawn):
    text = write_report(small.scores, options=ReportOptions(seed=7)).read_text()
    record = read_record(small.scores)
    for fact in (
        *record.digests.values(),
        record.date,
        json.loads((small.scores / "evaluation.json").read_text())["target"],
    ):
        assert fact in text
    assert "<dt>seed of this page</dt><dd>7</dd>" in text
    assert dump_config(ReportOptions(seed=7)).count("seed: 7") == 1
