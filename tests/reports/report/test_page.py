import base64
import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from restain.errors import DataError, OutputError
from restain.geometry import Mpp, Region
from restain.metrics import Psnr, bland_altman, positive_share
from restain.reports.report import ReportOptions, cases, write_report
from restain.reports.report.pictures import bar_length, with_bar
from restain.slides import SlideReader

from .conftest import SIDE, Page


@pytest.fixture(scope="module")
def page(whole, tmp_path_factory) -> Page:
    return Page(write_report(whole.scores, tmp_path_factory.mktemp("page"), ReportOptions(dab=True)))


def picture(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.removeprefix("data:image/png;base64,")))))


def test_the_page_needs_nothing_else(page):
    assert all(link.startswith("data:image/png;base64,") or link.startswith("#") for link in page.links)
    assert len(page.pictures) == 3 * 4 + 1  # source, virtual, real and difference of three tiles; the scale of colours
    assert page.tags.isdisjoint({"script", "link", "iframe", "object"})
    assert "url(http" not in page.text
    assert "@import" not in page.text


def test_every_number_is_that_of_the_file(page, whole):
    record = whole.read()
    for name, entry in record["metrics"].items():
        unit = f" ({entry['unit']})" if entry["unit"] else ""
        mean, _, std, pooled, n, better = page.rows[name + unit]
        for (_, full), key in ((mean, "mean"), (std, "std"), (pooled, "pooled"), (n, "n")):
            assert float(full) == entry[key]
        assert better[0] == entry["better"]
        assert float(mean[0].replace("−", "-")) == pytest.approx(entry["mean"], rel=1e-4)
    distribution = record["distribution"]
    for name, entry in distribution["numbers"].items():
        value, interval, floor, n_virtual, n_real = page.rows[name]
        assert [float(value[1]), *map(float, interval[1].split())] == [entry["value"], entry["low"], entry["high"]]
        assert float(floor[1]) == entry["floor"]
        assert (int(n_virtual[1]), int(n_real[1])) == (distribution["pred"], distribution["target"])
    assert f"floor, {distribution['floor']} and {distribution['floor']} real" in page.text
    assert distribution["features"]["sha256"] in page.text


def test_panels_show_the_best_the_median_and_the_worst(page, whole):
    with (whole.scores / "evaluation.csv").open() as file:
        by_psnr = sorted(csv.DictReader(file), key=lambda row: -float(row["psnr"]))
    wanted = {"Best": by_psnr[0], "Median": by_psnr[5], "Worst": by_psnr[11]}
    for title, row in wanted.items():
        note = f"{row['name']}: psnr {float(row['psnr']):.5g} dB"
        assert f"{title} {note}" in page.headings
        shown = {alt.partition(",")[0]: address for alt, address in page.pictures if note in alt}
        for panel, folder in (("virtual", "virtual"), ("real", "real")):
            stored = np.asarray(Image.open(whole.root / folder / f"{row['name']}.png"))
            assert (picture(shown[panel])[2::5, 2::5] == stored).all()  # 64 px shown at 320


def test_a_metric_of_which_less_is_better_ranks_the_other_way(whole, tmp_path, undrawn):
    found = Page(write_report(whole.scores, tmp_path, ReportOptions(metric="l1")))
    with (whole.scores / "evaluation.csv").open() as file:
        best, *_, worst = sorted(csv.DictReader(file), key=lambda row: float(row["l1"]))
    assert any(heading.startswith(f"Best {best['name']}:") for heading in found.headings)
    assert any(heading.startswith(f"Worst {worst['name']}:") for heading in found.headings)


def test_the_same_files_give_the_same_bytes(small, tmp_path):
    pages = [write_report(small.scores, tmp_path / name) for name in ("a", "b")]
    first, second = ({path.name: path.read_bytes() for path in page.parent.iterdir()} for page in pages)
    assert first == second
    assert set(first) == {"report.html", "densities.png", "best.png", "median.png", "worst.png"}


def test_a_scale_bar_is_as_long_as_it_says():
    blank = np.full((320, 320, 3), 128, np.uint8)
    marked = with_bar(blank, Mpp.square(0.5), SIDE)  # 64 px of 0.5 um, shown five times as large
    below_the_text = marked[-9]
    assert (below_the_text.max(axis=1) == 0).sum() == pytest.approx(bar_length(32.0) / 0.5 * 5, abs=1)


def test_no_scale_no_bar(small, tmp_path, undrawn):
    for path in (small.root / "virtual").iterdir():
        Image.fromarray(np.asarray(Image.open(path))).save(path)  # forgets the scale
    without = Page(write_report(small.scores, tmp_path / "a"))
    assert "there is no scale bar" in without.text
    stated = Page(write_report(small.scores, tmp_path / "b", ReportOptions(mpp=0.5)))
    assert "there is no scale bar" not in stated.text
    assert (picture(without.pictures[0][1]) != picture(stated.pictures[0][1])).any()


