"""``restain stain`` as a user meets it."""

import sys

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image as Pillow

from restain.bundle import WEIGHTS, Card, Stain, save_bundle
from restain.diffusion import Sampling
from restain.geometry import Mpp
from restain.methods import build_method
from restain.slides import RGB, open_slide, save_image

SMALL = {"width": 8, "multipliers": [1, 1], "attention": [], "blocks": 1}


def write_bundle(folder, *, method="regression", mpp=0.5, channels=RGB, target=RGB):
    torch.manual_seed(1)
    built = build_method(method, {"unet": SMALL}, source_channels=len(channels), target_channels=len(target))
    for weights in built.parameters():
        torch.nn.init.normal_(weights, 0, 0.15)
    card = Card(
        name=folder.name,
        summary="For tests.",
        source=Stain(name="H&E", channels=channels),
        target=Stain(name="Ki67", channels=target),
        mpp=mpp,
        tile=48,
        halo=8,
        sampling=Sampling(steps=2),
        method=method,
        method_config={"unet": SMALL},
        training={},
        metrics={},
        licence="CC0-1.0",
    )
    save_bundle(folder, card, built)
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def sampling_bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("models") / "tiny-diffusion", method="conditional")


@pytest.fixture
def picture(tmp_path):
    image = np.random.default_rng(0).integers(60, 200, (60, 90, 3), np.uint8)
    save_image(tmp_path / "in.png", image, Mpp.square(0.5))
    return tmp_path / "in.png"


@pytest.fixture
def plain(tmp_path):
    """A picture that does not tell its scale."""
    Pillow.new("RGB", (60, 40), "purple").save(tmp_path / "plain.png")
    return tmp_path / "plain.png"


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.ome.tiff", "deeper/out.tif"])
def test_the_result_is_where_the_command_says(restain, bundle, picture, name):
    out = picture.parent / name
    ended = restain("stain", picture, "--model", bundle, "--out", out)
    assert (ended.code, ended.err) == (0, "")
    assert f"virtual Ki67: {out}" in ended.out
    assert "took" in ended.out
    with open_slide(out) as reader:
        assert (reader.info.size.width, reader.info.size.height) == (90, 60)


def test_options_reach_the_sampler(restain, sampling_bundle, picture):
    options = ["--sampler", "ddim", "--steps", 1, "--seed", 4, "--batch", 2, "--precision", "fp32", "--device", "cpu"]
    out = picture.parent / "out.ome.tiff"
    ended = restain("stain", picture, "--model", sampling_bundle, "--out", out, *options, "--compression", "zstd")
    assert ended.code == 0
    with tifffile.TiffFile(out) as file:
        assert file.pages[0].compression == tifffile.COMPRESSION.ZSTD
        for fact in ('K="sampler">ddim<', 'K="steps">1<', 'K="seed">4<', 'K="precision">fp32<'):
            assert fact in file.ome_metadata


def test_an_option_of_the_method_can_be_set_and_is_kept_in_the_result(restain, sampling_bundle, picture):
    out = picture.parent / "out.ome.tiff"
    ended = restain("stain", picture, "--model", sampling_bundle, "--out", out, "--set", "schedule.steps=500")
    assert ended.code == 0
    with tifffile.TiffFile(out) as file:
        assert "&quot;steps&quot;: 500" in file.ome_metadata or '"steps": 500' in file.ome_metadata


@pytest.fixture(scope="module")
def bundle_of_two(tmp_path_factory):
    """A model of two stains."""
    folder = tmp_path_factory.mktemp("models") / "two"
    unet = {**SMALL, "middle_attention": False}
    options = {"unet": unet, "modulation": {"form": "gate"}, "auxiliary": None, "stains": 2}
    built = build_method("stain_diffuser", options, source_channels=3, target_channels=6)
    card = Card(
        name="two",
        summary="For tests.",
        source=Stain(name="H&E"),
        target=(Stain(name="CD3"), Stain(name="CK8/18")),
        mpp=0.5,
        tile=48,
        halo=8,
        sampling=Sampling(steps=1),
        method="stain_diffuser",
        method_config=options,
        training={},
        metrics={},
        licence="CC0-1.0",
    )
    save_bundle(folder, card, built)
    return folder


