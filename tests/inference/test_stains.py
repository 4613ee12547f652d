"""Models of several stains, or of both directions: what each stain is, and where it goes."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from restain.bundle import Card, Model, Stain, aimed, load_bundle, save_bundle
from restain.diffusion import Sampling
from restain.errors import BundleError, ConfigError, OutputError, RestainWarning
from restain.geometry import Mpp, Point, Region, Size
from restain.inference import Stainer, forecast, outputs_of, stain, stain_slide
from restain.inference.run import run
from restain.methods import build_method
from restain.slides import RGB, create_slides, open_slide, save_image

UNET = {"width": 8, "multipliers": [1, 2], "blocks": 1, "attention": [], "middle_attention": False}
OPTIONS = {"unet": UNET, "modulation": {"window": 4}, "auxiliary": None}
HALF = Mpp.square(0.5)
NAMES = ("CD3", "CK8/18")


def model_of(*names, source="H&E", **options):
    """Return a small StainDiffuser of random weights that makes these stains."""
    torch.manual_seed(1)
    options = {**OPTIONS, "stains": len(names), **options}
    method = build_method("stain_diffuser", options, source_channels=3, target_channels=3 * len(names))
    with torch.no_grad():
        for weights in method.parameters():
            weights.add_(0.1 * torch.randn(weights.shape))
    targets = tuple(Stain(name=name) for name in names)
    card = Card(
        name="tiny",
        summary="For tests.",
        source=Stain(name=source),
        target=targets if len(names) > 1 else targets[0],
        mpp=0.5,
        tile=48,
        halo=8,
        sampling=Sampling(steps=2),
        method="stain_diffuser",
        method_config=options,
        training={},
        metrics={},
        licence="none",
    )
    return Model(card, method.eval().requires_grad_(False))


@pytest.fixture(scope="module")
def both():
    return model_of(*NAMES)


def run_all(path, model, out, options, mpp=HALF):
    for _ in run(path, Stainer(model, options), out, mpp):
        pass


def pixels_of(path):
    with open_slide(path) as reader:
        return reader.read(Region.of(reader.info.size))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_array_becomes_all_stains_each_as_if_it_were_made_alone(both, exact, tissue):
    image = tissue(70, 50)
    stained = stain(image, both, mpp=HALF, options=exact())
    assert stained.shape == (50, 70, 6)
    alone = [stain(image, aimed(both, name), mpp=HALF, options=exact()) for name in NAMES]
    assert np.array_equal(stained, np.concatenate(alone, axis=2))
    assert (alone[0] != alone[1]).any()


@pytest.mark.parametrize("mpp", [0.5, 0.25, 0.4])
def test_a_slide_becomes_a_slide_per_stain_each_as_if_it_were_made_alone(both, exact, tissue, slide, tmp_path, mpp):
    source = slide(tissue(150, 90), mpp)
    stain_slide(source, both, tmp_path / "out.ome.tiff", options=exact(batch=2))
    stain_slide(source, aimed(both, "CD3"), tmp_path / "a.ome.tiff", options=exact(batch=2))
    stain_slide(source, aimed(both, "CK8/18"), tmp_path / "b.ome.tiff", options=exact(batch=2))
    assert np.array_equal(pixels_of(tmp_path / "out.CD3.ome.tiff"), pixels_of(tmp_path / "a.ome.tiff"))
    assert np.array_equal(pixels_of(tmp_path / "out.CK8-18.ome.tiff"), pixels_of(tmp_path / "b.ome.tiff"))
    with open_slide(tmp_path / "out.CK8-18.ome.tiff") as reader:
        assert reader.info.channels == RGB
        assert reader.info.mpp.is_close(Mpp.square(mpp))
    made = ["a.ome.tiff", "b.ome.tiff", "out.CD3.ome.tiff", "out.CK8-18.ome.tiff", "source.ome.tiff"]
    assert names_in(tmp_path) == made


@pytest.mark.parametrize(("mpp", "batches"), [(0.5, 2), (0.25, 1)])
def test_a_job_that_died_goes_on_in_all_its_slides(both, exact, tissue, slide, tmp_path, mpp, batches):
    source = slide(tissue(150, 90), mpp)
    stain_slide(source, both, tmp_path / "whole.ome.tiff", options=exact())
    work = run(source, Stainer(both, exact()), tmp_path / "out.ome.tiff", None)
    while next(work).done < batches:
        pass
    work.close()
    assert not list(tmp_path.glob("out.*.tiff"))
    stain_slide(source, both, tmp_path / "out.ome.tiff", options=exact())
    for name in ("CD3", "CK8-18"):
        made, whole = (pixels_of(tmp_path / f"{job}.{name}.ome.tiff") for job in ("out", "whole"))
        assert np.array_equal(made, whole)
    assert len(names_in(tmp_path)) == 5


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kill_9_costs_slides_of_several_stains_nothing_but_time(both, exact, tissue, slide, tmp_path):
    source, out = slide(tissue(110, 80)), tmp_path / "out.ome.tiff"
    save_bundle(tmp_path / "bundle", both.card, both.method)
    command = [sys.executable, "-m", "restain", "stain", source, "--model", tmp_path / "bundle", "--out", out]
    command += ["--precision", "fp32", "--compression", "zstd", "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journals = [tmp_path / f"out.{name}.ome.tiff.partial" / "journal" for name in ("CD3", "CK8-18")]
    while process.poll() is None and not all(path.exists() and path.stat().st_size for path in journals):
        time.sleep(0.005)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=True, capture_output=True)
    stain_slide(source, load_bundle(tmp_path / "bundle"), tmp_path / "whole.ome.tiff", options=exact())
    for name in ("CD3", "CK8-18"):
        made, whole = (pixels_of(tmp_path / f"{job}.{name}.ome.tiff") for job in ("out", "whole"))
        assert np.array_equal(made, whole)
    assert len(names_in(tmp_path)) == 6


def test_slides_that_were_done_when_the_job_died_at_its_end_stay(tmp_path):
    slides = {tmp_path / "a.ome.tiff": RGB, tmp_path / "b.ome.tiff": ("DAPI",)}
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 4), np.uint8)
    writer = create_slides(slides, Size(60, 40), HALF, compression="zstd", tile=16)
    writer.write(pixels, Point(0, 0))
    writer._writers[0][1].close()
    writer.suspend()
    before = (tmp_path / "a.ome.tiff").stat().st_mtime_ns
    with create_slides(slides, Size(60, 40), HALF, compression="zstd", tile=16) as again:
        assert all(again.has(Point(x, y)) for x in range(0, 60, 16) for y in range(0, 40, 16))
    assert (tmp_path / "a.ome.tiff").stat().st_mtime_ns == before
    assert np.array_equal(pixels_of(tmp_path / "a.ome.tiff"), pixels[..., :3])
    assert np.array_equal(pixels_of(tmp_path / "b.ome.tiff"), pixels[..., 3:])
    with create_slides(slides, Size(60, 40), HALF, compression="zstd", tile=16) as anew:  # done jobs are done again
        assert not anew.has(Point(0, 0))
        anew.write(255 - pixels, Point(0, 0))
    assert np.array_equal(pixels_of(tmp_path / "a.ome.tiff"), 255 - pixels[..., :3])


def test_a_slide_of_another_job_is_not_taken_for_a_part_of_this_one(tmp_path):
    slides = {tmp_path / "a.ome.tiff": RGB, tmp_path / "b.ome.tiff": RGB}
    pixels = np.zeros((20, 20, 6), np.uint8)
    writer = create_slides(slides, Size(20, 20), HALF, tile=32)
    writer.write(pixels, Point(0, 0))
    writer._writers[0][1].close()
    writer.suspend()
    with pytest.warns(RestainWarning, match="another job"):
        other = create_slides(slides, Size(20, 20), HALF, tile=32, provenance={"seed": "1"})
    assert not other.has(Point(0, 0))
    other.write(pixels + 99, Point(0, 0))
    other.close()
    assert pixels_of(tmp_path / "a.ome.tiff").min() > 90


def test_a_block_without_all_channels_is_refused(tmp_path):
    slides = {tmp_path / "a.ome.tiff": RGB, tmp_path / "b.ome.tiff": RGB}
    with create_slides(slides, Size(20, 20), HALF, tile=32) as writer:
        with pytest.raises(OutputError, match="6 channels"):
            writer.write(np.zeros((20, 20, 3), np.uint8), Point(0, 0))
        writer.write(np.zeros((20, 20, 6), np.uint8), Point(0, 0))


def test_a_picture_becomes_a_picture_per_stain(both, exact, tissue, tmp_path):
    save_image(tmp_path / "in.png", tissue(70, 50), HALF)
    run_all(tmp_path / "in.png", both, tmp_path / "out.png", exact())
    assert names_in(tmp_path) == ["in.png", "out.CD3.png", "out.CK8-18.png"]
    run_all(tmp_path / "in.png", aimed(both, "CK8/18"), tmp_path / "alone.png", exact())
    with Pillow.open(tmp_path / "out.CK8-18.png") as picture, Pillow.open(tmp_path / "alone.png") as alone:
        assert np.array_equal(np.asarray(picture), np.asarray(alone))
        assert picture.info["stains"] == "H&E to CD3, CK8/18"


@pytest.fixture
def folder(tissue, tmp_path):
    for number in range(3):
        save_image(tmp_path / "in" / f"{number}.png", tissue(40, 30, seed=number))
    return tmp_path / "in"


def test_a_folder_becomes_a_folder_per_stain_and_the_same_call_makes_what_is_missing(both, exact, folder, tmp_path):
    out = tmp_path / "out"
    run_all(folder, both, out, exact())
    assert {place.name: names_in(place) for place in out.iterdir()} == {
        stain: ["0.png", "1.png", "2.png"] for stain in ("CD3", "CK8-18")
    }
    made = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    (out / "CK8-18" / "1.png").unlink()
    assert "2 of them done, 1 to be stained" in forecast(folder, Stainer(both, exact()), out, HALF).subject
    run_all(folder, both, out, exact())
    again = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert {path.name for path in made if again[path] != made[path]} == {"1.png"}
    with pytest.warns(RestainWarning, match="3 images .* are made anew"):
        run_all(folder, both, out, exact(seed=1))


def test_pictures_of_others_in_the_folder_of_a_stain_are_not_replaced(both, exact, folder, tissue, tmp_path):
    save_image(tmp_path / "out" / "CK8-18" / "1.png", tissue(20, 20))
    with pytest.raises(OutputError, match="not made by restain"):
        run_all(folder, both, tmp_path / "out", exact())


def test_the_folder_of_a_stain_that_is_the_input_is_refused(both, exact, folder, tmp_path):
    folder.rename(tmp_path / "CD3")
    with pytest.raises(OutputError, match="is the input"):
        run_all(tmp_path / "CD3", both, tmp_path, exact())


def test_the_picture_of_a_stain_that_is_the_input_is_refused(both, exact, tissue, tmp_path):
    save_image(tmp_path / "a.CD3.png", tissue(20, 20))
    with pytest.raises(OutputError, match="is the input"):
        run_all(tmp_path / "a.CD3.png", both, tmp_path / "a.png", exact())


def test_stains_that_would_share_a_file_are_refused(both, exact, tissue, tmp_path):
    save_image(tmp_path / "in.png", tissue(20, 20))
    twins = tuple(Stain(name=name) for name in ("CK8/18", "ck8-18"))
    model = Model(both.card.model_copy(update={"target": twins}), both.method)
    with pytest.raises(BundleError, match="would share a file"):
        outputs_of(tmp_path / "in.png", tmp_path / "out.png", model.card)


@pytest.mark.parametrize("shared", [False, True])
def test_a_model_of_three_stains_makes_the_one_that_is_named(exact, tissue, shared):
    model, image = model_of("A", "B", "C", shared=shared), tissue(30, 30)
    all_three = stain(image, model, mpp=HALF, options=exact())
    alone = aimed(model, "B")
    assert (alone.card.target.name, alone.method.stains) == ("B", 1)
    assert np.array_equal(stain(image, alone, mpp=HALF, options=exact()), all_three[..., 3:6])
    assert aimed(alone, "B") is alone
    with pytest.raises(ConfigError, match="makes B, not A"):
        aimed(alone, "A")


@pytest.mark.parametrize("both_ways", ["told", "untold"])
def test_a_model_of_both_directions_makes_either_stain(exact, tissue, both_ways):
    model, image = model_of("HER2", both_ways=both_ways), tissue(30, 30)
    back = aimed(model, "H&E")
    assert (back.card.source.name, back.card.target.name) == ("HER2", "H&E")
    forth = aimed(back, "HER2")
    assert (forth.card.source, forth.card.target) == (model.card.source, model.card.target)
    there, again, here = (stain(image, each, mpp=HALF, options=exact()) for each in (model, forth, back))
    assert np.array_equal(there, again)
    assert np.array_equal(there, here) == (both_ways == "untold")  # which sees the direction in the image alone
    with pytest.raises(ConfigError, match="makes HER2 and H&E, not CD3"):
        aimed(model, "CD3")


def test_a_stain_that_a_model_does_not_make_is_refused_with_those_it_makes(both, models):
    with pytest.raises(ConfigError, match="model 'tiny' makes CD3 and CK8/18, not HER2"):
        aimed(both, "HER2")
    with pytest.raises(ConfigError, match="makes CD3 and CK8/18, not H&E"):
        aimed(both, "H&E")
    with pytest.raises(ConfigError, match="makes Ki67, not H&E"):
        aimed(models.copy(), "H&E")
    plain = models.copy()
    assert aimed(plain, "Ki67") is plain


def test_a_bundle_of_several_stains_comes_back_as_it_was(both, tmp_path, tissue, exact):
    save_bundle(tmp_path / "bundle", both.card, both.method)
    loaded = load_bundle(tmp_path / "bundle")
    assert loaded.card.model_copy(update={"files": {}}) == both.card
    assert loaded.card.channels_out[2:4] == ("CD3 blue", "CK8/18 red")
    save_bundle(tmp_path / "one", aimed(loaded, "CK8/18").card, aimed(loaded, "CK8/18").method)
    image = tissue(30, 30)
    alone, all_of_them = (
        stain(image, load_bundle(tmp_path / name), mpp=HALF, options=exact()) for name in ("one", "bundle")
    )
    assert np.array_equal(alone, all_of_them[..., 3:])
