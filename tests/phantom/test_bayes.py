import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from restain.errors import DataError
from restain.phantom import bounds

PROBABILITIES = arrays(np.float64, 50, elements=st.floats(0.01, 0.99))


def balanced(label, call):
    return (call[label].mean() + (~call[~label]).mean()) / 2


def test_a_sharp_rule_with_noise_has_a_closed_form():
    # A share q looks positive; labels contradict the look with probability e.
    q, e = 0.2, 0.05
    p = np.where(np.arange(1000) < 1000 * q, 1 - e, e)
    prevalence = q * (1 - e) + (1 - q) * e
    best = bounds(p)
    assert best.prevalence == pytest.approx(prevalence)
    assert best.accuracy == pytest.approx(1 - e)
    sensitivity, specificity = q * (1 - e) / prevalence, (1 - q) * (1 - e) / (1 - prevalence)
    assert best.balanced_accuracy == pytest.approx((sensitivity + specificity) / 2)
    drawn = (q * (1 - e) ** 2 + (1 - q) * e**2) / prevalence, ((1 - q) * (1 - e) ** 2 + q * e**2) / (1 - prevalence)
    assert best.sampler_balanced_accuracy == pytest.approx(sum(drawn) / 2)
    assert best.f1 == pytest.approx(2 * q * (1 - e) / (q + prevalence))
    assert best.sampler_f1 == pytest.approx(drawn[0])


def test_uninformative_cells_leave_chance():
    best = bounds(np.full(10, 0.3))
    assert best.balanced_accuracy == pytest.approx(0.5)
    assert best.sampler_balanced_accuracy == pytest.approx(0.5)
    assert best.accuracy == pytest.approx(0.7)
    assert best.f1 == pytest.approx(2 * 0.3 / 1.3)  # everything is called positive
    assert best.sampler_f1 == pytest.approx(0.3)


def test_bounds_agree_with_drawing_labels():
    random = np.random.default_rng(0)
    p = random.beta(0.3, 0.9, 400_000)
    label = random.uniform(size=p.size) < p
    best = bounds(p)
    assert best.prevalence == pytest.approx(label.mean(), abs=3e-3)
    assert best.balanced_accuracy == pytest.approx(balanced(label, p > label.mean()), abs=3e-3)
    assert best.accuracy == pytest.approx(((p > 0.5) == label).mean(), abs=3e-3)
    drawn = random.uniform(size=p.size) < p
    assert best.sampler_balanced_accuracy == pytest.approx(balanced(label, drawn), abs=3e-3)
    assert best.sampler_f1 == pytest.approx(2 * (drawn & label).sum() / (drawn.sum() + label.sum()), abs=3e-3)


@settings(max_examples=40, deadline=None)
@given(PROBABILITIES)
def test_no_threshold_does_better(p):
    best = bounds(p)
    for threshold in p:
        call = p >= threshold
        value = ((p * call).sum() / p.sum() + ((1 - p) * ~call).sum() / (1 - p).sum()) / 2
        assert value <= best.balanced_accuracy + 1e-12
        assert 2 * (p * call).sum() / (call.sum() + p.sum()) <= best.f1 + 1e-12
    assert best.sampler_balanced_accuracy <= best.balanced_accuracy + 1e-12
    assert best.sampler_f1 <= best.f1 + 1e-12


@pytest.mark.parametrize("p", [np.zeros(0), np.zeros(3), np.ones(3)])
def test_one_label_alone_has_no_balanced_accuracy(p):
    with pytest.raises(DataError, match="labels"):
        bounds(p)