def test_several_stains_are_planned_made_and_named(restain, bundle_of_two, picture):
    out = picture.parent / "out.png"
    files = [picture.parent / f"out.{name}.png" for name in ("CD3", "CK8-18")]
    planned = restain("stain", picture, "--model", bundle_of_two, "--out", out, "--dry-run")
    assert planned.code == 0
    assert "H&E to CD3, CK8/18" in planned.out
    assert f"{files[0]}, {files[1]}" in planned.out
    assert not any(file.exists() for file in files)
    made = restain("stain", picture, "--model", bundle_of_two, "--out", out)
    assert f"virtual CD3: {files[0]} virtual CK8/18: {files[1]}" in made.out
    assert all(file.exists() for file in files)
    assert not out.exists()


def test_one_of_several_stains_is_made_under_the_very_name_of_the_output(restain, bundle_of_two, picture):
    out = picture.parent / "out.png"
    assert (
        f"virtual CK8/18: {out}"
        in restain("stain", picture, "--model", bundle_of_two, "--out", out, "--to", "CK8/18").out
    )
    assert sorted(path.name for path in picture.parent.iterdir()) == ["in.png", "out.png"]


def test_a_stain_that_the_model_does_not_make_is_refused_with_those_it_makes(restain, bundle_of_two, picture):
    ended = restain("stain", picture, "--model", bundle_of_two, "--out", picture.parent / "out.png", "--to", "HER2")
    refused(ended, "model 'two' makes CD3 and CK8/18, not HER2")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("sched.steps=500", "did you mean 'schedule'"),
        ("unet.width=16", "no longer fit"),
        ("steps", "of the form key=value"),
    ],
)
def test_an_option_that_does_not_fit_the_method_is_refused(restain, sampling_bundle, picture, change, words):
    ended = restain("stain", picture, "--model", sampling_bundle, "--out", picture.parent / "out.png", "--set", change)
    assert ended.code == 2
    assert words in ended.err


def test_a_dry_run_tells_the_plan_and_makes_nothing(restain, sampling_bundle, picture):
    out = picture.parent / "out.ome.tiff"
    ended = restain("stain", picture, "--model", sampling_bundle, "--out", out, "--dry-run")
    assert ended.code == 0
    for words in ("90 x 60 px, 0.5 um/px", "H&E to Ki67", "dpmpp_2m, 2 steps, seed 0", "6 to be stained of 6", "GiB"):
        assert words in ended.out
    assert sorted(path.name for path in picture.parent.iterdir()) == ["in.png"]


def test_a_folder_becomes_a_folder(restain, bundle, picture):
    out = picture.parent / "out"
    save_image(picture.parent / "in" / "a.png", np.full((50, 50, 3), 99, np.uint8), Mpp.square(0.5))
    assert restain("stain", picture.parent / "in", "--model", bundle, "--out", out).code == 0
    assert [path.name for path in out.iterdir()] == ["a.png"]


def test_a_damaged_image_in_a_folder_is_told_after_the_others_are_done(restain, bundle, picture):
    folder, out = picture.parent / "in", picture.parent / "out"
    save_image(folder / "b.png", np.full((50, 50, 3), 99, np.uint8), Mpp.square(0.5))
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    ended = restain("stain", folder, "--model", bundle, "--out", out)
    assert ended.code == 2
    assert "1 of 2 images" in ended.err
    assert "a.png" in ended.err
    assert [path.name for path in out.iterdir()] == ["b.png"]


def test_a_model_may_be_called_by_name(restain, bundle, picture, monkeypatch):
    monkeypatch.setenv("RESTAIN_MODELS", str(bundle.parent))
    assert restain("stain", picture, "--model", "tiny", "--out", picture.parent / "out.png").code == 0


def refused(ended, *words):
    """Check that a command was refused in one sentence that says what and how to mend it."""
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert ended.err.count("error:") == 1
    assert ended.err.endswith(".")
    assert "Traceback" not in ended.err
    for word in words:
        assert word in ended.err


def test_missing_weights(restain, picture, tmp_path):
    bundle = write_bundle(tmp_path / "tiny")
    (bundle / WEIGHTS).unlink()
    refused(restain("stain", picture, "--model", bundle, "--out", tmp_path / "out.png"), WEIGHTS, "fetch the bundle")


