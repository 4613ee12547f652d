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

from restain.errors import DataError, OutputError, SlideError
from restain.geometry import Mpp, Region
from restain.metrics import METRICS
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
    for metric in METRICS:
        entry, summary = record["metrics"][metric.name], evaluation.summaries[metric.name]
        assert [entry[key] for key in ("mean", "std", "n", "pooled")] == [
            summary.mean, summary.std, summary.n, summary.pooled]  # fmt: skip
        assert entry["unit"] == metric.unit
        assert entry["higher_is_better"] == metric.higher_is_better
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


@pytest.mark.parametrize("side", [64, 100, 333, 2048])
def test_a_slide_measured_in_parts_gives_the_bits_of_the_whole(tmp_path: Path, monkeypatch, side: int):
    target = texture(333, 457, 0)
    pred = noisy(target, 1)
    paths = [write_tiff(tmp_path / f"{name}.tif", image) for name, image in (("pred", pred), ("target", target))]
    monkeypatch.setattr(MODULE, "SIDE", side)
    (image,) = evaluate(*paths).images
    assert image.values == {metric.name: metric.of(pred, target) for metric in METRICS}


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
    assert max(sizes) == 128 + 10  # the widest window looks 10 pixels ahead


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


def test_images_too_small_for_ssim_are_refused(tmp_path: Path):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        Image.fromarray(texture(10, 40, 0)).save(path)
    with pytest.raises(DataError, match="less than the 11 that SSIM needs"):
        evaluate(*paths)


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
    evaluation = evaluate(shared_data / "he_her2_mist" / "ihc", shared_data / "he_her2_mist" / "he")
    assert evaluation.summaries["psnr"].n == 5
    assert 5 < evaluation.summaries["psnr"].mean < 15
    assert 0 < evaluation.summaries["ssim_gaussian"].mean < 0.5


def test_a_real_slide_equals_itself(shared_data: Path):
    path = shared_data / "wsi" / "CMU-1-Small-Region.svs"
    (image,) = evaluate(path, path).images
    assert image.values == {"psnr": math.inf, "ssim_gaussian": 1, "ssim_uniform": 1, "l1": 0, "l2": 0}
