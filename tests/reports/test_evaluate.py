import csv
import json
import math
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from restain.errors import ConfigError, DataError, MetricWarning, OutputError, SlideError
from restain.geometry import Mpp, Region
from restain.metrics import METRICS, SOURCE_METRICS
from restain.reports import evaluate
from restain.slides import SlideReader

MODULE = import_module("restain.reports.evaluate")  # the package offers the function under the module's name


def texture(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=(height, width, 3)), (4, 4, 0))
    return (128 + 45 * smooth / smooth.std()).clip(0, 255).astype(np.uint8)


def noisy(image: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    return (image + np.random.default_rng(seed).normal(3, 10, image.shape)).clip(0, 255).astype(np.uint8)


def write_tiff(path: Path, image: NDArray, mpp: float | None = None) -> Path:
    scale = {} if mpp is None else {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, image, tile=(256, 256), photometric="rgb", compression="zlib", **scale)
    return path


@pytest.fixture
def folders(tmp_path: Path):
    pairs = {name: texture(60 + 10 * i, 80, i) for i, name in enumerate(("p", "q", "r"))}
    for side in ("pred", "target"):
        (tmp_path / side).mkdir()
    for i, (name, image) in enumerate(pairs.items()):
        Image.fromarray(noisy(image, i)).save(tmp_path / "pred" / f"{name}.png")
        Image.fromarray(image).save(tmp_path / "target" / f"{name}.png")
    return tmp_path / "pred", tmp_path / "target"


def read(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path))


def test_a_folder_gives_every_image_and_the_summary(folders):
    pred, target = folders
    evaluation = evaluate(pred, target)
    assert [image.name for image in evaluation.images] == ["p", "q", "r"]
    for image in evaluation.images:
        ours, truth = read(pred / f"{image.name}.png"), read(target / f"{image.name}.png")
        assert (image.size.height, image.size.width) == truth.shape[:2]
        assert image.values == {metric.name: metric.of(ours, truth) for metric in METRICS}
        assert image.values["psnr"] == pytest.approx(peak_signal_noise_ratio(truth, ours), abs=1e-6)
        assert image.values["ssim_uniform"] == pytest.approx(
            structural_similarity(truth, ours, channel_axis=2), abs=1e-6
        )
    values = [image.values["l1"] for image in evaluation.images]
    assert evaluation.summaries["l1"].mean == pytest.approx(np.mean(values))
    assert evaluation.summaries["l1"].std == pytest.approx(np.std(values, ddof=1))
    assert evaluation.summaries["l1"].n == 3
    pixels = [image.size.area for image in evaluation.images]
    assert evaluation.summaries["l1"].pooled == pytest.approx(np.average(values, weights=pixels))