def test_tampered_weights(restain, picture, tmp_path):
    bundle = write_bundle(tmp_path / "tiny")
    weights = bytearray((bundle / WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (bundle / WEIGHTS).write_bytes(weights)
    refused(restain("stain", picture, "--model", bundle, "--out", tmp_path / "out.png"), "SHA-256")


def test_an_unknown_model(restain, picture, tmp_path):
    ended = restain("stain", picture, "--model", "nonesuch", "--out", tmp_path / "out.png")
    refused(ended, "there is no model 'nonesuch'")


def test_the_wrong_number_of_channels(restain, bundle, tmp_path):
    save_image(tmp_path / "grey.png", np.full((50, 50, 1), 99, np.uint8), Mpp.square(0.5))
    ended = restain("stain", tmp_path / "grey.png", "--model", bundle, "--out", tmp_path / "out.png")
    refused(ended, "has 1 channel (grey)", "takes 3 channels (red, green, blue)")


def test_three_markers_are_not_a_colour_image(restain, bundle, tmp_path):
    save_image(tmp_path / "in.ome.tiff", np.full((50, 50, 3), 99, np.uint8), Mpp.square(0.5), ("DAPI", "CD3", "CK"))
    ended = restain("stain", tmp_path / "in.ome.tiff", "--model", bundle, "--out", tmp_path / "out.png")
    refused(ended, "3 channels (DAPI, CD3, CK)")


def test_a_missing_scale(restain, bundle, plain):
    out = plain.parent / "out.png"
    refused(restain("stain", plain, "--model", bundle, "--out", out), "plain.png", "--mpp")
    assert restain("stain", plain, "--model", bundle, "--out", out, "--mpp", 0.5).code == 0


def test_an_implausible_scale(restain, bundle, plain):
    ended = restain("stain", plain, "--model", bundle, "--out", plain.parent / "out.png", "--mpp", 500)
    refused(ended, "500", "plausible range", "--mpp")


def test_a_model_without_scale_takes_any(restain, plain, tmp_path):
    bundle = write_bundle(tmp_path / "any-scale", mpp=None)
    assert restain("stain", plain, "--model", bundle, "--out", tmp_path / "out.png").code == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_gpu_that_is_not_there(restain, bundle, picture):
    ended = restain("stain", picture, "--model", bundle, "--out", picture.parent / "out.png", "--device", "cuda")
    refused(ended, "'cuda' is not available", "restain doctor")


def test_an_output_that_is_the_input(restain, bundle, picture):
    before = picture.read_bytes()
    refused(restain("stain", picture, "--model", bundle, "--out", picture), "is the input")
    assert picture.read_bytes() == before


@pytest.mark.parametrize("name", ["out.png", "out.ome.tiff"])
def test_an_output_that_cannot_be_written(restain, bundle, picture, name):
    (picture.parent / "file").write_text("not a folder")
    ended = restain("stain", picture, "--model", bundle, "--out", picture.parent / "file" / name)
    refused(ended, "cannot be written", "choose another")


def test_an_output_without_a_kind(restain, bundle, picture):
    refused(restain("stain", picture, "--model", bundle, "--out", picture.parent / "out"), ".ome.tiff")


@pytest.mark.parametrize(("flag", "value"), [("--steps", 10), ("--sampler", "ddim")])
def test_sampling_asked_of_a_model_that_does_not_sample(restain, bundle, picture, flag, value):
    ended = restain("stain", picture, "--model", bundle, "--out", picture.parent / "out.png", flag, value)
    refused(ended, "computes its answer in one pass", f"leave {flag} out")


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--sampler", "magic", "dpmpp_2m"),
        ("--steps", 0, "greater than or equal to 1"),
        ("--batch", -1, "greater than or equal to 1"),
        ("--precision", "fp16", "bf16"),
        ("--device", "abacus", "cuda"),
        ("--seed", -1, "greater than or equal to 0"),
    ],
)
def test_values_that_options_do_not_have(restain, sampling_bundle, picture, flag, value, words):
    ended = restain("stain", picture, "--model", sampling_bundle, "--out", picture.parent / "out.png", flag, value)
    refused(ended, repr(flag[2:]), words)