def test_densities_are_those_of_the_pixels(page, whole):
    stored = np.stack([np.asarray(Image.open(path)) for path in sorted((whole.root / "real").iterdir())])
    for channel, name in enumerate(("red", "green", "blue")):
        mean = float(-np.log10(np.maximum(stored[..., channel], 1) / 255).mean())
        assert float(page.rows[name][1][1]) == pytest.approx(mean, rel=1e-5)


def test_positive_areas_agree_as_bland_and_altman_say(page, whole):
    sides = [sorted((whole.root / folder).glob("*.png")) for folder in ("virtual", "real")]
    shares = [[100 * positive_share(np.asarray(Image.open(path))) for path in side] for side in sides]
    wanted = bland_altman(*shares)
    for name, value in (("bias", wanted.bias), ("lower limit", wanted.lower), ("upper limit", wanted.upper)):
        assert float(page.rows[name][0][1]) == pytest.approx(value)
        assert page.rows[name][2][0] == "12"


def test_a_stain_that_nobody_calls_dab_is_not_read_as_dab(small, tmp_path, undrawn):
    found = Page(write_report(small.scores, tmp_path))
    assert "nothing tells that the stain is DAB" in found.text
    assert "Positive area" not in found.headings
    assert "dab" not in found.rows


def test_of_many_images_some_are_read_and_the_page_says_so(whole, tmp_path, monkeypatch, undrawn):
    opened = []
    real = cases.open_slide
    monkeypatch.setattr(cases, "open_slide", lambda path: opened.append(path) or real(path))
    found = Page(write_report(whole.scores, tmp_path, ReportOptions(images=3)))
    assert "Of 3 images, drawn at random from 12." in found.text
    # three images and three panels of pred, target and source each, and the scale of the first
    assert len(opened) == 3 * 3 + 3 * 3 + 1


def test_large_images_are_shown_in_regions_and_never_read_whole(whole, tmp_path, monkeypatch, undrawn):
    monkeypatch.setattr(cases, "LARGE", 1000)
    monkeypatch.setattr(cases, "SIDE", 16)
    areas, read = [], SlideReader.read

    def spied(self, region, level=0):
        areas.append((self.info.path.parent.name, region.size.area))
        return read(self, region, level)

    monkeypatch.setattr(SlideReader, "read", spied)
    found = Page(write_report(whole.scores, tmp_path))
    assert {area for folder, area in areas if folder == "virtual"} == {16 * 16}
    (worst,) = [heading for heading in found.headings if heading.startswith("Worst")]
    name, _, place = worst.removeprefix("Worst ").partition(" at x ")
    x, y = (int(part.strip(" y")) for part in place.partition(":")[0].split(","))
    region = Region(x, y, 16, 16)
    sides = [np.asarray(Image.open(whole.root / side / f"{name}.png"))[region.slices] for side in ("virtual", "real")]
    assert worst.endswith(f"psnr {Psnr().of(*sides):.5g} dB")
    assert "drawn at random" in found.text


def test_images_that_moved_are_named_with_the_command(small, undrawn):
    (small.root / "real" / "tile01.png").unlink()
    with pytest.raises(DataError, match=r"real no longer holds tile01: .*restain evaluate --pred"):
        write_report(small.scores)
    for path in (small.root / "virtual").iterdir():
        path.unlink()
    (small.root / "virtual").rmdir()
    with pytest.raises(DataError, match="virtual, which is no longer there"):
        write_report(small.scores)


def test_another_folder_another_version_and_a_torn_table_are_refused(small, tmp_path, undrawn):
    with pytest.raises(DataError, match=r"neither evaluation.json nor a run's config.yaml"):
        write_report(tmp_path / "he")
    path = small.scores / "evaluation.json"
    tree = json.loads(path.read_text())
    del tree["metrics"]["psnr"]["without"]
    path.write_text(json.dumps(tree))
    with pytest.raises(DataError, match="another version of restain"):
        write_report(small.scores)
    tree["metrics"]["psnr"]["without"] = 0
    path.write_text(json.dumps(tree))
    table = small.scores / "evaluation.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(DataError, match="has 2 images"):
        write_report(small.scores)


def test_a_page_that_cannot_be_written_says_where(small, tmp_path, undrawn):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="taken"):
        write_report(small.scores, tmp_path / "taken")


def test_sets_without_partners_have_distances_alone(whole, tmp_path, undrawn):
    from .conftest import measure

    for number, path in enumerate(sorted((whole.root / "virtual").glob("*.png"))):
        for folder, name in (("virtual", path.name), ("real", f"other{number}.png"), ("he", path.name)):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_bytes((whole.root / folder / path.name).read_bytes())
    found = Page(write_report(measure(tmp_path, features="phantom").scores))
    assert "fid" in found.rows
    assert "psnr (dB)" not in found.rows
    assert [heading for heading in found.headings if heading.startswith("Best")] == []


def test_of_two_tiles_there_is_no_median(small, remeasured, undrawn):
    for folder in ("he", "real", "virtual"):
        (small.root / folder / "tile01.png").unlink()
    remeasured(small.root, metrics=["psnr"])
    found = Page(write_report(small.scores))
    assert [heading.split()[0] for heading in found.headings if "psnr" in heading] == ["Best", "Worst"]
    assert (small.scores / "report" / "best.png").is_file()
