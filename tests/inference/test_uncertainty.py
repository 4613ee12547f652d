"""Intervals of stains: of the width they must have, without seams, and on slides that may be killed at any time."""

import json
import math
import tracemalloc

import numpy as np
import pytest
import torch

from restain.bundle import Model, Stain
from restain.diffusion import SlideNoise
from restain.errors import ConfigError, RestainWarning, UncalibratedWarning
from restain.geometry import Mpp, Point, Region
from restain.inference import (
    Stainer,
    Uncertainty,
    UncertaintyOptions,
    UncertaintySummary,
    forecast,
    run,
    stain,
    stain_samples,
    stain_slide,
    summaries_of,
)
from restain.inference import slide as of_slides
from restain.inference.array_reader import ArrayReader
from restain.inference.engine import plan_tiles
from restain.inference.products import files_for, folders_for, products_of
from restain.inference.source import Source
from restain.inference.uncertainty import finished_tiles
from restain.slides import RGB, open_slide, save_image
from restain.uncertainty import Calibration, CalibrationRecord, IntervalRule

HALF = Mpp.square(0.5)
CONTENTS = ("stain", "uncertainty", "lower", "upper")

pytestmark = pytest.mark.filterwarnings("ignore::restain.errors.UncalibratedWarning")


class Killed(Exception):
    """What a test raises in the middle of a job."""


def calibrated(model, samples=4, lambda_=2.0, **changes):
    """Return the model with a calibration in its card."""
    numbers = {"form": "centred", "alpha": 0.1, "delta": 0.1, "n": 30, "risk": 0.05, "bound": 0.09} | changes
    record = CalibrationRecord(
        calibration=Calibration(lambda_=lambda_, interval=IntervalRule(samples=samples), **numbers),
        weights="0",
        sampler=model.card.sampling.sampler,
        steps=model.card.sampling.steps,
        source="H&E",
        target="Ki67",
        mpp=0.5,
        data="For tests.",
        images={},
    )
    return Model(model.card.model_copy(update={"calibration": record}), model.method)


@pytest.fixture
def sampler(models):
    """Return a function that makes a model whose samples are a function of (source, noise)."""

    def make(function, **card):
        model = models.of(function, **card)
        model.method.samples = model.method.paired = True
        return model

    return make


def cloud(source, noise):
    """Samples spread around mid-grey by 25.5 grey levels."""
    return 0 * source + 0.2 * noise(source, 0)


def cloud_of_dark(source, noise):
    """Samples that spread where the source is dark, and agree elsewhere."""
    return (source < 0) * 0.2 * noise(source, 0)


def pixels_of(path):
    with open_slide(path) as reader:
        return reader.read(Region.of(reader.info.size))


def images_at(out, card):
    return [pixels_of(path) for path in files_for(out, card, products_of(card, CONTENTS))]


def told(out):
    return json.loads((out.parent / f"{out.name.split('.')[0]}.uncertainty.json").read_text())


@pytest.mark.parametrize(("samples", "spread"), [(2, 2 / math.sqrt(math.pi)), (3, 3 / math.sqrt(math.pi))])
def test_the_width_is_that_of_the_range_of_few_gaussian_samples(sampler, exact, slide, tmp_path, samples, spread):
    """The mean range of 2 or 3 Gaussian values is 2 or 3 over the root of pi; quantiles of 90 % span 0.9 of it."""
    image, out = np.full((128, 160, 3), 90, np.uint8), tmp_path / "out.ome.tiff"
    stain_slide(slide(image), sampler(cloud), out, options=exact(), uncertainty=UncertaintyOptions(samples=samples))
    widths = pixels_of(tmp_path / "out.uncertainty.ome.tiff").astype(float)
    assert widths.shape == (128, 160, 1)
    standard_error = widths.std() / math.sqrt(widths.size)
    assert abs(widths.mean() - 0.9 * spread * 25.5) < 5 * standard_error


def test_every_sample_is_the_stain_of_its_own_noise(sampler, exact, tissue):
    image, model = tissue(75, 61), sampler(cloud)
    samples = stain_samples(image, model, 3, mpp=HALF, options=exact(samples_at_once=2))
    assert (samples.shape, samples.dtype) == ((3, 61, 75, 3), np.float32)
    for number, sample in enumerate(samples):
        noise = SlideNoise(0, [Point(0, 0)], number)(torch.empty(1, 3, 61, 75), 0)[0].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(sample, (0.5 + 0.1 * noise).clip(0, 1), atol=1e-6)
    stained = stain(image, model, mpp=HALF, options=exact())
    assert np.array_equal(np.rint(255 * samples[0]).astype(np.uint8), stained)