@pytest.mark.parametrize("make", [lambda whole: b"", lambda whole: whole[: len(whole) // 2], lambda whole: b"x" * 99])
@pytest.mark.parametrize("name", ["out.png", "out.ome.tiff"])
def test_inputs_that_are_no_images_leave_nothing_behind(restain, bundle, picture, make, name):
    picture.write_bytes(make(picture.read_bytes()))
    refused(restain("stain", picture, "--model", bundle, "--out", picture.parent / name), "in.png")
    assert [path.name for path in picture.parent.iterdir()] == ["in.png"]


def test_too_little_memory(restain, bundle, picture, monkeypatch):
    def exhaust(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("restain.methods.regression.Regression.stain", exhaust)
    ended = restain("stain", picture, "--model", bundle, "--out", picture.parent / "out.png", "--batch", 2)
    refused(ended, "do not fit into the memory", "lower --batch")


def test_a_fault_of_ours_is_reported_as_such(restain, bundle, picture, monkeypatch):
    def stumble(*_):
        raise ZeroDivisionError("one by none")

    monkeypatch.setattr("restain.methods.regression.Regression.stain", stumble)
    ended = restain("stain", picture, "--model", bundle, "--out", picture.parent / "out.png")
    assert ended.code == 1
    assert "internal fault: ZeroDivisionError" in ended.err


def test_ctrl_c_says_how_to_go_on(restain, bundle, picture, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("restain.methods.regression.Regression.stain", interrupt)
    ended = restain("stain", picture, "--model", bundle, "--out", picture.parent / "out.ome.tiff")
    assert ended.code == 130
    assert "run the same command again" in ended.err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is Linux's")
def test_a_full_disk_is_said_to_be_full(restain, bundle, picture, monkeypatch):
    import errno
    import os

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    out = picture.parent / "out.ome.tiff"
    refused(restain("stain", picture, "--model", bundle, "--out", out), "disk is full")
    assert not out.exists()


def test_uncertainty_is_told_beside_the_stain(restain, sampling_bundle, picture):
    out = picture.parent / "out.png"
    command = [
        "stain",
        picture,
        "--model",
        sampling_bundle,
        "--out",
        out,
        "--uncertainty",
        "--samples",
        2,
        "--interval",
    ]
    planned = restain(*command, "--dry-run")
    assert planned.code == 0
    assert "2 samples of each tile" in planned.out
    ended = restain(*command)
    assert ended.code == 0
    assert "'tiny-diffusion' was not calibrated" in ended.err
    assert "uncertainty of Ki67: mean width" in ended.out
    assert "of tissue above 32" in ended.out
    assert "widest at x" in ended.out
    assert sorted(path.name for path in picture.parent.iterdir()) == [
        *("in.png", "out.lower.png", "out.png"),
        *("out.uncertainty.geojson", "out.uncertainty.json", "out.uncertainty.png", "out.upper.png"),
    ]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--samples", 8], "--samples says how --uncertainty is done, which is not asked for: add --uncertainty."),
        (["--interval"], "--interval says how --uncertainty is done, which is not asked for: add --uncertainty."),
        (["--above", 9], "--above says how --uncertainty is done, which is not asked for: add --uncertainty."),
        (["--uncertainty", "--samples", 1], "an interval needs at least 2 samples, not 1: give --samples 20"),
        (["--uncertainty", "--above", 300], "'above' does not fit"),
    ],
)
def test_options_of_uncertainty_that_do_not_go_together_are_one_sentence(
    restain, sampling_bundle, picture, options, sentence
):
    ended = restain("stain", picture, "--model", sampling_bundle, "--out", picture.parent / "out.png", *options)
    assert ended.code == 2
    assert sentence in ended.err
    assert not (picture.parent / "out.png").exists()


def test_a_model_of_one_answer_has_no_uncertainty(restain, bundle, picture):
    ended = restain("stain", picture, "--model", bundle, "--out", picture.parent / "out.png", "--uncertainty")
    assert ended.code == 2
    assert "computes one answer, which says nothing of how sure it is: it has no intervals" in ended.err
