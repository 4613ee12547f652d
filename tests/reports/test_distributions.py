import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from restain.errors import ConfigError, DataError, MetricWarning, SmallSampleWarning
from restain.features import Extractor
from restain.metrics import METRICS, KidSubsets, compare_distributions
from restain.reports import NUMBERS, PROFILES, compare_folders, evaluate, find_profile
from restain.reports.distributions import SEED

pytestmark = pytest.mark.filterwarnings("ignore:The Frechet distance of")


class Means(Extractor):
    """Features whose values are known: mean red and mean green; images of any size."""

    def __init__(self, *, resizes: bool = False) -> None:
        super().__init__()
        self.name, self.dimension, self.side, self.resizes, self.digest = "means", 2, 16, resizes, "ab" * 32

    def _features(self, x: Tensor) -> Tensor:
        return torch.stack([x[:, 0].mean((1, 2)), x[:, 1].mean((1, 2))], dim=1)


@pytest.fixture
def folder(tmp_path):
    """Return a function that fills a folder with flat images around a level."""

    def fill(name: str, count: int, level: float, size=(16, 16)):
        rng = np.random.default_rng(count)
        (tmp_path / name).mkdir()
        for i in range(count):
            levels = rng.normal(level, 20, 3).clip(0, 255).astype(np.uint8)
            Image.fromarray(np.full((*size, 3), levels, np.uint8)).save(tmp_path / name / f"{name}{i:03}.png")
        return tmp_path / name

    return fill


def means_of(folder):
    images = [np.asarray(Image.open(path)) for path in sorted(folder.iterdir())]
    return np.array([image[0, 0, :2] / 255 for image in images], np.float32)


def test_folders_of_different_numbers_of_images_compare(folder):
    pred, target = folder("p", 30, 100), folder("t", 41, 120)
    distance = compare_folders(pred, target, Means(), numbers=("fid",))
    generator = np.random.default_rng(SEED)
    expected = compare_distributions(means_of(pred), means_of(target), generator=generator)
    for name in NUMBERS:
        assert getattr(distance.distribution, name).value == pytest.approx(getattr(expected, name).value, abs=1e-6)
    assert (distance.distribution.n_pred, distance.distribution.n_target, distance.distribution.n_floor) == (30, 41, 20)


def test_large_images_count_once_per_tile_or_once(folder):
    pred, target = folder("p", 7, 100, (40, 50)), folder("t", 13, 100, (40, 50))
    cut = compare_folders(pred, target, Means(), numbers=NUMBERS)
    assert (cut.distribution.groups_pred, cut.distribution.groups_target) == (7, 13)
    whole = compare_folders(pred, target, Means(), numbers=NUMBERS, whole=True)
    assert (cut.side, cut.distribution.n_pred, cut.distribution.n_target) == (16, 6 * 7, 6 * 13)
    assert (whole.side, whole.distribution.n_pred, whole.distribution.n_target) == (None, 7, 13)


def test_tiles_of_an_image_are_drawn_together(folder):
    """The images are flat, so that their tiles are copies, and tell no more than one of them each."""
    pred, target = folder("p", 7, 100, (40, 50)), folder("t", 13, 100, (40, 50))
    x, y = (np.repeat(means_of(each), 6, axis=0) for each in (pred, target))
    groups = {"groups_pred": np.repeat(np.arange(7), 6), "groups_target": np.repeat(np.arange(13), 6)}
    expected = compare_distributions(x, y, generator=np.random.default_rng(SEED), **groups)
    found = compare_folders(pred, target, Means(), numbers=NUMBERS).distribution
    for end in ("value", "low", "high", "floor"):
        assert getattr(found.fid, end) == pytest.approx(getattr(expected.fid, end), abs=1e-6)
    assert found.n_floor == expected.n_floor == 6 * 6


def test_few_images_are_warned_of(folder):
    with pytest.warns(SmallSampleWarning, match="The Frechet distance of 12 against 14 images is biased"):
        compare_folders(folder("p", 12, 100), folder("t", 14, 100), Means(), numbers=NUMBERS)


def test_subsets_larger_than_the_set_are_left_out_with_a_warning(folder):
    pred, target = folder("p", 12, 100), folder("t", 14, 100)
    with pytest.warns(SmallSampleWarning, match="subsets of 13 images is left out, as there are only 12"):
        distance = compare_folders(pred, target, Means(), numbers=NUMBERS, subsets=KidSubsets(5, 13))
    assert distance.distribution.kid_of_subsets is None
    distance = compare_folders(pred, target, Means(), numbers=NUMBERS, subsets=KidSubsets(5, 12))
    assert distance.distribution.kid_of_subsets.size == 12


