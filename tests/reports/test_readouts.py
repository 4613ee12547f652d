"""Read-outs against cells that are known, and the comparison of many images."""

import json

import numpy as np
import pytest

import restain.phantom.population as population
from restain.colour import H_DAB_FIJI, compose, rgb_from_od
from restain.errors import ConfigError, DataError, MetricWarning, ScaleError, SmallSampleWarning
from restain.geometry import Mpp, Region
from restain.metrics import cell_density, h_score, stain_grades
from restain.phantom import Phantom
from restain.phantom.markers import NEVER, Law
from restain.reports import (
    ImageReadout,
    Readout,
    ReadoutOptions,
    RegionReader,
    compare_readouts,
    find_rule,
    parse_region,
    read_draws,
    read_image,
    read_images,
    read_negative,
    write_readouts,
)
from restain.slides import save_image
from restain.uncertainty import IntervalRule

MPP = Mpp.square(0.5)
FIELD = Region(0, 0, 256, 256)
KI67, HER2, CD3 = (ReadoutOptions(marker=marker) for marker in ("ki67", "her2", "cd3"))
ALWAYS, NEVER_EVER = (Law(0, 0, 1, 0, threshold, NEVER, NEVER) for threshold in (-100.0, NEVER))


def spots(doses):
    """Return an image with a square nucleus per dose of DAB, and their labels."""
    amounts, labels = np.zeros((20, 20 * len(doses), 2)), np.zeros((20, 20 * len(doses)), np.int32)
    for k, dose in enumerate(doses):
        place = (slice(5, 15), slice(20 * k + 5, 20 * k + 15))
        amounts[place], labels[place] = (0.1, dose), k + 1
    return rgb_from_od(compose(amounts, H_DAB_FIJI)), labels


def made_of(cells, positive):
    return Readout(cells, (cells - positive, positive, 0, 0), positive, 1.0)


def test_the_h_score_of_known_cells_is_exact():
    image, labels = spots([0.0, 0.05, 0.3, 0.3, 0.5, 0.8, 0.9])
    found = read_image(image, MPP, KI67, finder=lambda *_: labels)
    assert (found.cells, found.grades, found.positive) == (7, (2, 2, 1, 2), 5)
    assert found.percent_positive == pytest.approx(500 / 7)
    assert found.h_score == pytest.approx(100 * (2 + 2 + 6) / 7)
    assert found.per_mm2 == pytest.approx(5 / (labels.size * 0.25 / 1e6))


def test_cut_offs_and_the_tumour_are_the_readers():
    image, labels = spots([0.0, 0.3, 0.3, 0.9])
    high = ReadoutOptions(marker="ki67", cut_offs=(0.35, 0.5, 1.5))
    assert read_image(image, MPP, high, finder=lambda *_: labels).grades == (3, 0, 1, 0)
    tumour = np.zeros(labels.shape, bool)
    tumour[:, 20:60] = True
    inside = read_image(image, MPP, KI67, finder=lambda *_: labels, tumour=tumour)
    assert (inside.cells, inside.positive, inside.area) == (2, 2, tumour.sum() * 0.25 / 1e6)


@pytest.mark.parametrize("seed", [201, 203])
def test_ki67_of_the_phantom_is_read_within_a_few_points(seed):
    scene = Phantom(seed).scene(FIELD, MPP)
    image = scene.image("ki67")
    found = read_image(image, MPP, KI67)
    there = np.unique(scene.instances[scene.instances > 0]) - 1
    assert found.percent_positive == pytest.approx(100 * scene.cells.ki67[there].mean(), abs=4)
    exact = h_score(stain_grades(cell_density(image, scene.instances).density, find_rule("ki67").cut_offs))
    assert found.h_score == pytest.approx(exact, abs=8)


