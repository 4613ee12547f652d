import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restain.errors import ConfigError, DataError
from restain.metrics import h_score, h_score_of_counts, stain_grades

CUT_OFFS = (0.2, 0.4, 0.6)
counts = st.integers(0, 50)


@given(negative=counts, weak=counts, moderate=counts, strong=counts, seed=st.integers(0, 99))
def test_cells_that_are_known_have_the_score_of_the_formula_in_any_order(
    negative: int, weak: int, moderate: int, strong: int, seed: int
):
    n = negative + weak + moderate + strong
    if n == 0:
        return
    density = np.repeat([0.1, 0.3, 0.5, 0.9], [negative, weak, moderate, strong])
    np.random.default_rng(seed).shuffle(density)
    score = h_score(stain_grades(density, CUT_OFFS))
    assert score == h_score_of_counts(weak, moderate, strong, n) == 100 * (weak + 2 * moderate + 3 * strong) / n
    assert 0 <= score <= 300


def test_it_is_the_weighted_sum_of_percentages():
    assert h_score_of_counts(weak=20, moderate=30, strong=10, n=100) == 20 + 2 * 30 + 3 * 10


def test_the_ends_are_reached():
    assert h_score(stain_grades(np.full(7, 0.0), CUT_OFFS)) == 0
    assert h_score(stain_grades(np.full(7, 2.0), CUT_OFFS)) == 300


def test_a_cell_on_a_cut_off_belongs_below_it():
    """As in ``CellDensity.is_positive``: more than the threshold."""
    np.testing.assert_array_equal(stain_grades(np.array([0.2, 0.4, 0.6, 0.61, -0.1]), CUT_OFFS), [0, 1, 2, 3, 0])


def test_two_cut_offs_grade_cells_that_are_known_to_be_positive():
    density = np.array([0.1, 0.5, 0.9, 0.9])
    grades = stain_grades(density, (0.4, 0.6), positive=np.array([True, True, True, False]))
    np.testing.assert_array_equal(grades, [1, 2, 3, 0])
    assert h_score(grades) == 150


def test_what_does_not_fit_is_refused():
    density = np.array([0.1, 0.5])
    for cut_offs, positive in (((0.2, 0.4), None), ((0.2, 0.6, 0.4), None), (CUT_OFFS, np.array([True, True]))):
        with pytest.raises(ConfigError, match="do not grade cells"):
            stain_grades(density, cut_offs, positive)
    with pytest.raises(DataError, match="one finite density per cell"):
        stain_grades(np.array([0.1, np.nan]), CUT_OFFS)
    with pytest.raises(DataError, match="as many flags"):
        stain_grades(density, (0.2, 0.4), np.array([True]))
    with pytest.raises(DataError, match="0, 1, 2 and 3"):
        h_score(np.array([0, 4]))
    with pytest.raises(DataError, match="0 strong of 0 cells"):
        h_score(np.array([], np.int64))
    for weak, moderate, strong, n in ((3, 0, 0, 2), (-1, 1, 0, 2), (0, 0, 0, 0)):
        with pytest.raises(DataError, match="do not fit"):
            h_score_of_counts(weak, moderate, strong, n)
