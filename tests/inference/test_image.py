"""Arrays and picture files."""

import numpy as np
import pytest
from PIL import Image as Pillow

import restain
from restain.errors import BundleError, ConfigError, DataError, OutputError, ScaleError, SlideError
from restain.geometry import Mpp
from restain.inference import Stainer, stain
from restain.inference.run import run
from restain.slides import open_slide, save_image

HALF = Mpp.square(0.5)


def run_all(path, stainer, out, mpp=None):
    for _ in run(path, stainer, out, mpp):
        pass


def test_an_array_comes_back_at_its_size(models, exact, tissue):
    image = tissue(75, 43)
    assert np.array_equal(stain(image, models.copy(), mpp=HALF, options=exact()), image)


def test_the_names_of_the_package_are_these(models, exact, tissue):
    image = tissue(20, 20)
    assert np.array_equal(restain.stain(image, models.copy(mpp=None), options=restain.StainOptions()), image)
    assert restain.stain is stain


def test_sixteen_bits_are_scaled_as_a_whole(models, exact):
    image = np.array([0, 257, 32896, 65535], np.uint16).reshape(2, 2, 1).repeat(3, axis=2)
    stained = stain(image, models.copy(), mpp=HALF, options=exact())
    assert stained.dtype == np.uint8
    assert stained[..., 0].tolist() == [[0, 1], [128, 255]]


def test_an_image_of_another_scale_comes_back_at_its_own(models, exact):
    image = np.full((31, 40, 3), 90, np.uint8)
    stained = stain(image, models.copy(mpp=0.25), mpp=Mpp.square(0.4), options=exact())
    assert stained.shape == image.shape
    assert (stained == 90).all()