def test_cd3_of_the_phantom_is_read_within_a_few_points():
    scene = Phantom(201).scene(FIELD, MPP)
    there = np.unique(scene.instances[scene.instances > 0]) - 1
    truth = 100 * scene.cells.cd3[there].mean()
    assert read_image(scene.image("cd3"), MPP, CD3).percent_positive == pytest.approx(truth, abs=4)


@pytest.mark.parametrize("score", range(4))
def test_a_field_whose_cells_have_one_her2_score_is_read_as_that(monkeypatch, score):
    steps = tuple(ALWAYS if step < score else NEVER_EVER for step in range(3))
    monkeypatch.setattr(population, "HER2_STEPS", steps)
    scene = Phantom(201).scene(FIELD, MPP)
    epithelium = np.isin(scene.classes, (2, 4))
    assert set(scene.cells.her2[scene.cells.kind == 0]) == {score}
    found = read_image(scene.image("her2"), MPP, HER2, tumour=epithelium)
    assert (found.her2, np.argmax(found.grades)) == (score, score)


def test_her2_is_read_on_tumour_cells_only():
    scene = Phantom(203).scene(FIELD, MPP)
    every = read_image(scene.image("her2"), MPP, HER2)
    tumour = read_image(scene.image("her2"), MPP, HER2, tumour=np.isin(scene.classes, (2, 4)))
    assert tumour.cells < every.cells
    assert tumour.percent_positive > every.percent_positive
    assert 0 < tumour.intensity < 1
    assert 0 < tumour.completeness < 1


def test_an_image_without_nuclei_has_no_numbers():
    empty = read_image(np.full((64, 64, 3), 240, np.uint8), MPP, HER2)
    assert (empty.cells, empty.her2) == (0, None)
    assert np.isnan([empty.percent_positive, empty.h_score]).all()


def test_a_constant_bias_is_found_and_wrong_pairs_agree_by_chance_only():
    rng = np.random.default_rng(0)
    truth = rng.integers(50, 700, 40)
    images = [
        ImageReadout(str(k), f"p{k // 2}", made_of(1000, int(each) + 80), made_of(1000, int(each)))
        for k, each in enumerate(truth)
    ]
    found = compare_readouts(images, ReadoutOptions(marker="ki67", resamples=200))
    assert (found.images, found.patients) == (40, 20)
    assert (found.percent.bias.value, found.h_score.bias.value) == pytest.approx((8, 8))
    assert (found.percent.lower.value, found.percent.upper.value) == pytest.approx((8, 8))
    assert found.percent.icc_consistency.value == pytest.approx(1)
    assert 0.8 < found.percent.icc.value < 1
    assert abs(found.shuffled["percent"].icc) < 0.1
    assert found.her2 is None


def test_images_of_one_patient_have_no_agreement():
    images = [ImageReadout(str(k), "p", made_of(10, k), made_of(10, k)) for k in range(5)]
    with pytest.warns(SmallSampleWarning, match="one patient"):
        assert compare_readouts(images, KI67) is None