def test_samples_at_another_scale_come_back_to_the_image(sampler, exact, tissue):
    samples = stain_samples(tissue(40, 30), sampler(cloud), 2, mpp=Mpp.square(0.25), options=exact())
    assert samples.shape == (2, 30, 40, 3)
    assert np.corrcoef(samples[1, :, 20].ravel(), samples[1, :, 21].ravel())[0, 1] > 0.6


def test_there_are_no_seams(sampler, exact, slide, tissue, tmp_path):
    source, options = slide(tissue(150, 130)), UncertaintyOptions(samples=4, ends=True)
    found = []
    for side, halo in ((192, 16), (32, 8)):
        model, out = sampler(cloud, tile=side, halo=halo), tmp_path / f"{side}.ome.tiff"
        stain_slide(source, model, out, options=exact(), uncertainty=options)
        found.append(images_at(out, model.card))
    for one, many in zip(*found, strict=True):
        assert np.abs(one.astype(int) - many).max() <= 1


@pytest.mark.parametrize("mpp", [0.5, 0.25])
def test_the_stain_is_the_same_whether_its_uncertainty_is_told_or_not(models, exact, tissue, slide, tmp_path, mpp):
    source, model = slide(tissue(80, 60), mpp), models.network("conditional", tile=48)
    options = exact(steps=1, batch=2, precision="bf16")
    stain_slide(source, model, tmp_path / "alone.ome.tiff", options=options)
    stain_slide(
        source, model, tmp_path / "out.ome.tiff", options=options, uncertainty=UncertaintyOptions(samples=3, ends=True)
    )
    assert np.array_equal(pixels_of(tmp_path / "out.ome.tiff"), pixels_of(tmp_path / "alone.ome.tiff"))
    lower, upper = (pixels_of(tmp_path / f"out.{end}.ome.tiff").astype(int) for end in ("lower", "upper"))
    widths = pixels_of(tmp_path / "out.uncertainty.ome.tiff")[..., 0]
    assert (lower <= upper).all()
    assert np.abs((upper - lower).mean(axis=2) - widths).max() <= 2.5  # each of the three is rounded
    assert widths.any()


def test_a_calibration_widens_and_decides_how_many_samples(sampler, exact, slide, tmp_path):
    source = slide(np.full((60, 60, 3), 90, np.uint8))
    plain, wide = sampler(cloud), calibrated(sampler(cloud), lambda_=1.5)
    stain_slide(source, plain, tmp_path / "a.ome.tiff", options=exact(), uncertainty=UncertaintyOptions(samples=4))
    stain_slide(source, wide, tmp_path / "b.ome.tiff", options=exact(), uncertainty=UncertaintyOptions())
    ratio = told(tmp_path / "b")["mean_width"] / told(tmp_path / "a")["mean_width"]
    assert ratio == pytest.approx(1.5, rel=0.01)
    assert told(tmp_path / "a")["calibration"] is None
    assert told(tmp_path / "b")["calibration"]["lambda_"] == 1.5


def test_samples_that_agree_have_a_width_of_nothing_and_ends_where_they_are(sampler, exact, slide, tmp_path):
    image, out = np.full((40, 40, 3), 90, np.uint8), tmp_path / "out.ome.tiff"
    model = calibrated(sampler(lambda source, noise: source), lambda_=3.0)
    stain_slide(slide(image), model, out, options=exact(), uncertainty=UncertaintyOptions(ends=True))
    stained, width, lower, upper = images_at(out, model.card)
    assert not width.any()
    assert np.array_equal(lower, image)
    assert np.array_equal(upper, image)
    assert np.array_equal(stained, image)


