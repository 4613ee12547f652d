import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from restain.diffusion import JoinedNoise, RandomNoise, SlideNoise
from restain.errors import DataError
from restain.geometry import Point, Region


def under(region, seed=0, draw=0, channels=3):
    """The noise under one region of a slide, (C, H, W)."""
    return SlideNoise(seed, [region.at])(torch.empty(1, channels, region.height, region.width), draw)[0]


@pytest.fixture(scope="module")
def plane():
    """A piece of slide around the origin."""
    return Region(-200, -150, 400, 300), under(Region(-200, -150, 400, 300))


corners, sides = st.integers(-150, 100), st.integers(1, 100)


@settings(max_examples=40, deadline=None)
@given(x=corners, y=corners, width=sides, height=sides)
def test_noise_belongs_to_the_slide_not_to_the_tile(plane, x, y, width, height):
    whole, noise = plane
    tile = Region(max(x, -200), max(y, -150), width, height).clip(whole)
    rows, columns = tile.shift(Point(200, 150)).slices
    assert torch.equal(under(tile), noise[:, rows, columns])


def test_overlapping_tiles_agree_in_any_batch_and_order():
    positions = [Point(-40, 7), Point(0, 7), Point(1000, 50_000), Point(-40, 7)]
    like = torch.empty(4, 3, 96, 96)
    together = SlideNoise(1, positions)(like, 2)
    for order in itertools.permutations(range(4)):
        shuffled = SlideNoise(1, [positions[i] for i in order])(like, 2)
        assert torch.equal(shuffled, together[list(order)])
    assert torch.equal(SlideNoise(1, positions[2:3])(like[:1], 2)[0], together[2])
    assert torch.equal(together[0][:, :, 40:], together[1][:, :, :56])
    assert torch.equal(together[0], together[3])


def test_far_corners_of_huge_slides_are_reached_exactly():
    far = Region(3_000_000_001, -2_000_000_017, 70, 70)
    part = Region(far.x + 30, far.y + 9, 20, 20)
    assert torch.equal(under(far)[:, 9:29, 30:50], under(part))


def test_a_channel_does_not_know_how_many_follow():
    region = Region(-10, 20, 100, 80)
    assert torch.equal(under(region, channels=3), under(region, channels=5)[:3])


DIFFERENT = {
    "seed": {"seed": 1},
    "negative_seed": {"seed": -1},
    "draw": {"draw": 1},
    "swapped": {"seed": 7, "draw": 5},
}


@pytest.mark.parametrize("other", DIFFERENT.values(), ids=DIFFERENT)
def test_streams_are_independent(other):
    region = Region(0, 0, 512, 512)
    base = {"seed": 5, "draw": 7} if other == DIFFERENT["swapped"] else {}
    one, two = under(region, **base), under(region, **other)
    assert abs(correlation(one, two)) < LIMIT
    assert abs(correlation(one**2, two**2)) < LIMIT


LIMIT = 5 / np.sqrt(3 * 512 * 512)
"""Five standard errors of a correlation of independent values of this number."""


def correlation(one, two):
    return np.corrcoef(one.flatten(), two.flatten())[0, 1]


SHIFTS = [(0, 1), (1, 0), (1, 1), (0, 32), (32, 0), (0, 64), (64, 0), (64, 64), (2, 0), (0, 2)]


@pytest.mark.parametrize(("down", "right"), SHIFTS)
def test_neighbours_and_blocks_are_independent(down, right):
    noise = under(Region(-256, -256, 512, 512)).numpy()
    here = noise[:, : 512 - down, : 512 - right]
    there = noise[:, down:, right:]
    assert abs(correlation(here, there)) < LIMIT * 1.1
    assert abs(correlation(here**2, there**2)) < LIMIT * 1.1


def test_channels_are_independent():
    noise = under(Region(0, 0, 512, 512))
    for one, other in itertools.combinations(noise, 2):
        assert abs(correlation(one, other)) < LIMIT * np.sqrt(3)


@pytest.mark.parametrize("kind", ["slide", "random"])
def test_noise_is_standard_normal(kind):
    like = torch.empty(1, 3, 1024, 1024)
    noise = (SlideNoise(0, [Point(-512, -512)]) if kind == "slide" else RandomNoise(0))(like, 0)
    values = noise.flatten().double().numpy()
    n = len(values)
    assert abs(values.mean()) < 5 / np.sqrt(n)
    assert abs(values.std() - 1) < 5 / np.sqrt(2 * n)
    assert abs(stats.skew(values)) < 5 * np.sqrt(6 / n)
    assert abs(stats.kurtosis(values)) < 5 * np.sqrt(24 / n)
    assert stats.kstest(values[::16], "norm").pvalue > 1e-4
    expected = n * 2 * stats.norm.sf([1, 2, 3, 4])
    found = [(np.abs(values) > limit).sum() for limit in (1, 2, 3, 4)]
    np.testing.assert_array_less(np.abs(found - expected), 5 * np.sqrt(expected))