def test_both_files_hold_the_numbers_in_full(folders, tmp_path: Path):
    out = tmp_path / "new" / "out"
    evaluation = evaluate(*folders, out)
    assert sorted(path.name for path in out.iterdir()) == ["evaluation.csv", "evaluation.json"]
    with (out / "evaluation.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, image in zip(rows, evaluation.images, strict=True):
        assert row["name"] == image.name
        assert (int(row["width"]), int(row["height"])) == (image.size.width, image.size.height)
        assert {name: float(row[name]) for name in image.values} == image.values
    record = json.loads((out / "evaluation.json").read_text())
    assert (record["pred"], record["target"], record["images"]) == (*map(str, folders), 3)
    assert record["source"] is None
    for metric in METRICS:
        entry, summary = record["metrics"][metric.name], evaluation.summaries[metric.name]
        assert [entry[key] for key in ("mean", "std", "n", "pooled")] == [
            summary.mean, summary.std, summary.n, summary.pooled]  # fmt: skip
        assert entry["unit"] == metric.unit
        assert entry["better"] == metric.better
    assert record["versions"]["numpy"] == np.__version__


def test_infinity_and_nan_stay_readable(folders, tmp_path: Path):
    pred, _ = folders
    evaluation = evaluate(pred / "p.png", pred / "p.png", tmp_path / "out")
    assert evaluation.summaries["psnr"].mean == math.inf

    def refuse(constant: str):
        raise AssertionError(f"{constant} is not JSON")

    record = json.loads((tmp_path / "out" / "evaluation.json").read_text(), parse_constant=refuse)
    assert record["metrics"]["psnr"]["mean"] == "inf"
    assert record["metrics"]["psnr"]["std"] is None
    assert "inf" in (tmp_path / "out" / "evaluation.csv").read_text()


@pytest.mark.parametrize("side", [64, 104, 336, 2048])
def test_a_slide_measured_in_parts_gives_the_bits_of_the_whole(tmp_path: Path, monkeypatch, side: int):
    target = texture(333, 457, 0)
    pred = noisy(target, 1)
    paths = [write_tiff(tmp_path / f"{name}.tif", image) for name, image in (("pred", pred), ("target", target))]
    monkeypatch.setattr(MODULE, "SIDE", side)
    (image,) = evaluate(*paths, source=paths[0]).images
    expected = {metric.name: metric.of(pred, target) for metric in METRICS}
    assert image.values == expected | {metric.name: 1 for metric in SOURCE_METRICS}


def test_slides_are_read_in_parts_in_which_every_window_starts_where_it_should():
    assert all(MODULE.SIDE % metric.stride == 0 for metric in (*METRICS, *SOURCE_METRICS))


def test_a_slide_is_never_read_in_larger_parts_than_stated(tmp_path: Path, monkeypatch):
    paths = [write_tiff(tmp_path / f"{name}.tif", texture(700, 300, 0)) for name in ("pred", "target")]
    read_by_reader, sizes = SlideReader.read, []

    def read(self: SlideReader, region: Region, level: int = 0) -> NDArray:
        sizes.append(max(region.width, region.height))
        return read_by_reader(self, region, level)

    monkeypatch.setattr(SlideReader, "read", read)
    monkeypatch.setattr(MODULE, "SIDE", 128)
    evaluate(*paths)
    assert len(sizes) == 2 * 6 * 3
    assert max(sizes) == 128 + 40  # the widest window looks 40 pixels ahead
    sizes.clear()
    evaluate(*paths, metrics=["l1"])
    assert max(sizes) == 128


def test_progress_rises_to_one(folders):
    fractions: list[float] = []
    evaluate(*folders, progress=fractions.append)
    assert fractions == sorted(fractions)
    assert fractions[0] > 0
    assert fractions[-1] == 1


def test_images_that_do_not_fit_are_named_before_anything_is_measured(folders, tmp_path: Path):
    pred, target = folders
    Image.fromarray(texture(61, 80, 0)).save(pred / "p.png")
    Image.fromarray(texture(70, 80, 0)[..., 0]).save(pred / "q.png")
    with pytest.raises(DataError) as caught:
        evaluate(pred, target, tmp_path / "out")
    assert caught.value.problem == (
        "2 of 3 pairs cannot be compared: p (80 x 61 against 80 x 60 pixels), q (1 against 3 channels)"
    )
    assert not (tmp_path / "out").exists()


def test_images_of_different_scale_are_refused_unless_the_scale_is_given(tmp_path: Path):
    image = texture(300, 300, 0)
    paths = [write_tiff(tmp_path / "pred.tif", image, 0.5), write_tiff(tmp_path / "target.tif", image, 0.25)]
    with pytest.raises(DataError, match=r"0\.5 um/px against 0\.25 um/px"):
        evaluate(*paths)
    assert evaluate(*paths, mpp=Mpp.square(0.25)).summaries["l1"].mean == 0


def test_scales_that_vendors_round_differently_are_equal(tmp_path: Path):
    image = texture(300, 300, 0)
    paths = [write_tiff(tmp_path / "pred.tif", image, 0.5), write_tiff(tmp_path / "target.tif", image, 0.499)]
    assert evaluate(*paths).summaries["l1"].mean == 0


def test_images_of_different_depth_are_refused(tmp_path: Path):
    image = texture(300, 300, 0)
    paths = [write_tiff(tmp_path / "pred.tif", image), write_tiff(tmp_path / "target.tif", image.astype(np.uint16))]
    with pytest.raises(DataError, match="uint8 against uint16"):
        evaluate(*paths)


def write_pairs(folder: Path, images: dict[str, NDArray]) -> tuple[Path, Path]:
    """Two folders with the same images."""
    for side in ("pred", "target"):
        (folder / side).mkdir()
        for name, image in images.items():
            Image.fromarray(image).save(folder / side / f"{name}.png")
    return folder / "pred", folder / "target"


def test_metrics_without_a_value_for_an_image_are_left_out_with_a_warning(tmp_path: Path):
    folders = write_pairs(tmp_path, {"a": texture(60, 80, 0), "b": texture(60, 40, 1)})
    with pytest.warns(MetricWarning) as caught:
        evaluation = evaluate(*folders, tmp_path / "out")
    (warning,) = caught
    assert str(warning.message) == (
        "left out: vif_luma, vif_channels (b has 40 x 60 pixels, less than a window of 41)."
    )
    expected = [metric.name for metric in METRICS if not metric.name.startswith("vif")]
    assert list(evaluation.summaries) == [metric.name for metric in evaluation.metrics] == expected
    assert all(list(image.values) == expected for image in evaluation.images)
    assert list(json.loads((tmp_path / "out" / "evaluation.json").read_text())["metrics"]) == expected


def test_a_single_channel_is_measured_by_what_is_not_of_colour(tmp_path: Path):
    folders = write_pairs(tmp_path, {"a": texture(60, 80, 0)[..., 0]})
    with pytest.warns(MetricWarning, match="left out: vif_luma, hist_correlation, .*a is 1 x uint8, no 8-bit colour"):
        evaluation = evaluate(*folders)
    assert list(evaluation.summaries) == [metric.name for metric in METRICS if not metric.rgb]
    assert evaluation.summaries["vif_channels"].mean == 1


def test_sixteen_bits_are_measured_by_what_is_not_of_colour(tmp_path: Path):
    image = texture(300, 300, 0).astype(np.uint16) * 257
    paths = [write_tiff(tmp_path / f"{name}.tif", image) for name in ("pred", "target")]
    with pytest.warns(MetricWarning, match="3 x uint16, no 8-bit colour"):
        evaluation = evaluate(*paths)
    assert list(evaluation.summaries) == [metric.name for metric in METRICS if not metric.rgb]


def test_a_metric_that_was_named_is_never_left_out(tmp_path: Path):
    folders = write_pairs(tmp_path, {"a": texture(40, 40, 0)})
    with pytest.raises(DataError, match="the images have no vif_luma: a has 40 x 40 pixels"):
        evaluate(*folders, metrics=["psnr", "vif_luma"])
    assert list(evaluate(*folders, metrics=["psnr", "iod_dab"]).summaries) == ["psnr", "iod_dab"]


def test_images_with_different_numbers_of_channels_have_no_common_mean(tmp_path: Path):
    folders = write_pairs(tmp_path, {"a": texture(60, 80, 0), "b": texture(60, 80, 0)[..., 0]})
    with pytest.raises(DataError, match="some images have 1 and others 3 channels"):
        evaluate(*folders)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["psnr", "sharpness"], "there is no metric sharpness: choose among psnr, .*, vif_channels_source"),
        (["vif_luma_source"], "vif_luma_source compare with the images that were stained: pass --source"),
        ([], "no metric is chosen"),
    ],
)
def test_wrong_choices_of_metrics_are_refused(folders, names: list[str], problem: str):
    with pytest.raises(ConfigError, match=problem):
        evaluate(*folders, metrics=names)