@pytest.mark.parametrize(("mpp", "batches"), [(0.5, 0), (0.5, 30), (0.25, 3)])
def test_a_job_that_died_goes_on(sampler, exact, tissue, slide, tmp_path, mpp, batches):
    source, out, calls = slide(tissue(90, 70), mpp), tmp_path / "out.ome.tiff", []

    def dying(source, noise):
        calls.append(1)
        if len(calls) > batches:
            raise Killed
        return cloud(source, noise)

    arguments = {"options": exact(batch=2), "uncertainty": UncertaintyOptions(samples=3, ends=True)}
    whole = sampler(cloud)
    stain_slide(source, whole, tmp_path / "whole.ome.tiff", **arguments)
    with pytest.raises(Killed):
        stain_slide(source, sampler(dying), out, **arguments)
    assert not list(tmp_path.glob("out.*tiff"))
    rest = sampler(cloud)
    stain_slide(source, rest, out, **arguments)
    for one, other in zip(images_at(out, rest.card), images_at(tmp_path / "whole.ome.tiff", rest.card), strict=True):
        assert np.array_equal(one, other)
    assert told(out) == told(tmp_path / "whole")
    if batches == 30:
        assert len(rest.method.batches) < len(whole.method.batches)
    assert not [path for path in tmp_path.iterdir() if path.suffix not in (".tiff", ".json", ".geojson")]


def test_a_job_that_died_over_the_summary_draws_nothing_again(sampler, exact, tissue, slide, tmp_path, monkeypatch):
    def die(*_):
        raise Killed

    source, out, options = slide(tissue(60, 40)), tmp_path / "out.ome.tiff", UncertaintyOptions(samples=2)
    with monkeypatch.context() as patch:
        patch.setattr(of_slides, "write_summaries", die)
        with pytest.raises(Killed):
            stain_slide(source, sampler(cloud), out, options=exact(), uncertainty=options)
    again = sampler(cloud)
    stain_slide(source, again, out, options=exact(), uncertainty=options)
    assert again.method.batches == []
    assert told(out)["mean_width"] > 0


def test_another_calibration_is_another_job(sampler, exact, tissue, slide, tmp_path):
    source, out, options = slide(tissue(90, 70)), tmp_path / "out.ome.tiff", UncertaintyOptions(ends=True)
    stainer = Stainer(calibrated(sampler(cloud), lambda_=1.0), exact())
    work = run(source, stainer, out, None, Uncertainty(stainer, options))
    for progress in work:
        if progress.done == 2:
            break
    work.close()
    model = calibrated(sampler(cloud), lambda_=2.0)
    with pytest.warns(RestainWarning, match="another job"):
        stain_slide(source, model, out, options=exact(), uncertainty=options)
    stain_slide(source, model, tmp_path / "whole.ome.tiff", options=exact(), uncertainty=options)
    for one, other in zip(images_at(out, model.card), images_at(tmp_path / "whole.ome.tiff", model.card), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_height(sampler, exact, tissue):
    stainer, peaks = Stainer(sampler(lambda source, noise: source, tile=48, halo=16), exact()), []
    uncertainty = Uncertainty(stainer, UncertaintyOptions(samples=6, ends=True))
    for height in (80, 320, 1280):  # the first warms up
        source = Source(ArrayReader(tissue(96, height), RGB, HALF), stainer.model.card)
        plan = plan_tiles(source.size, stainer.model, None)
        tracemalloc.start()
        for _ in finished_tiles(source, plan, stainer, uncertainty):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] > 6 * 3 * 4 * 16 * 96  # a strip for each sample
    assert peaks[2] < 1.25 * peaks[1]  # threads meet at other moments each time


def test_the_summary_finds_where_samples_differ_and_counts_no_glass(sampler, exact, tissue, slide, tmp_path):
    image, out = tissue(320, 256, glass=64), tmp_path / "out.ome.tiff"
    image[image < 128] = 130  # a source that says all, but for a dark place
    image[64:128, 192:256, 1] = 60
    model = sampler(cloud_of_dark, tile=128, halo=16)
    stain_slide(slide(image), model, out, options=exact(), uncertainty=UncertaintyOptions(samples=3))
    widths, found = pixels_of(tmp_path / "out.uncertainty.ome.tiff")[..., 0].astype(float), told(out)
    widest = found["widest"][0]
    assert [widest[key] for key in ("x", "y", "width", "height")] == [192, 64, 64, 64]
    assert widest["mean_width"] == pytest.approx(widths[64:128, 192:256].mean())
    assert found["mean_width"] * found["tissue_pixels"] == pytest.approx(widths.sum())
    assert 192 * 128 <= found["tissue_pixels"] < 1.2 * 192 * 128
    opened = json.loads((tmp_path / "out.uncertainty.geojson").read_text())
    assert opened["type"] == "FeatureCollection"
    for square, feature in zip(found["widest"], opened["features"], strict=True):
        (ring,) = feature["geometry"]["coordinates"]
        assert feature["properties"]["objectType"] == "annotation"
        assert feature["properties"]["measurements"]["Uncertainty: mean width"] == pytest.approx(
            square["mean_width"], abs=1e-3
        )
        assert ring[0] == ring[-1] == [square["x"], square["y"]]
        assert ring[2] == [square["x"] + square["width"], square["y"] + square["height"]]


