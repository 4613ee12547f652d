import numpy as np
import pytest

from restain.phantom.kinds import EPITHELIUM, LYMPHOCYTE, STROMA
from restain.phantom.markers import CD3, CK818, HER2_STEPS, KI67, NEVER, Law

KINDS = np.array([EPITHELIUM, LYMPHOCYTE, STROMA], np.int8)


def test_the_law_is_a_logistic_between_noise_and_one_less_noise():
    law = Law(0.8, 0.6, steepness=3.0, noise=0.1, epithelium=0.5, lymphocyte=1.0, stroma=NEVER)
    chromatin, radius = np.linspace(-3, 3, 21), np.linspace(2, -1, 21)
    p = law.probability(np.full(21, EPITHELIUM, np.int8), chromatin, radius)
    logistic = 1 / (1 + np.exp(-3.0 * (0.8 * chromatin + 0.6 * radius - 0.5)))
    np.testing.assert_allclose(p, 0.1 + 0.8 * logistic, rtol=1e-12)
    far = law.probability(KINDS, np.full(3, 50.0), np.zeros(3))
    np.testing.assert_allclose(far, [0.9, 0.9, 0.0])
    threshold = law.probability(KINDS[:2], np.array([0.5, 1.0]) / 0.8, np.zeros(2))
    np.testing.assert_allclose(threshold, 0.5)


def test_markers_stay_in_their_kinds_of_cells():
    zero = np.zeros(3)
    assert (CD3.probability(KINDS, zero, zero) > 0).tolist() == [False, True, False]
    assert (CK818.probability(KINDS, zero, zero) > 0).tolist() == [True, False, False]
    assert (KI67.probability(KINDS, zero, zero) > 0).all()


@pytest.mark.parametrize("z", [-2.0, 0.0, 1.0])
def test_a_higher_her2_score_is_never_more_probable_than_a_lower(z):
    steps = [law.probability(KINDS[:1], np.array([z]), np.array([z]))[0] for law in HER2_STEPS]
    assert steps[0] >= steps[1] >= steps[2]
