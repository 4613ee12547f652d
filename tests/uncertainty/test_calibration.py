"""Both forms of widening, against their definitions."""

import numpy as np
import pytest

from restain.config import dump_config, parse_config
from restain.errors import ConfigError, DataError
from restain.uncertainty import Calibration, Interval, IntervalRule, widen
from restain.uncertainty.calibration import least_lambda


def interval(count: int = 500, seed: int = 0) -> Interval:
    lower, centre, upper = np.sort(np.random.default_rng(seed).random((3, count)), axis=0)
    return Interval(lower, centre, upper)


def test_centred_multiplies_the_distances_from_the_centre():
    wide = widen(Interval(np.array([0.4]), np.array([0.5]), np.array([0.7])), 2, "centred")
    assert (wide.lower[0], wide.centre[0], wide.upper[0]) == pytest.approx((0.3, 0.5, 0.9))


def test_centred_gives_a_width_to_samples_that_all_agree():
    same = np.array([0.5])
    wide = widen(Interval(same, same, same), 3, "centred")
    assert (wide.lower[0], wide.upper[0]) == pytest.approx((0.5 - 3e-6, 0.5 + 3e-6), abs=1e-12)


def test_centred_does_not_know_where_zero_is_and_multiplicative_does():
    a = Interval(np.array([0.2]), np.array([0.25]), np.array([0.3]))
    b = Interval(a.lower + 0.5, a.centre + 0.5, a.upper + 0.5)
    assert widen(a, 1.5, "centred").width == pytest.approx(widen(b, 1.5, "centred").width)
    assert widen(a, 1.5, "multiplicative").width[0] == pytest.approx(0.45 - 0.2 / 1.5)
    assert widen(b, 1.5, "multiplicative").width[0] == pytest.approx(1 - 0.7 / 1.5)  # 0.8 x 1.5 is limited to white


def test_multiplicative_cannot_widen_black_upwards():
    black = np.zeros(1)
    assert widen(Interval(black, black, black), 5, "multiplicative").upper == 0


@pytest.mark.parametrize("form", ["centred", "multiplicative"])
def test_the_least_lambda_is_the_first_whose_interval_holds_the_truth(form):
    spans = interval()
    truth = np.random.default_rng(1).random(500)
    truth[:20], truth[20:40] = 0, 1
    spans.lower[10:30], spans.upper[30:50] = 0, 1
    least = least_lambda(spans, truth, form)
    for lambda_ in (0.8, 1.0, 1.3, 2.0, 5.0):
        wide = widen(spans, lambda_, form)
        np.testing.assert_array_equal((wide.lower <= truth) & (truth <= wide.upper), least <= lambda_)


def test_a_white_pixel_is_inside_where_the_limit_puts_the_lower_end():
    white = np.ones(1)
    assert least_lambda(Interval(white, white, white), white, "multiplicative") <= 1
    assert widen(Interval(white, white, white), 0.8, "multiplicative").lower == 1


def test_multiplicative_refuses_values_outside_of_fractions_of_white():
    planes = Interval(np.array([-0.5]), np.array([0.0]), np.array([0.5]))
    with pytest.raises(DataError, match="outside"):
        widen(planes, 1, "multiplicative")
    assert widen(planes, 1, "centred").lower == -0.5


@pytest.mark.parametrize(("lambda_", "form"), [(-1, "centred"), (0, "multiplicative")])
def test_a_lambda_that_turns_intervals_round_is_refused(lambda_, form):
    with pytest.raises(DataError, match="cannot be widened"):
        widen(interval(), lambda_, form)


def test_a_calibration_survives_being_written_and_read(tmp_path):
    import yaml

    made = Calibration(
        lambda_=1.32,
        form="centred",
        interval=IntervalRule(kind="order_stat", samples=8),
        alpha=0.1,
        delta=0.1,
        n=60,
        risk=0.05,
        bound=0.098,
    )
    tree = yaml.safe_load(dump_config(made))
    assert parse_config(Calibration, tree, "a card") == made
    with pytest.raises(ConfigError, match="alpha"):
        parse_config(Calibration, {**tree, "alpha": 1.5}, "a card")
