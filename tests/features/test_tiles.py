import numpy as np
import pytest
from PIL import Image

from restain.errors import DataError
from restain.features import features_of, tiles_in
from restain.features.extractor import BATCH


@pytest.fixture
def picture(tmp_path):
    """Return a function that writes an image whose red tells the row and whose green tells the column."""

    def write(width: int, height: int, mode: str = "RGB"):
        y, x = np.mgrid[:height, :width].astype(np.uint8)
        path = tmp_path / f"{width}x{height}.png"
        Image.fromarray(np.stack([y, x, 0 * x], axis=2)).convert(mode).save(path)
        return path

    return write


def test_large_images_are_cut_row_by_row_and_the_rest_is_passed_over(picture):
    tiles = list(tiles_in([picture(70, 50)], 16))
    assert [tile.shape for tile in tiles] == [(16, 16, 3)] * 12
    assert [tuple(tile[0, 0, :2]) for tile in tiles] == [(y, x) for y in (0, 16, 32) for x in (0, 16, 32, 48)]


def test_small_images_are_taken_whole(picture):
    shapes = [tile.shape for tile in tiles_in([picture(70, 10), picture(16, 16), picture(15, 16)], 16)]
    assert shapes == [(10, 70, 3), (16, 16, 3), (16, 15, 3)]


def test_all_images_are_taken_whole_where_that_is_asked_for(picture):
    assert [tile.shape for tile in tiles_in([picture(70, 50)], None)] == [(50, 70, 3)]
    with pytest.raises(DataError, match="cannot be taken whole"):
        list(tiles_in([picture(5000, 8)], None))


def test_images_without_colour_are_refused(picture):
    with pytest.raises(DataError, match="8-bit colour"):
        list(tiles_in([picture(20, 20, "L")], 16))


def test_images_of_equal_size_share_a_batch(means):
    sizes = [(8, 8)] * (BATCH + 1) + [(8, 9)] * 2 + [(8, 8)]
    features = features_of([np.full((*size, 3), 51, np.uint8) for size in sizes], means)
    assert np.allclose(features[:, :3], 0.2)
    assert features[:, 3].tolist() == [BATCH] * BATCH + [1, 2, 2, 1]


def test_no_images_have_no_features(means):
    with pytest.raises(DataError, match="no images"):
        features_of([], means)


@pytest.mark.parametrize(
    "images", [np.zeros((8, 8, 3), np.uint8), np.zeros((1, 8, 8, 3)), np.zeros((1, 3, 8, 8), "u1")]
)
def test_what_is_no_batch_of_images_is_refused(means, images):
    with pytest.raises(DataError, match=r"\(B, H, W, 3\) of uint8"):
        means(images)
