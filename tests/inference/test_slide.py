"""Slides: exact, at the input's scale, and to be killed at any time."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import openslide
import pytest
import tifffile

from restain.bundle import save_bundle
from restain.errors import OutputError, RestainWarning, ScaleError
from restain.geometry import Mpp, Region
from restain.inference import Stainer, load_model, stain_slide
from restain.inference.run import run
from restain.slides import open_slide


class Killed(Exception):
    """What a test raises in the middle of a job."""


def pixels_of(path):
    with open_slide(path) as reader:
        return reader.read(Region.of(reader.info.size))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def dying_after(batches, function):
    """Return a function that computes another one, until it has done so for some batches."""
    calls = []

    def compute(source, noise):
        calls.append(1)
        if len(calls) > batches:
            raise Killed
        return function(source, noise)

    return compute


@pytest.mark.parametrize(
    ("width", "height", "tile", "halo", "batch"), [(200, 120, 64, 16, 1), (97, 333, 48, 8, 3), (20, 11, 64, 16, 2)]
)
def test_a_model_that_copies_gives_back_every_pixel(
    models, exact, tissue, slide, tmp_path, width, height, tile, halo, batch
):
    image, out = tissue(width, height), tmp_path / "out.ome.tiff"
    source = slide(image)
    stain_slide(source, models.copy(tile=tile, halo=halo), out, options=exact(batch=batch))
    assert np.array_equal(pixels_of(out), image)
    with open_slide(out) as reader:
        assert reader.info.mpp.is_close(Mpp.square(0.5))
    assert names_in(tmp_path) == ["out.ome.tiff", "source.ome.tiff"]


def test_glass_is_left_out_of_a_slide(models, exact, tissue, slide, tmp_path):
    image, out = tissue(3000, 640, glass=256), tmp_path / "out.ome.tiff"
    model = models.copy(tile=144, halo=8, background=255)
    stain_slide(slide(image), model, out, options=exact(batch=8))
    plan_tiles = -(-3000 // 128) * -(-640 // 128)
    assert 0 < sum(model.method.batches) < plan_tiles
    stained = pixels_of(out)
    assert np.array_equal(stained[256:-256, 256:-256], image[256:-256, 256:-256])
    assert (stained[:64] == 255).all()


def test_a_slide_without_tissue_is_background_and_a_warning(models, exact, slide, tmp_path):
    out, model = tmp_path / "out.ome.tiff", models.copy(tile=144, halo=8, background=250)
    source = slide(np.full((200, 2400, 3), 246, np.uint8))
    with pytest.warns(RestainWarning, match="shows no tissue"):
        stain_slide(source, model, out, options=exact())
    assert model.method.batches == []
    assert (pixels_of(out) == 250).all()


def test_another_target_has_its_own_channels(models, exact, tissue, slide, tmp_path):
    model = models.of(lambda source, noise: source[:, :2], channels=(("red", "green", "blue"), ("DAPI", "CK")))
    out = tmp_path / "out.ome.tiff"
    image = tissue(80, 60)
    stain_slide(slide(image), model, out, options=exact(compression=None))
    with open_slide(out) as reader:
        assert reader.info.channels == ("DAPI", "CK")
    assert np.array_equal(pixels_of(out), image[..., :2])


@pytest.mark.parametrize(
    ("own", "wanted"), [(0.25, 0.5), (0.5, 0.25), (0.499, 0.25), (0.3, 0.5), (0.5, 0.169), (0.51, 0.5), (0.5, 0.4902)]
)
def test_the_result_has_the_scale_and_extent_of_the_input(models, exact, slide, tmp_path, own, wanted):
    """A smooth slide survives two resamplings; were it shifted by a pixel anywhere, it would be off by two levels."""
    rows, columns = np.mgrid[:61, :103]
    image = np.stack([60 + columns, 40 + 2 * rows, 80 + columns // 2 + rows], axis=2).astype(np.uint8)
    out = tmp_path / "out.ome.tiff"
    stain_slide(slide(image, own), models.copy(mpp=wanted), out, options=exact(batch=8))
    stained = pixels_of(out)
    assert stained.shape == image.shape
    with open_slide(out) as reader:
        assert reader.info.mpp.x == pytest.approx(own, rel=1e-6)
    inner = (slice(3, -3), slice(3, -3))
    assert np.abs(stained[inner].astype(int) - image[inner]).max() <= 1
    assert names_in(tmp_path) == ["out.ome.tiff", "source.ome.tiff"]


def test_the_noise_of_a_model_is_on_the_grid_of_its_own_scale(models, exact, tissue, slide, tmp_path):
    """At 0.25 a model of 0.5 makes one pixel of four, so neighbours are alike."""
    out = tmp_path / "out.ome.tiff"
    stain_slide(slide(tissue(96, 96), 0.25), models.noise(), out, options=exact(batch=8))
    stained = pixels_of(out).astype(float)
    assert np.corrcoef(stained[:, 40].ravel(), stained[:, 41].ravel())[0, 1] > 0.6


def test_a_model_without_scale_takes_pixels_as_they_are(models, exact, tissue, slide, tmp_path):
    image, out = tissue(90, 50), tmp_path / "out.ome.tiff"
    stain_slide(slide(image, 0.23), models.copy(mpp=None), out, options=exact())
    assert np.array_equal(pixels_of(out), image)


def test_a_slide_without_scale_needs_one(models, exact, tissue, tmp_path):
    path, out = tmp_path / "plain.tiff", tmp_path / "out.ome.tiff"
    tifffile.imwrite(path, tissue(90, 50), photometric="rgb")
    with pytest.raises(ScaleError, match="--mpp"):
        stain_slide(path, models.copy(), out, options=exact())
    stain_slide(path, models.copy(), out, mpp=Mpp.square(0.5), options=exact())
    with open_slide(out) as reader:
        assert reader.info.mpp.is_close(Mpp.square(0.5))


def test_the_metadata_tell_where_the_result_comes_from(models, exact, tissue, slide, tmp_path):
    out, model = tmp_path / "out.ome.tiff", models.network("conditional")
    save_bundle(tmp_path / "bundle", model.card, model.method)
    stain_slide(slide(tissue(33, 20)), load_model(tmp_path / "bundle"), out, options=exact(seed=5, steps=1))
    with tifffile.TiffFile(out) as file:
        text = file.ome_metadata
    digest = load_model(tmp_path / "bundle").card.files["weights.safetensors"]
    for fact in ("tiny", digest, ">5<", "dpmpp_2m", "source.ome.tiff", "H&amp;E to Ki67", "restain 0"):
        assert fact in text


@pytest.mark.parametrize(("mpp", "batches"), [(0.5, 0), (0.5, 1), (0.5, 5), (0.5, 11), (0.25, 1), (0.25, 3)])
def test_a_job_that_died_goes_on(models, exact, tissue, slide, tmp_path, mpp, batches):
    image = tissue(90, 70)
    source, out = slide(image, mpp), tmp_path / "out.ome.tiff"

    def mix(source, noise):
        return 0.5 * source + 0.1 * noise(source, 0)

    whole = models.of(mix)
    stain_slide(source, whole, tmp_path / "whole.ome.tiff", options=exact(batch=2))
    with pytest.raises(Killed):
        stain_slide(source, models.of(dying_after(batches, mix)), out, options=exact(batch=2))
    assert not out.exists()
    rest = models.of(mix)
    stain_slide(source, rest, out, options=exact(batch=2))
    assert np.array_equal(pixels_of(out), pixels_of(tmp_path / "whole.ome.tiff"))
    if batches == 11:
        assert len(rest.method.batches) < len(whole.method.batches)
    assert names_in(tmp_path) == ["out.ome.tiff", "source.ome.tiff", "whole.ome.tiff"]


def test_a_job_that_died_while_it_was_rescaled_is_not_stained_again(models, exact, tissue, slide, tmp_path):
    source, out = slide(tissue(1300, 200), 0.25), tmp_path / "out.ome.tiff"
    whole, again = models.copy(tile=144, halo=8), models.copy(tile=144, halo=8)
    stain_slide(source, whole, tmp_path / "whole.ome.tiff", options=exact())
    work = run(source, Stainer(again, exact()), out, None)
    for progress in work:
        if progress.activity == "rescaling":
            break
    work.close()
    assert not out.exists()
    done = len(again.method.batches)
    stain_slide(source, again, out, options=exact())
    assert len(again.method.batches) == done > 0
    assert np.array_equal(pixels_of(out), pixels_of(tmp_path / "whole.ome.tiff"))
    assert names_in(tmp_path) == ["out.ome.tiff", "source.ome.tiff", "whole.ome.tiff"]


@pytest.mark.parametrize("mpp", [0.5, 0.25])
def test_other_options_are_another_job(models, exact, tissue, slide, tmp_path, mpp):
    source, out = slide(tissue(90, 70), mpp), tmp_path / "out.ome.tiff"
    model = models.network("conditional", tile=64, halo=8)
    work = run(source, Stainer(model, exact(steps=1)), out, None)
    for progress in work:
        if progress.done == 1:
            break
    work.close()
    with pytest.warns(RestainWarning, match="another job"):
        stain_slide(source, model, out, options=exact(steps=1, seed=1))
    stain_slide(source, model, tmp_path / "whole.ome.tiff", options=exact(steps=1, seed=1))
    assert np.array_equal(pixels_of(out), pixels_of(tmp_path / "whole.ome.tiff"))
    assert names_in(tmp_path) == ["out.ome.tiff", "source.ome.tiff", "whole.ome.tiff"]


def test_progress_counts_tiles_that_cost_time(models, exact, tissue, slide, tmp_path):
    source, out = slide(tissue(90, 70)), tmp_path / "out.ome.tiff"
    seen = [(step.done, step.total) for step in run(source, Stainer(models.copy(), exact()), out, None)]
    assert seen == [(done, seen[0][1]) for done in range(seen[0][1] + 1)]


def test_a_slide_is_not_written_over_itself(models, exact, tissue, slide):
    source = slide(tissue(40, 40))
    before = source.read_bytes()
    with pytest.raises(OutputError, match="is the input"):
        stain_slide(source, models.copy(), source, options=exact())
    assert source.read_bytes() == before


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "instants", [(0.2,), pytest.param((0.0, 0.01, 0.03, 0.1, 0.2, 0.5, 1.0), marks=pytest.mark.slow)]
)
def test_kill_9_at_any_instant_costs_nothing_but_time(models, exact, tissue, slide, tmp_path, instants):
    """The command is killed again and again, so many seconds after it began to write."""
    source, out = slide(tissue(200, 150), 0.25), tmp_path / "out.ome.tiff"
    model = models.network("conditional", tile=48, halo=8)
    save_bundle(tmp_path / "bundle", model.card, model.method)
    command = [sys.executable, "-m", "restain", "stain", source, "--model", tmp_path / "bundle", "--out", out]
    command += ["--precision", "fp32", "--compression", "zstd", "--steps", "2", "--device", "cpu"]
    partial = out.with_name(out.name + ".partial")
    kills = 0
    for instant in instants:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not partial.exists():
            time.sleep(0.01)
        time.sleep(instant)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills > 0
    subprocess.run(command, check=True, capture_output=True)
    stain_slide(source, load_model(tmp_path / "bundle"), tmp_path / "whole.ome.tiff", options=exact(steps=2))
    assert np.array_equal(pixels_of(out), pixels_of(tmp_path / "whole.ome.tiff"))
    assert names_in(tmp_path) == ["bundle", "out.ome.tiff", "source.ome.tiff", "whole.ome.tiff"]


def test_a_real_slide_keeps_its_extent_and_scale(models, exact, shared_data, tmp_path):
    path, out = shared_data / "wsi" / "CMU-1-Small-Region.svs", tmp_path / "out.ome.tiff"
    model = models.of(lambda source, noise: -source, tile=576, halo=32, mpp=0.5)
    stain_slide(path, model, out, options=exact(compression=None))
    with openslide.OpenSlide(path) as source, openslide.OpenSlide(out) as stained:
        assert stained.dimensions == source.dimensions == (2220, 2967)
        for axis in "xy":
            name = f"openslide.mpp-{axis}"
            assert float(stained.properties[name]) == pytest.approx(float(source.properties[name]), rel=1e-6)
        assert stained.level_count == 4
        place = (900, 1300), 0, (300, 300)
        pixels = [np.array(each.read_region(*place).convert("RGB"), int) for each in (source, stained)]
        assert np.abs(pixels[0] + pixels[1] - 255).mean() < 3  # JPEG
    with tifffile.TiffFile(out) as file:
        assert file.series[0].shape == (2967, 2220, 3)
        assert len(file.series[0].levels) == 4
        assert 'PhysicalSizeX="0.499"' in file.ome_metadata
