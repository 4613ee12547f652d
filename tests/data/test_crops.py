from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from restain.data import Crops, Pairs
from restain.errors import DataError
from restain.pixels import Image

SIDE = 8


class Seen(NamedTuple):
    """What a crop shows of an image whose pixels hold its number and their own places."""

    image: int
    y: int
    x: int
    orientation: tuple[int, ...]


class Places(Pairs):
    """Images whose pixels hold (row, column, number of the image); those of the target are taller and wider."""

    def __init__(self, count: int, *, aligned: bool) -> None:
        self.count, self.aligned = count, aligned

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return str(index)

    def read(self, index: int) -> tuple[Image, Image]:
        def image(height: int, width: int) -> Image:
            y, x = np.mgrid[:height, :width]
            return np.stack([y, x, np.full_like(y, index)], axis=-1).astype(np.uint8)

        return image(20, 30), image(20, 30) if self.aligned else image(40, 50)


def seen(crop: Tensor) -> Seen:
    y, x, index = ((crop + 1) * 127.5).round().int()
    corner = (int(y.min()), int(x.min()))
    corners = [(y[a, b] - corner[0], x[a, b] - corner[1]) for a, b in product((0, -1), repeat=2)]
    return Seen(int(index[0, 0]), *corner, tuple(int(value) for pair in corners[:2] for value in pair))


def test_both_sides_of_aligned_crops_are_the_same_pixels():
    crops = Crops(Places(5, aligned=True), SIDE, seed=3)
    assert all(torch.equal(*crops[number][:2]) for number in range(100))


def test_crops_of_aligned_pairs_are_those_that_runs_of_the_past_have_seen():
    """Place, turn and mirror of the first crops, as drawn by the release that trained the model that ships."""
    crops = Crops(Places(5, aligned=True), SIDE, seed=3)
    assert [seen(crops[number][0]) for number in range(4)] == [
        (4, 12, 5, (7, 7, 7, 0)),
        (2, 5, 17, (7, 0, 7, 7)),
        (1, 9, 10, (0, 7, 0, 0)),
        (3, 7, 10, (0, 7, 0, 0)),
    ]


def test_a_crop_depends_on_its_number_and_the_seed_alone():
    once, again, other = (Crops(Places(5, aligned=False), SIDE, seed) for seed in (3, 3, 4))
    forward = {number: once[number] for number in range(20)}
    for number in reversed(range(20)):
        assert all(torch.equal(a, b) for a, b in zip(forward[number][:2], again[number][:2], strict=True))
    assert any(seen(forward[number][0]) != seen(other[number][0]) for number in range(20))


def test_sides_that_are_not_aligned_lie_and_turn_independently():
    crops = Crops(Places(5, aligned=False), SIDE, seed=0)
    pairs = [tuple(seen(side) for side in crops[number][:2]) for number in range(1000)]
    assert all(source.image == target.image for source, target in pairs)
    both = np.array([(s.y, s.x, t.y, t.x) for s, t in pairs], float)
    assert both.min(axis=0).tolist() == [0, 0, 0, 0]
    assert both.max(axis=0).tolist() == [20 - SIDE, 30 - SIDE, 40 - SIDE, 50 - SIDE]  # every place of either side
    correlation = np.corrcoef(both.T) - np.eye(4)
    assert np.abs(correlation).max() < 4 / np.sqrt(1000)
    turns = {(s.orientation, t.orientation) for s, t in pairs}
    assert len(turns) == 8 * 8  # every orientation of one side meets every one of the other


def test_a_pass_shows_every_pair_once():
    crops = Crops(Places(7, aligned=False), SIDE, seed=1)
    orders = [[seen(crops[7 * rounds + place][0]).image for place in range(7)] for rounds in range(3)]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_a_target_smaller_than_the_crop_is_refused_too():
    class Small(Places):
        def read(self, index: int) -> tuple[Image, Image]:
            source, target = super().read(index)
            return source, target[:6]

    with pytest.raises(DataError, match="50 x 6 px is smaller than the crop of 8 px"):
        Crops(Small(5, aligned=False), SIDE, seed=0)[0]
