import itertools
import math

import numpy as np
import pytest
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

from restain.diffusion import (
    RectifiedFlow,
    VarianceExploding,
    every_step,
    half_cosine,
    karras,
    linear,
    lu,
    nichol_dhariwal,
    trailing,
    zero_terminal_snr,
)
from restain.errors import ConfigError

# diffusers copies tensors into arrays in a way that NumPy is about to drop.
foreign = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SCHEDULES = {
    "linear": linear(),
    "half_cosine": half_cosine(),
    "nichol_dhariwal": nichol_dhariwal(),
    "zero_snr": zero_terminal_snr(linear()),
    "flow": RectifiedFlow(),
    "exploding": VarianceExploding(),
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("grid", [trailing, lu, karras])
@pytest.mark.parametrize("count", [1, 2, 7, 50])
def test_grids_fall_from_the_end_of_time_to_the_clean_image(schedule, grid, count):
    times = grid(schedule, count)
    assert len(times) == count + 1
    assert (times[0], times[-1]) == (schedule.t_max, 0)
    assert all(later < earlier for earlier, later in itertools.pairwise(times))


@pytest.mark.parametrize("name", ["linear", "half_cosine", "flow", "exploding"])
def test_lu_is_even_in_log_snr_and_asks_for_the_smallest_noise(name):
    schedule = SCHEDULES[name]
    lam = [schedule.level(t).lam for t in lu(schedule, 20)[1:-1]]
    np.testing.assert_allclose(np.diff(lam), lam[1] - lam[0], rtol=1e-6)
    assert lu(schedule, 20)[-2] == pytest.approx(schedule.t_min)


def test_karras_is_even_in_the_seventh_root_of_the_noise():
    roots = [t ** (1 / 7) for t in karras(VarianceExploding(), 18)[:-1]]
    np.testing.assert_allclose(np.diff(roots), roots[1] - roots[0], rtol=1e-9)
    assert karras(VarianceExploding(), 18)[-2] == pytest.approx(0.002)


@foreign
@pytest.mark.parametrize(("grid", "option"), [(lu, "use_lu_lambdas"), (karras, "use_karras_sigmas")])
def test_ladders_are_those_of_diffusers(grid, option):
    theirs = DPMSolverMultistepScheduler(num_train_timesteps=1000, **{option: True})
    theirs.set_timesteps(25)
    levels = [linear().level(t) for t in grid(linear(), 25)]
    np.testing.assert_allclose([level.sigma / level.alpha for level in levels], theirs.sigmas, rtol=2e-4)
    # They round times to integers counted from 0.
    np.testing.assert_allclose([level.t for level in levels[:-1]], theirs.timesteps + 1, atol=0.51)


@foreign
def test_trailing_is_that_of_diffusers():
    theirs = DDIMScheduler(num_train_timesteps=1000, timestep_spacing="trailing")
    theirs.set_timesteps(20)
    assert trailing(linear(), 20)[:-1] == tuple(float(t) + 1 for t in theirs.timesteps)


def test_every_step_is_every_step():
    assert every_step(3) == (3.0, 2.0, 1.0, 0.0)
    assert every_step(1000) == pytest.approx(trailing(linear(), 1000))


def test_without_any_signal_a_ladder_starts_at_the_end_of_time_and_goes_on_where_others_start():
    schedule = zero_terminal_snr(linear())
    times = lu(schedule, 20)
    lam = [schedule.level(t).lam for t in times]
    assert lam[0] == -math.inf
    np.testing.assert_allclose(lam[1:-1], [linear().level(t).lam for t in lu(linear(), 20)][1:-1], atol=0.02)


@pytest.mark.parametrize("grid", [trailing, lu, karras])
def test_grids_may_start_from_a_noisy_image(grid):
    times = grid(linear(), 10, 300)
    assert (times[0], times[-1], len(times)) == (300, 0, 11)
    assert times == tuple(sorted(times, reverse=True))
    assert grid(linear(), 10, 1000) == grid(linear(), 10)


@pytest.mark.parametrize("grid", [trailing, lu, karras])
def test_impossible_grids_are_refused(grid):
    with pytest.raises(ConfigError, match="0 steps"):
        grid(linear(), 0)
    with pytest.raises(ConfigError, match=r"start at time 1001.*use 1 to 1000"):
        grid(linear(), 10, 1001)
