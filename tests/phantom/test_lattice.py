import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from restain.phantom.lattice import (
    hashed,
    key_of,
    linear_taps,
    noise_at,
    normal,
    spline_taps,
    spread,
    uniform,
    value_noise,
)

KEY = key_of(5, "test")


def test_bits_are_those_of_splitmix64():
    # The generator with seed 0 returns the finaliser of 1, 2, 3 ... golden gammas.
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]
    assert hashed(np.uint64(0), np.arange(1, 5)).tolist() == published


def test_numbers_are_uniform_along_every_direction_of_the_lattice():
    square = uniform(KEY, np.arange(-150, 150)[:, None], np.arange(-150, 150))
    assert kstest(square.ravel(), "uniform").pvalue > 1e-3
    for neighbour in (
        square[1:, :] * square[:-1, :],
        square[:, 1:] * square[:, :-1],
        square[1:, 1:] * square[:-1, :-1],
    ):
        assert abs(neighbour.mean() - 0.25) < 4 * np.sqrt(7 / 144 / neighbour.size)


def test_streams_differ_by_seed_and_name():
    numbers = {name: uniform(key, np.arange(2000)) for name, key in
               {"a": key_of(1, "a"), "b": key_of(1, "b"), "c": key_of(2, "a")}.items()}  # fmt: skip
    assert abs(np.corrcoef(list(numbers.values()))[np.triu_indices(3, 1)]).max() < 0.08


def test_normal_numbers_are_normal_and_stay_in_their_limits():
    assert kstest(normal(KEY, np.arange(20000)), "norm").pvalue > 1e-3
    assert np.abs(normal(KEY, np.arange(20000), limit=1.5)).max() <= 1.5


@settings(max_examples=40, deadline=None)
@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40))
def test_one_position_has_the_same_number_in_any_array(row, column):
    rows, columns = np.arange(row - 2, row + 3), np.arange(column - 1, column + 2)
    assert uniform(KEY, rows[:, None], columns)[2, 1] == uniform(KEY, row, column)[0]


@pytest.mark.parametrize("taps", [linear_taps, spline_taps])
def test_interpolation_keeps_a_slope(taps):
    y, x = np.linspace(-7.3, 9.1, 40), np.linspace(100.2, 117, 50)
    rows, columns = taps(y, 3.0), taps(x, 2.5)
    plane = rows.lattice[:, None] * 3.0 - 2 * columns.lattice * 2.5
    expected = y[:, None] - 2 * x
    np.testing.assert_allclose(spread(plane.astype(np.float32), rows, columns), expected, atol=1e-4)


def test_noise_has_zero_mean_and_unit_variance():
    noise = value_noise(KEY, np.arange(700) * 0.37, np.arange(700) * 0.37, 1.0)
    assert abs(noise.mean()) < 0.02
    assert abs(noise.var() - 1) < 0.02


def test_noise_is_the_same_however_the_plane_is_cut_and_at_scattered_points():
    y, x = np.arange(-40, 60) * 0.7, np.arange(500, 590) * 0.7
    whole = value_noise(KEY, y, x, 5.0)
    np.testing.assert_array_equal(whole[13:37, 50:], value_noise(KEY, y[13:37], x[50:], 5.0))
    at = noise_at(KEY, *np.meshgrid(y, x, indexing="ij"), 5.0)
    np.testing.assert_allclose(at, whole, atol=1e-5)
