import math

import numpy as np
import pytest
from scipy import stats

from restain.errors import DataError
from restain.metrics import pearson


@pytest.mark.parametrize("seed", range(3))
def test_it_is_that_of_scipy(seed: int):
    x, y = np.random.default_rng(seed).normal(size=(2, 20))
    assert pearson(x, y + 0.5 * x) == pytest.approx(stats.pearsonr(x, y + 0.5 * x).statistic, rel=1e-12)


def test_it_is_blind_to_scale_and_offset_and_knows_the_direction():
    x = [0.1, 0.4, 0.2]
    assert pearson(x, [0.5 * each + 3 for each in x]) == pytest.approx(1, abs=1e-12)
    assert pearson(x, [-each for each in x]) == pytest.approx(-1, abs=1e-12)


def test_two_images_and_equal_images_have_none():
    assert math.isnan(pearson([], []))
    assert math.isnan(pearson([1, 2], [3, 5]))
    assert math.isnan(pearson([1, 2, 3], [0.3, 0.3, 0.3]))
    assert math.isnan(pearson([7, 7, 7], [1, 2, 3]))


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match=r"\(3,\) and \(2,\)"):
        pearson([1, 2, 3], [1, 2])
    with pytest.raises(DataError, match="finite"):
        pearson([1, 2, math.nan], [1, 2, 3])