def test_the_negative_control_counts_cells():
    found = read_negative([made_of(100, 10)] + [made_of(100, 0)] * 9, KI67)
    assert (found.images, found.cells, found.positive) == (10, 1000, 10)
    assert found.share.low < 0.01 == found.share.value < found.share.high
    assert found.share_of_images.high > found.share.high  # they are all in one image
    none = read_negative([made_of(100, 0)] * 10, KI67)
    assert none.share.high == pytest.approx(3.84 / 1003.84, rel=1e-3)
    assert none.share_of_images is None  # resamples could not differ
    with pytest.raises(DataError, match="no nuclei"):
        read_negative([made_of(0, 0)], KI67)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Six small fields of Ki67 of three patients, with one image without cells among the virtual ones."""
    root = tmp_path_factory.mktemp("readouts")
    for k in range(6):
        image = Phantom(310 + k // 2).render("ki67", Region(200 * (k % 2), 0, 96, 96), MPP)
        save_image(root / "real" / f"{k}.png", image, MPP)
        save_image(root / "virtual" / f"{k}.png", image if k else np.full_like(image, 245), MPP)
    (root / "patients.csv").write_text("image,patient\n" + "".join(f"{k}.png,{k // 2}\n" for k in range(6)))
    return root


def test_folders_are_compared_and_written(folders, tmp_path):
    options, regions = ReadoutOptions(marker="ki67", resamples=20), RegionReader(0.5)
    with pytest.warns((MetricWarning, SmallSampleWarning)) as told:
        found = read_images(
            folders / "virtual", options, regions, target=folders / "real", patients=folders / "patients.csv"
        )
    assert any("no nuclei were found in 0" in str(warning.message) for warning in told)
    assert (found.comparison.images, found.comparison.patients) == (5, 3)
    assert found.comparison.percent.icc.value == pytest.approx(1)
    write_readouts(found, options, regions, folders / "virtual", tmp_path / "out")
    record = json.loads((tmp_path / "out" / "readout.json").read_text())
    assert record["images"][0]["pred"]["percent_positive"] is None
    assert record["agreement"]["percent"]["bias"]["value"] == 0
    assert len((tmp_path / "out" / "readout.csv").read_text().splitlines()) == 7


def test_a_region_is_read_alone_at_the_working_scale(folders):
    path = folders / "real" / "1.png"
    image, mpp, _ = RegionReader(1.0, Region(20, 30, 40, 60)).read(path)
    assert (image.shape, mpp) == ((30, 20, 3), Mpp.square(1.0))
    coarse, mpp, _ = RegionReader(0.25).read(path)
    assert (coarse.shape, mpp.x) == ((96, 96, 3), pytest.approx(0.5, rel=1e-3))
    for region in (Region(60, 0, 40, 40), Region(-1, 0, 4, 4), Region(0, 0, 0, 4)):
        with pytest.raises(DataError, match="does not lie inside"):
            RegionReader(0.5, region).read(path)
    with pytest.raises(ConfigError, match="four whole numbers"):
        parse_region("1,2,3")


def test_bad_inputs_are_one_sentence(folders, tmp_path):
    regions = RegionReader(0.5)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images"):
        read_images(tmp_path / "empty", KI67, regions)
    (tmp_path / "patients.csv").write_text("image,patient\n1,a\n")
    with pytest.raises(DataError, match="whose 0, 2, 3 and 2 more"):
        read_images(folders / "real", KI67, regions, patients=tmp_path / "patients.csv")
    with pytest.raises(ConfigError, match="'p53'"):
        find_rule("p53")
    save_image(tmp_path / "glass" / "a.png", np.full((64, 64, 3), 245, np.uint8), MPP)
    with pytest.raises(DataError, match="no nuclei"):
        read_images(tmp_path / "glass", KI67, regions)
    save_image(tmp_path / "unknown" / "a.png", np.full((64, 64, 3), 245, np.uint8), None)
    with pytest.raises(ScaleError, match="--mpp"):
        read_images(tmp_path / "unknown", KI67, regions)


def test_draws_have_an_interval_between_two_of_them():
    scenes = [Phantom(seed).render("ki67", Region(0, 0, 128, 128), MPP) for seed in (321, 322, 323, 324)]
    draws = np.stack(scenes).astype(np.float32) / 255
    rule = IntervalRule(kind="order_stat", samples=4)
    found = read_draws(draws, MPP, KI67, RegionReader(0.5), "a", rule)
    percents = [read_image(image, MPP, KI67).percent_positive for image in scenes]
    assert (found.percent.low, found.percent.high) == pytest.approx((min(percents), max(percents)))
    assert found.percent.value == pytest.approx(np.mean(percents))
    with pytest.raises(DataError, match="no nuclei were found in 1 of 2"):
        read_draws(
            np.stack([draws[0], np.ones_like(draws[0])]), MPP, KI67, RegionReader(0.5), "a", IntervalRule(samples=2)
        )