def test_equal_seeds_give_equal_stains_and_others_do_not(models, exact, tissue):
    image, model = tissue(48, 48), models.network("conditional")
    first, again, other = (stain(image, model, mpp=HALF, options=exact(seed=seed, steps=2)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_bf16_and_fp32_nearly_agree(models, exact, tissue):
    image, model = tissue(48, 48), models.network()
    full, half = (stain(image, model, mpp=HALF, options=exact(precision=name)) for name in ("fp32", "bf16"))
    difference = np.abs(full.astype(int) - half)
    assert 0 < difference.mean() < 2


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (np.zeros((8, 8), np.uint8), DataError, "not \\(H, W, C\\)"),
        (np.zeros((8, 8, 4), np.uint8), BundleError, "4 channels"),
        (np.zeros((8, 8, 3), np.float32), DataError, "float32"),
        (np.zeros((0, 8, 3), np.uint8), DataError, "not \\(H, W, C\\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(models, exact, image, error, words):
    with pytest.raises(error, match=words):
        stain(image, models.copy(), mpp=HALF, options=exact())


def test_a_model_with_a_scale_needs_that_of_the_image(models, exact, tissue):
    with pytest.raises(ScaleError, match="--mpp"):
        stain(tissue(8, 8), models.copy(), options=exact())


@pytest.mark.parametrize("name", ["out.png", "deep/er/out.PNG"])
def test_a_picture_becomes_a_picture(models, exact, tissue, tmp_path, name):
    image, out = tissue(70, 50), tmp_path / name
    save_image(tmp_path / "in.png", image, HALF)
    run_all(tmp_path / "in.png", Stainer(models.copy(), exact()), out)
    with Pillow.open(out) as picture:
        assert np.array_equal(np.asarray(picture), image)
    with open_slide(out) as reader:
        assert reader.info.mpp.is_close(HALF)
    assert [path.name for path in out.parent.iterdir() if "part" in path.name] == []


def test_a_jpeg_is_a_jpeg(models, exact, tissue, tmp_path):
    save_image(tmp_path / "in.png", tissue(70, 50))
    run_all(tmp_path / "in.png", Stainer(models.copy(), exact()), tmp_path / "out.jpg", HALF)
    with Pillow.open(tmp_path / "out.jpg") as picture:
        assert (picture.format, picture.size) == ("JPEG", (70, 50))


def test_a_picture_becomes_a_slide_where_the_name_says_so(models, exact, tissue, tmp_path):
    image = tissue(70, 50)
    save_image(tmp_path / "in.png", image)
    run_all(tmp_path / "in.png", Stainer(models.copy(), exact()), tmp_path / "out.ome.tiff", HALF)
    with open_slide(tmp_path / "out.ome.tiff") as reader:
        assert reader.info.size.width == 70
        assert reader.info.mpp.is_close(HALF)


def test_transparency_is_put_on_white(models, exact, tissue, tmp_path):
    rgba = np.dstack([tissue(20, 20), np.full((20, 20), 255, np.uint8)])
    rgba[:10, :, 3] = 0
    Pillow.fromarray(rgba).save(tmp_path / "in.png")
    run_all(tmp_path / "in.png", Stainer(models.copy(), exact()), tmp_path / "out.png", HALF)
    stained = np.asarray(Pillow.open(tmp_path / "out.png"))
    assert (stained[:10] == 255).all()
    assert np.array_equal(stained[10:], rgba[10:, :, :3])


@pytest.mark.parametrize(
    ("out", "words"),
    [("out", "does not say what to write"), ("out.gif", "does not say what to write"), ("in.png", "is the input")],
)
def test_outputs_that_make_no_sense_are_refused(models, exact, tissue, tmp_path, out, words):
    save_image(tmp_path / "in.png", tissue(20, 20), HALF)
    with pytest.raises(OutputError, match=words):
        run_all(tmp_path / "in.png", Stainer(models.copy(), exact()), tmp_path / out)


def test_a_folder_as_output_of_a_picture_is_refused(models, exact, tissue, tmp_path):
    save_image(tmp_path / "in.png", tissue(20, 20), HALF)
    (tmp_path / "out.png").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        run_all(tmp_path / "in.png", Stainer(models.copy(), exact()), tmp_path / "out.png")


def test_channels_that_no_picture_holds_are_refused(models, exact, tissue, tmp_path):
    save_image(tmp_path / "in.png", tissue(20, 20), HALF)
    model = models.of(lambda source, noise: source[:, :2], channels=(("red", "green", "blue"), ("DAPI", "CK")))
    with pytest.raises(OutputError, match="cannot hold the 2 channels"):
        run_all(tmp_path / "in.png", Stainer(model, exact()), tmp_path / "out.png")


def test_a_missing_input_is_said_to_be_missing(models, exact, tmp_path):
    with pytest.raises(SlideError, match="does not exist"):
        run_all(tmp_path / "in.png", Stainer(models.copy(), exact()), tmp_path / "out.png")


@pytest.mark.parametrize("option", [{"sampler": "ddim"}, {"steps": 5}])
def test_a_model_that_does_not_sample_has_no_sampler(models, exact, option):
    with pytest.raises(ConfigError, match=f"leave --{next(iter(option))} out"):
        Stainer(models.copy(), exact(**option))


def test_sampling_is_the_cards_unless_asked_otherwise(models, exact):
    model = models.network("conditional")
    assert Stainer(model, exact()).sampling == model.card.sampling
    assert Stainer(model, exact(sampler="ddim")).sampling == model.card.sampling.model_copy(update={"sampler": "ddim"})


def test_a_tile_that_the_network_cannot_take_is_refused(models, exact):
    model = models.network(tile=33)
    with pytest.raises(BundleError, match="tiles of 33 px"):
        Stainer(model, exact())


def test_too_little_memory_is_said_with_its_remedy(models, exact, tissue):
    import torch

    def exhaust(source, noise):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    image = tissue(200, 60)
    with pytest.raises(ConfigError, match=r"3 tiles of 32 px at once do not fit .* lower --batch"):
        stain(image, models.of(exhaust), mpp=HALF, options=exact(batch=3))
    with pytest.raises(ConfigError, match="--device cpu"):
        stain(image, models.of(exhaust), mpp=HALF, options=exact(batch=1))


def test_other_faults_of_a_network_are_not_hidden(models, exact, tissue):
    def stumble(source, noise):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        stain(tissue(20, 20), models.of(stumble), mpp=HALF, options=exact())
