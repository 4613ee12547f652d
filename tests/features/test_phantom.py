import shutil

import numpy as np
import pytest
import torch

from restain.errors import BundleError, ConfigError, DataError
from restain.features import PhantomExtractor, features_of, find_extractor, train
from restain.features.lessons import Lesson, blurred, draw, recoloured
from restain.features.network_files import WEIGHTS
from restain.features.phantom import SHIPPED
from restain.features.phantom_network import load_phantom_network
from restain.geometry import Region
from restain.metrics import frechet_distance


@pytest.fixture(scope="module")
def extractor():
    return find_extractor("phantom")


@pytest.fixture(scope="module")
def images():
    lesson, rng = Lesson(20_000), np.random.default_rng(0)
    return np.stack([draw(lesson, rng).image for _ in range(12)])


def test_what_ships_is_small_and_whole():
    card, network = load_phantom_network(SHIPPED)
    assert (SHIPPED / WEIGHTS).stat().st_size < 2e6
    assert sorted(path.name for path in SHIPPED.iterdir()) == ["card.yaml", WEIGHTS]
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert card.licence == "Apache-2.0"


def test_changed_weights_are_refused(tmp_path):
    folder = shutil.copytree(SHIPPED, tmp_path / "phantom")
    weights = bytearray((folder / WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (folder / WEIGHTS).write_bytes(weights)
    with pytest.raises(BundleError, match="SHA-256 is not the card's"):
        PhantomExtractor(folder)
    (folder / WEIGHTS).unlink()
    with pytest.raises(BundleError, match="lacks weights"):
        PhantomExtractor(folder)


def test_features_do_not_depend_on_the_batch(extractor, images):
    alone = np.concatenate([extractor(image[None]) for image in images])
    assert alone.shape == (12, extractor.dimension) == (12, 128)
    assert np.allclose(extractor(images), alone, atol=1e-4)


def test_distances_grow_with_colour_contrast_and_blur(extractor):
    field = Lesson(20_000).images["ki67"]
    tiles = [field[part.slices] for part in Region(0, 0, 512, 512).tiles(64)]
    here = features_of(tiles, extractor)
    for change, amounts in (
        (lambda tile, turn: recoloured(tile, turn=turn), (5, 10, 20, 40)),
        (lambda tile, contrast: recoloured(tile, contrast=contrast), (0.9, 0.8, 0.6, 0.4)),
        (blurred, (0.5, 1, 2, 4)),
    ):
        changed = [features_of([change(tile, amount) for tile in tiles], extractor) for amount in amounts]
        distances = [frechet_distance(features, here) for features in changed]
        assert distances == sorted(distances)
        assert distances[-1] > 3 * distances[0] > 0


def test_the_network_tells_what_it_was_taught():
    _, network = load_phantom_network(SHIPPED)
    told = train.measure(network, [Lesson(60_000), Lesson(60_001)], questions=128)
    for name in ("density in red", "spread of density in green", "blur", "area of epithelium", "lymphocyte cells"):
        assert told[name] > 0.6, name


def test_images_of_other_sizes_are_taken_as_they_are(extractor, images):
    assert features_of([images[0][:50, :99]], extractor).shape == (1, 128)
    with pytest.raises(DataError, match="99 x 20 px is too small"):
        extractor(images[:1, :20, :99])


def test_an_unknown_extractor_is_told_the_known_ones():
    for name in ("phantoms", "phantom=x", "inception=", "timm"):
        with pytest.raises(
            ConfigError, match="phantom, stainnet, stainnet=PATH, inception, inception=PATH or timm=MODEL"
        ):
            find_extractor(name)


@pytest.mark.slow
def test_training_leaves_an_extractor_and_repeats_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "HELD_OUT", 1)
    monkeypatch.setattr(train, "QUESTIONS", 32)
    runs = [[step.loss for step in train.train(tmp_path / name, lessons=1, steps=3)] for name in ("one", "two")]
    assert len(runs[0]) == 3
    assert runs[0] == runs[1]
    one, two = (PhantomExtractor(tmp_path / name) for name in ("one", "two"))
    assert one.digest == two.digest
    assert torch.isfinite(one._network.spread).all()
