"""Where images with known truth come from, and what is refused."""

import numpy as np
import pytest

from restain.bundle import Stain
from restain.calibration import images_of_config, images_of_folders, with_table
from restain.calibration.leaks import refuse_training_images
from restain.config import parse_config
from restain.errors import ConfigError, DataError
from restain.geometry import Mpp
from restain.slides import save_image
from restain.training import TrainConfig
from restain.uncertainty import image_digest


@pytest.fixture
def card(model):
    return model().card


def config_of(**data):
    tree = {
        "name": "x",
        "out": "x",
        "source": {"name": "H&E"},
        "target": {"name": "Ki67"},
        "data": {"kind": "phantom", "slides": 4, "held_out_slides": 3, "side": 32} | data,
        "method": {"name": "regression"},
        "training": {"images": 8},
    }
    return parse_config(TrainConfig, tree, "a test")


def write(folder, names, mpp=0.5, seed=0):
    rng = np.random.default_rng(seed)
    for side in ("source", "target"):
        for name in names:
            image = rng.integers(60, 200, (24, 24, 3), np.uint8)
            save_image(folder / side / f"{name}.png", image, None if mpp is None else Mpp.square(mpp))
    return folder / "source", folder / "target"


def test_held_out_fields_of_the_phantom_are_taken_and_training_is_refused(card):
    images = images_of_config(config_of(), "held_out", card, "a.yaml")
    assert images.names == ("phantom_1004", "phantom_1005", "phantom_1006")
    assert images.text == "part held_out of a.yaml"
    with pytest.raises(ConfigError, match="choose part held_out or test"):
        images_of_config(config_of(), "train", card, "a.yaml")


def test_fields_that_were_trained_on_are_refused(card):
    """The card says 4 slides from 1000 on; this configuration holds out what was trained on."""
    images = images_of_config(config_of(slides=2), "held_out", card, "a.yaml")
    with pytest.raises(DataError, match="2 of 3 images for calibration, phantom_1002 first, were in the training"):
        refuse_training_images(card, images, dict.fromkeys(images.names, ""), "calibration")


def test_files_that_were_trained_on_are_known_by_their_pixels(card, tmp_path):
    source, target = write(tmp_path, ["a", "b", "held"])
    training = {"kind": "folders", "source": str(source), "target": str(target), "held_out": "held"}
    trained = card.model_copy(update={"training": {"data": training}})

    def check(images):
        digests = {name: image_digest(images.pairs.read(k)[0]) for k, name in enumerate(images.names)}
        refuse_training_images(trained, images, digests, "calibration")

    check(images_of_folders(*write(tmp_path / "others", ["a", "b"], seed=1), None, card))
    with pytest.raises(DataError, match="2 of 3 images for calibration, a first"):
        check(images_of_folders(source, target, None, card))


def test_other_stains_scales_and_channels_are_refused(card, tmp_path):
    her2 = card.model_copy(update={"target": Stain(name="HER2")})
    with pytest.raises(DataError, match=r"a\.yaml has H&E and Ki67, and model 'perfect' makes HER2 of H&E"):
        images_of_config(config_of(), "held_out", her2, "a.yaml")
    with pytest.raises(DataError, match=r"has 1 um/px, and the model works at 0.5 um/px"):
        images_of_config(config_of(mpp=1.0), "held_out", card, "a.yaml")
    with pytest.raises(DataError, match="do not show the same place"):
        images_of_config(config_of(section=1), "held_out", card, "a.yaml")
    with pytest.raises(DataError, match=r"source images of part held_out of a.yaml have 26 channels, not the 3"):
        images_of_config(config_of(source="autofluorescence"), "held_out", card, "a.yaml")
    with pytest.raises(DataError, match=r"1\.png has 1 um/px, and the model works at 0.5"):
        images_of_folders(*write(tmp_path / "coarse", "12", mpp=1.0), None, card)
    folders = write(tmp_path / "unknown", "12", mpp=None)
    with pytest.raises(DataError, match=r"states no scale, .*--mpp"):
        images_of_folders(*folders, None, card)
    assert len(images_of_folders(*folders, 0.5, card)) == 2


def test_tables_tell_slides_and_labels(card, tmp_path):
    images = images_of_folders(*write(tmp_path, ["a", "b"]), None, card)
    table = tmp_path / "images.csv"
    table.write_text("image,slide,patient,tissue\na,1,p,gland\nb,2,p,stroma\nc,3,q,gland\n")
    told = with_table(images, table, "tissue")
    assert (told.unit, told.group("a"), told.group("b")) == ("patient", "p", "p")
    assert told.labels["b"] == "stroma"
    for text, problem in {
        "image,site\na,1\nb,2\n": "lacks the column patient or slide",
        "slide\n1\n": "lacks the column image",
        "image,slide\na,1\n": "says nothing of b",
        "image,slide\na,1\na,2\nb,2\n": "names 1 images twice",
        "image,slide\na,1\nb,2\n": "lacks the column tissue",
    }.items():
        table.write_text(text)
        with pytest.raises(DataError, match=problem):
            with_table(images, table, "tissue" if "tissue" in problem else None)
    with pytest.raises(DataError, match="cannot be read as CSV"):
        with_table(images, tmp_path / "none.csv")