def test_a_folder_has_folders_beside_its_stains_and_one_summary(sampler, exact, tissue, tmp_path):
    for number in range(3):
        save_image(tmp_path / "in" / f"{number}.png", tissue(70, 40, seed=number), HALF)
    out, model = tmp_path / "out", sampler(cloud)
    for options in (None, UncertaintyOptions(samples=2, ends=True)):  # stains that are there already, are no others
        stainer = Stainer(model, exact())
        told_how = None if options is None else Uncertainty(stainer, options)
        for _ in run(tmp_path / "in", stainer, out, None, told_how):
            pass
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.png")) == sorted(
        f"{folder}{number}.png" for folder in ("", "uncertainty/", "lower/", "upper/") for number in range(3)
    )
    (file,) = summaries_of(tmp_path / "in", out, model.card, told_how)
    found = UncertaintySummary.model_validate_json(file.read_text())
    assert [each.image for each in found.images] == ["0.png", "1.png", "2.png"]
    mean = np.mean([pixels_of(out / "uncertainty" / f"{number}.png").mean() for number in range(3)])
    assert found.mean_width == pytest.approx(mean, rel=0.02)  # a few pixels of noise count as glass
    assert found.widest[0].image in {"0.png", "1.png", "2.png"}
    done = len(model.method.batches)
    for _ in run(tmp_path / "in", Stainer(model, exact()), out, None, told_how):
        pass
    assert len(model.method.batches) == done


def test_files_are_named_after_their_stain_and_what_they_show(models, tmp_path):
    stains = tuple(Stain(name=name) for name in ("CD3", "CK8/18"))
    card = models.card().model_copy(update={"target": stains})
    products = products_of(card, ("stain", "uncertainty"))
    assert [file.name for file in files_for(tmp_path / "a.ome.tiff", card, products)] == [
        *("a.CD3.ome.tiff", "a.CK8-18.ome.tiff"),
        *("a.CD3.uncertainty.ome.tiff", "a.CK8-18.uncertainty.ome.tiff"),
    ]
    assert [
        file.name for file in files_for(tmp_path / "a.jpg", models.card(), products_of(models.card(), CONTENTS))
    ] == [*("a.jpg", "a.uncertainty.png", "a.lower.png", "a.upper.png")]
    assert folders_for(tmp_path, card, products)[3] == tmp_path / "CK8-18" / "uncertainty"


def test_a_plan_counts_every_sample(sampler, exact, tissue, tmp_path):
    save_image(tmp_path / "in.png", tissue(64, 64), HALF)
    stainer = Stainer(sampler(cloud, tile=64), exact())
    few, many = (
        forecast(
            tmp_path / "in.png",
            stainer,
            tmp_path / "out.png",
            None,
            Uncertainty(stainer, UncertaintyOptions(samples=k)),
        )
        for k in (2, 2000)
    )
    assert many.seconds > 100 * few.seconds
    assert many.buffers > 500 * few.buffers


def test_only_samples_of_a_law_have_intervals(models, sampler, exact, tissue):
    guided = sampler(cloud)
    guided.method.paired = False
    for model, why in ((models.copy(), "computes one answer"), (guided, "is guided")):
        with pytest.raises(ConfigError, match=why):
            Uncertainty(Stainer(model, exact()), UncertaintyOptions())
        with pytest.raises(ConfigError, match=why):
            stain_samples(tissue(20, 20), model, 2, mpp=HALF, options=exact())


def test_a_calibration_holds_for_its_samples_and_its_sampler(sampler, exact, recwarn):
    model = calibrated(sampler(cloud), samples=8)
    with pytest.raises(ConfigError, match="calibrated with 8 samples, and 5 are asked for"):
        Uncertainty(Stainer(model, exact()), UncertaintyOptions(samples=5))
    Uncertainty(Stainer(model, exact()), UncertaintyOptions(samples=8))
    assert not recwarn.list
    with pytest.warns(UncalibratedWarning, match="in 3 steps, not with .* in 7"):
        Uncertainty(Stainer(model, exact(steps=7)), UncertaintyOptions())
    with pytest.warns(UncalibratedWarning, match="was not calibrated"):
        Uncertainty(Stainer(sampler(cloud), exact()), UncertaintyOptions())
