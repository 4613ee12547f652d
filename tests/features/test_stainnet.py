"""StainNet and the Frechet StainNet distance: what ships, closed forms, and what the distance sees."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from restain.errors import BundleError, ConfigError, DataError
from restain.features import StainNetExtractor, features_of, find_extractor, load_stainnet
from restain.features.lessons import blurred, recoloured
from restain.features.network_files import CARD, WEIGHTS
from restain.features.phantom import SHIPPED as PHANTOM
from restain.features.stainnet import SHIPPED
from restain.geometry import Mpp, Region
from restain.metrics import frechet_distance
from restain.nn import ResNet18
from restain.phantom import Phantom
from restain.reports import evaluate
from restain.slides import save_image


@pytest.fixture(scope="module")
def extractor():
    return find_extractor("stainnet")


@pytest.fixture(scope="module")
def tiles():
    """Sixty-four pictures of 64 px, the same places in H&E and in Ki67."""
    scene = Phantom(3).scene(Region(0, 0, 512, 512), Mpp.square(0.5))
    parts = list(Region(0, 0, 512, 512).tiles(64))
    return {stain: [scene.image(stain)[part.slices] for part in parts] for stain in ("he", "ki67")}


def test_the_network_is_a_resnet_18():
    assert sum(p.numel() for p in ResNet18(classes=1000, width=64).parameters()) == 11_689_512  # He et al.'s, in torch
    network = ResNet18(classes=4, width=8).eval()
    assert network(torch.zeros(2, 3, 64, 96)).shape == (2, 4)
    assert network.features(torch.zeros(1, 3, 32, 32)).shape == (1, 64)


def test_what_ships_is_small_and_tells_scores_of_slides_it_has_not_seen():
    card, network = load_stainnet(SHIPPED)
    assert sorted(path.name for path in SHIPPED.iterdir()) == [CARD, WEIGHTS]
    assert (SHIPPED / WEIGHTS).stat().st_size < 2e6
    assert (card.scores, card.tile, network.dimension) == ((0, 1, 2, 3), 128, 128)
    assert card.metrics["test patches"] > 1.5 * card.metrics["test chance"]
    assert card.metrics["test slides"] > card.metrics["test patches"]


def test_changed_weights_and_other_networks_are_refused(tmp_path):
    folder = shutil.copytree(SHIPPED, tmp_path / "stainnet")
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1] + b"\0")
    with pytest.raises(BundleError, match=r"SHA-256 is not the card's\): pass the folder `bundle` of a run"):
        StainNetExtractor(folder)
    with pytest.raises(BundleError, match=r"lacks card\.yaml, weights\.safetensors"):
        find_extractor(f"stainnet={tmp_path}")
    with pytest.raises(ConfigError, match=r"card\.yaml"):
        find_extractor(f"stainnet={PHANTOM}")


def test_images_are_taken_as_they_are_and_not_below_a_place_of_the_map(extractor, tiles):
    assert features_of([tiles["he"][0][:50, :33]], extractor).shape == (1, 128)
    with pytest.raises(DataError, match="64 x 20 px is too small"):
        extractor(tiles["he"][0][None, :20])


def test_the_distance_of_a_set_to_itself_is_zero(extractor, tiles):
    features = features_of(tiles["he"], extractor)
    assert frechet_distance(features, features) < 1e-6 * features.var(0).sum()


def test_shifted_and_scaled_gaussians_of_its_dimension_have_the_exact_distance(extractor):
    rng, d, n = np.random.default_rng(0), extractor.dimension, 8_000
    x, y = 0.1 + 1.2 * rng.normal(size=(n, d)), rng.normal(size=(n, d))
    floor = d * (d + 5) / (2 * n)
    assert frechet_distance(x, y) - floor == pytest.approx(d * (0.1**2 + 0.2**2), rel=0.05)


def test_two_equal_sets_are_at_the_floor_that_their_number_gives(extractor, tiles):
    rng, d, n = np.random.default_rng(0), extractor.dimension, 2_000
    x, y = rng.normal(size=(2, n, d))
    assert frechet_distance(x, y) == pytest.approx(d * (d + 5) / (2 * n), rel=0.15)
    # In general 2 tr(C) / n + sum_ij (1 + [i = j]) c_i c_j / (n (c_i + c_j)) with the eigenvalues c of the covariance
    # C, here of StainNet's own features, whose spread differs by orders of magnitude between directions.
    c = np.linalg.eigvalsh(np.cov(features_of(tiles["he"] + tiles["ki67"], extractor).T)).clip(1e-9 * d)
    pairs = np.outer(c, c) / (c[:, None] + c) * (1 + np.eye(d))
    assert frechet_distance(x * np.sqrt(c), y * np.sqrt(c)) == pytest.approx((2 * c.sum() + pairs.sum()) / n, rel=0.15)


def test_the_distance_rises_with_blur_colour_and_the_share_of_another_stain(extractor, tiles):
    he, real = tiles["he"], features_of(tiles["he"], extractor)
    series = {
        "blur": [[blurred(tile, sigma) for tile in he] for sigma in (0.5, 1, 2, 4)],
        "turn": [[recoloured(tile, turn=turn) for tile in he] for turn in (5, 10, 20, 40)],
        "paler": [[recoloured(tile, contrast=contrast) for tile in he] for contrast in (0.95, 0.9, 0.8, 0.7)],
        "ki67": [tiles["ki67"][:count] + he[count:] for count in (8, 16, 32, 64)],
    }
    for name, sets in series.items():
        distances = [frechet_distance(features_of(images, extractor), real) for images in sets]
        assert all(low < high for low, high in zip([0, *distances], distances, strict=False)), (name, distances)


@pytest.mark.filterwarnings("ignore:The Frechet distance of", "ignore:metrics that need partners")
def test_an_evaluation_calls_it_fsd_beside_numbers_floor_and_classifier(extractor, tiles, tmp_path):
    for name, images in (("pred", tiles["he"][:30]), ("target", tiles["he"][:60])):
        for number, image in enumerate(images):
            save_image(tmp_path / name / f"{name}_{number}.png", image)
    found = evaluate(tmp_path / "pred", tmp_path / "target", tmp_path / "out", features=extractor)
    assert found.distance is not None
    tree = json.loads((tmp_path / "out" / "evaluation.json").read_text())["distribution"]
    value = found.distance.distribution.fid
    assert "fid" not in tree["numbers"]
    assert (tree["numbers"]["fsd"]["value"], tree["numbers"]["fsd"]["floor"]) == (value.value, value.floor)
    assert (tree["pred"], tree["target"], tree["floor"]) == (30, 60, 30)
    assert tree["features"]["sha256"] == extractor.digest
    with Path(tmp_path / "out" / "distribution.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (row["number"], float(row["value"]), float(row["floor"])) == ("fsd", value.value, value.floor)
    assert (row["n_pred"], row["n_target"], row["n_floor"]) == ("30", "60", "30")
    assert (row["features"], row["sha256"]) == ("stainnet", extractor.digest)