def test_the_bits_are_those_of_philox():
    """One pixel by hand, from the published generator and the formula of Box and Muller."""
    key, counter = np.array([3, 2], dtype=np.uint64), np.array([0, 0, 2**64 - 1, 5], dtype=np.uint64)
    bits = np.random.Philox(key=key, counter=counter).random_raw(1)
    u_1, u_2 = (int(bits[0]) & 0xFFFFFFFF) / 2**32, (int(bits[0]) >> 32) / 2**32
    radius = np.sqrt(-2 * np.log(u_1))
    wanted = [radius * np.cos(2 * np.pi * u_2), radius * np.sin(2 * np.pi * u_2)]
    found = under(Region(-64, 5 * 64, 2, 1), seed=3, draw=2, channels=1).flatten()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_random_noise_goes_by_the_number_of_the_image():
    like = torch.empty(3, 3, 5, 7)  # an odd number of values
    together = RandomNoise(4)(like, 1)
    assert torch.equal(together, RandomNoise(4, [0, 1, 2])(like, 1))
    assert torch.equal(together[[2, 0]], RandomNoise(4, [2, 0])(like[:2], 1))
    assert not torch.equal(together, RandomNoise(4)(like, 2))
    assert not torch.equal(together, RandomNoise(5)(like, 1))
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("noise", [RandomNoise(0), SlideNoise(0, [Point(0, 0)])], ids=["random", "slide"])
def test_noise_is_of_the_type_that_is_asked_for(noise):
    in_half = noise(torch.empty(1, 3, 8, 8, dtype=torch.bfloat16), 0)
    in_full = noise(torch.empty(1, 3, 8, 8), 0)
    assert in_half.dtype == torch.bfloat16
    assert torch.equal(in_half, in_full.bfloat16())


@pytest.mark.parametrize("noise", [RandomNoise(0, [1]), SlideNoise(0, [Point(0, 0)])], ids=["random", "slide"])
def test_every_image_must_be_named(noise):
    with pytest.raises(DataError, match="noise for 1 images was asked for a batch of 2"):
        noise(torch.empty(2, 3, 8, 8), 0)


@pytest.mark.parametrize(
    "noise",
    [RandomNoise(3), RandomNoise(3, [8, 5]), SlideNoise(3, [Point(10, -20), Point(64, 0)])],
    ids=["counted", "named", "slide"],
)
def test_the_noise_of_one_image_is_its_share_of_the_batch(noise):
    together = noise(torch.empty(2, 3, 8, 8), 4)
    for image in (0, 1):
        assert torch.equal(noise.of(image)(torch.empty(1, 3, 8, 8), 4), together[[image]])


@pytest.mark.parametrize("kind", ["random", "slide"])
def test_samples_have_streams_of_their_own_and_the_first_is_that_without_samples(kind):
    like = torch.empty(1, 3, 512, 512)

    def noise(**sample):
        return RandomNoise(1, **sample) if kind == "random" else SlideNoise(1, [Point(7, -9)], **sample)

    alone, first, second = noise()(like, 3), noise(sample=0)(like, 3), noise(sample=1)(like, 3)
    assert torch.equal(alone, first)
    assert abs(correlation(first, second)) < LIMIT
    assert abs(correlation(first**2, second**2)) < LIMIT
    assert torch.equal(noise(sample=1).of(0)(like, 3), second)


def test_joined_noise_is_that_of_its_parts_one_after_another():
    places, like = [Point(0, 0), Point(5, 70)], torch.empty(6, 3, 8, 8)
    parts = [SlideNoise(1, places, sample) for sample in range(3)]
    joined = JoinedNoise(parts, 2)
    assert torch.equal(joined(like, 1), torch.cat([part(like[:2], 1) for part in parts]))
    for image in range(6):
        assert torch.equal(joined.of(image)(like[:1], 1)[0], joined(like, 1)[image])
    with pytest.raises(DataError, match="noise for 6 images was asked for a batch of 4"):
        joined(like[:4], 1)
