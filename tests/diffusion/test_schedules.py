import math

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from restain.diffusion import (
    RectifiedFlow,
    VarianceExploding,
    VariancePreserving,
    half_cosine,
    linear,
    nichol_dhariwal,
    quarter_cosine,
    zero_terminal_snr,
)
from restain.errors import ConfigError

SCHEDULES = {
    "linear": linear(),
    "half_cosine": half_cosine(),
    "nichol_dhariwal": nichol_dhariwal(),
    "zero_snr": zero_terminal_snr(linear()),
    "few_steps": linear(100),
    "flow": RectifiedFlow(),
    "exploding": VarianceExploding(),
}
PRESERVING = {name: schedule for name, schedule in SCHEDULES.items() if isinstance(schedule, VariancePreserving)}


def test_f1_linear_is_that_of_diffusers_bit_for_bit():
    theirs = DDPMScheduler(num_train_timesteps=1000, beta_schedule="linear")
    beta = linear(1000).beta.float()
    assert torch.equal(beta, theirs.betas)
    assert torch.equal((1 - beta).cumprod(0), theirs.alphas_cumprod)
    assert (linear(1000).abar[1:] - theirs.alphas_cumprod).abs().max() <= 5e-7


def test_f2_nichol_dhariwal_is_that_of_diffusers_bit_for_bit():
    theirs = DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2")
    beta = nichol_dhariwal(1000).beta.float()
    assert torch.equal(beta, theirs.betas)
    assert torch.equal((1 - beta).cumprod(0), theirs.alphas_cumprod)


@pytest.mark.parametrize("steps", [2000, 4000])
def test_f3_scaled_linear_ends_where_a_thousand_steps_end(steps):
    assert 4.1e-5 <= linear(steps).abar[-1] <= 4.3e-5


def test_f3_cosine_ramps_end_as_published():
    assert half_cosine(1000).abar[-1] == pytest.approx(4.00e-5, rel=0.01)
    assert quarter_cosine(1000).abar[-1] == pytest.approx(6.24e-4, rel=0.01)


@pytest.mark.parametrize("make", [linear, half_cosine, quarter_cosine, nichol_dhariwal])
def test_f4_zero_terminal_snr_keeps_the_first_level_and_empties_the_last(make):
    before, after = make(1000), zero_terminal_snr(make(1000))
    assert after.abar[1].sqrt() == pytest.approx(float(before.abar[1].sqrt()), abs=1e-7)
    assert after.abar[-1] == 0
    assert (after.abar[1:] < after.abar[:-1]).all()


def test_f4_zero_terminal_snr_is_that_of_diffusers():
    theirs = DDPMScheduler(num_train_timesteps=1000, rescale_betas_zero_snr=True)
    ours = zero_terminal_snr(linear())
    np.testing.assert_allclose(ours.abar[1:-1].sqrt(), theirs.alphas_cumprod[:-1].sqrt(), atol=2e-6)


@pytest.mark.parametrize("schedule", PRESERVING.values(), ids=PRESERVING)
def test_variance_is_preserved_and_the_table_is_met_at_integers(schedule):
    t = torch.linspace(0, schedule.steps, 12_345, dtype=torch.float64)
    alpha, sigma = schedule(t)
    assert (alpha**2 + sigma**2 - 1).abs().max() <= 1e-15
    at_integers, _ = schedule(torch.arange(schedule.steps + 1))
    torch.testing.assert_close(at_integers, schedule.abar.sqrt(), rtol=0, atol=0)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_noise_only_grows(schedule):
    alpha, sigma = schedule(torch.linspace(0, schedule.t_max, 5000, dtype=torch.float64))
    assert (alpha[0], sigma[0]) == (1, 0)
    assert (sigma.diff() > 0).all()
    assert (alpha.diff() <= 0).all()
    assert schedule.level(0).lam == math.inf


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@settings(deadline=None, max_examples=30)
@given(share=st.floats(0.001, 0.999))
def test_time_is_the_inverse(schedule, share):
    level = schedule.level(share * schedule.t_max)
    assert schedule.time(level.sigma / level.alpha) == pytest.approx(level.t, rel=1e-9)


def test_only_noise_is_at_the_end_of_time():
    for schedule in (SCHEDULES["zero_snr"], RectifiedFlow()):
        assert schedule.level(schedule.t_max).lam == -math.inf
        assert schedule.time(math.inf) == schedule.t_max


def test_times_may_be_one_for_all_or_one_per_image():
    schedule, x0, eps = linear(), torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4)
    together = schedule.add_noise(x0, eps, torch.tensor([1, 500, 1000]))
    assert together.dtype == torch.float32
    for row, t in enumerate((1, 500, 1000)):
        level = schedule.level(t)
        alone = schedule.add_noise(x0, eps, torch.tensor(t))
        torch.testing.assert_close(alone[row], together[row], rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(alone, level.alpha * x0 + level.sigma * eps, rtol=1e-6, atol=1e-6)


def test_times_and_betas_outside_are_refused():
    with pytest.raises(ConfigError, match=r"outside 0 \.\. 1000.*smaller time"):
        linear()(torch.tensor(1001))
    with pytest.raises(ConfigError, match="outside"):
        linear().level(-1)
    with pytest.raises(ConfigError, match="beta"):
        VariancePreserving(torch.tensor([0.1, 1.1]))