def test_progress_ends_at_one_and_never_falls(folder):
    pred, target = folder("t", 14, 90), folder("u", 14, 100)
    shown = []
    for name in (pred, target):
        evaluate(name, name, features=Means(), progress=shown.append, metrics=["l1"])
        assert shown == sorted(shown)
        assert shown[-1] == 1
        shown.clear()


def test_images_without_partners_are_compared_as_distributions_alone(folder, tmp_path):
    pred, target = folder("p", 12, 100), folder("t", 20, 120)
    with pytest.warns(MetricWarning, match=r"partners are left out \(.*t lacks p000, p001, p002 and 9 more\)"):
        evaluation = evaluate(pred, target, tmp_path / "out", features=Means())
    assert (evaluation.images, evaluation.metrics, dict(evaluation.summaries)) == ((), (), {})
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert record["metrics"] == {}
    assert record["distribution"]["pred"] == 12


def test_a_metric_by_name_needs_partners_all_the_same(folder):
    with pytest.raises(DataError, match="lacks p000"):
        evaluate(folder("p", 12, 100), folder("t", 20, 120), features=Means(), metrics=["psnr"])


def test_a_missing_folder_is_no_missing_partner(folder, tmp_path):
    with (
        pytest.warns(MetricWarning, match="does not exist"),
        pytest.raises(DataError, match="nowhere does not exist"),
    ):
        evaluate(tmp_path / "nowhere", folder("t", 20, 120), features=Means())


def test_the_file_says_by_which_features_and_with_how_many_images(folder, tmp_path):
    both = folder("t", 20, 120)
    evaluation = evaluate(both, both, tmp_path / "out", features=Means(), metrics=["psnr"])
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert set(record["metrics"]) == {"psnr"}
    found = record["distribution"]
    assert found["features"] == {"name": "means", "dimension": 2, "sha256": "ab" * 32}
    assert (found["tile"], found["pred"], found["target"], found["floor"]) == (16, 20, 20, 10)
    assert (found["pred_images"], found["target_images"]) == (20, 20)
    assert list(found["numbers"]) == list(NUMBERS)
    fid = evaluation.distance.distribution.fid
    assert found["numbers"]["fid"] == {
        "value": fid.value,
        "low": fid.low,
        "high": fid.high,
        "excess": fid.excess,
        "floor": fid.floor,
    }
    assert fid.value == pytest.approx(0, abs=1e-12)
    assert found["numbers"]["precision_5"]["value"] == 1


def test_without_features_nothing_changes(folder, tmp_path):
    both = folder("t", 2, 120)
    evaluation = evaluate(both, both, tmp_path / "out", metrics=["psnr"])
    assert evaluation.distance is None
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["distribution"] is None


def test_profiles_name_metrics_that_exist():
    names = {metric.name for metric in METRICS}
    for profile in PROFILES:
        assert set(profile.metrics) <= names
        assert set(profile.numbers) <= set(NUMBERS)
        assert find_profile(profile.name) is profile
    with pytest.raises(ConfigError, match="choose among staindiffuser, asp, recommended"):
        find_profile("mine")


@pytest.mark.parametrize(
    ("profile", "metrics", "numbers", "subsets"),
    [
        ("staindiffuser", ["psnr", "ssim_uniform", "l2"], ["fid", "kid", "precision_5", "recall_5"], None),
        ("asp", ["psnr", "ssim_uniform"], ["fid"], (100, 100)),
        ("recommended", ["psnr", "ssim_gaussian"], list(NUMBERS), (100, 1000)),
    ],
)
def test_a_profile_measures_what_it_says(folder, tmp_path, profile, metrics, numbers, subsets):
    both = folder("t", 101, 120)
    needs = subsets is not None and subsets[1] > 101
    with pytest.warns(SmallSampleWarning, match="is left out" if needs else "The Frechet distance of"):
        evaluation = evaluate(both, both, tmp_path / "out", features=Means(resizes=True), profile=profile)
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert record["profile"] == profile
    assert list(record["metrics"]) == metrics
    assert list(record["distribution"]["numbers"]) == numbers
    assert record["distribution"]["tile"] == (16 if profile == "recommended" else None)
    found = evaluation.distance.distribution.kid_of_subsets
    assert (found and (found.subsets, found.size)) == (None if needs else subsets)


def test_metrics_by_name_stand_in_for_those_of_the_profile(folder):
    both = folder("t", 20, 120)
    assert list(evaluate(both, both, features=Means(), profile="staindiffuser", metrics=["l1"]).summaries) == ["l1"]


def test_an_extractor_that_takes_images_as_they_are_sees_tiles_in_every_profile(folder):
    both = folder("t", 20, 120)
    assert evaluate(both, both, features=Means(), profile="staindiffuser", metrics=["l1"]).distance.side == 16