def test_the_source_has_metrics_of_its_own(folders, tmp_path: Path):
    pred, target = folders
    source = tmp_path / "source"
    source.mkdir()
    for i, name in enumerate(("p", "q", "r")):
        Image.fromarray(noisy(read(pred / f"{name}.png"), 9)).save(source / f"{name}.tif")
        assert read(source / f"{name}.tif").shape == (60 + 10 * i, 80, 3)
    plain, both = evaluate(pred, target), evaluate(pred, target, tmp_path / "out", source=source)
    names = [metric.name for metric in SOURCE_METRICS]
    assert list(both.summaries) == [*plain.summaries, *names]
    for without, image in zip(plain.images, both.images, strict=True):
        ours, origin = read(pred / f"{image.name}.png"), read(source / f"{image.name}.tif")
        assert image.values == without.values | {metric.name: metric.of(ours, origin) for metric in SOURCE_METRICS}
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert record["source"] == str(source)
    assert record["metrics"]["vif_luma_source"]["mean"] == both.summaries["vif_luma_source"].mean
    only = evaluate(pred, target, source=source, metrics=names)
    assert only.summaries == {name: both.summaries[name] for name in names}


def test_a_source_that_does_not_fit_is_named(folders, tmp_path: Path):
    pred, target = folders
    source = tmp_path / "source"
    source.mkdir()
    for name in ("p", "q", "r"):
        Image.fromarray(texture(60, 80, 0)).save(source / f"{name}.png")
    with pytest.raises(DataError, match=r"q \(80 x 70 against 80 x 60 pixels of the source\)"):
        evaluate(pred, target, source=source)
    (source / "r.png").unlink()
    with pytest.raises(DataError, match="source lacks r"):
        evaluate(pred, target, source=source)


def test_an_unreadable_image_is_named(folders):
    pred, target = folders
    (pred / "q.png").write_bytes(b"no picture")
    with pytest.raises(SlideError, match=r"q\.png"):
        evaluate(pred, target)


def test_a_folder_that_cannot_be_written_is_named(folders, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        evaluate(*folders, tmp_path / "file")


def test_a_disk_that_fails_half_way_leaves_no_half_file(folders, tmp_path: Path, monkeypatch):
    def fail(self: Path, text: str, encoding: str) -> None:
        with self.open("w") as file:
            file.write(text[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OutputError, match="No space left"):
        evaluate(*folders, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_real_neighbouring_sections_are_compared(shared_data: Path):
    ihc, he = (shared_data / "he_her2_mist" / stain for stain in ("ihc", "he"))
    evaluation = evaluate(ihc, he, metrics=["psnr", "ssim_gaussian"])
    assert evaluation.summaries["psnr"].n == 5
    assert 5 < evaluation.summaries["psnr"].mean < 15
    assert 0 < evaluation.summaries["ssim_gaussian"].mean < 0.5


def test_a_real_slide_equals_itself(shared_data: Path):
    path = shared_data / "wsi" / "CMU-1-Small-Region.svs"
    (image,) = evaluate(path, path, metrics=["psnr", "ssim_uniform", "vif_luma", "l1", "iod_dab"]).images
    assert image.values == {"psnr": math.inf, "ssim_uniform": 1, "vif_luma": 1, "l1": 0, "iod_dab": 0}
