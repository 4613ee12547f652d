from typing import get_args

import pytest
import torch
from pydantic import ValidationError

from restain.diffusion import RandomNoise, Sampler, Sampling, ScheduleConfig, every_step, sample


@pytest.mark.parametrize("name", get_args(Sampler))
@pytest.mark.parametrize("zero_terminal_snr", [False, True])
def test_every_sampler_by_name_samples(name, zero_terminal_snr, denoiser_of):
    schedule = ScheduleConfig(zero_terminal_snr=zero_terminal_snr).build()
    if name == "euler_maruyama" and zero_terminal_snr:
        pytest.skip("the equation is infinite where there is no signal; the kernel says so")
    kernel, times = Sampling(sampler=name, steps=30).plan(schedule)
    assert len(times) == 31
    noise = RandomNoise(0)
    x0 = sample(denoiser_of(schedule), noise(torch.empty(2, 4, 8, 8), 0), times, kernel, noise)
    assert x0.isfinite().all()
    assert x0[:, 2].mean() == pytest.approx(-0.8, abs=0.1)


def test_a_thousand_ancestral_steps_are_every_step():
    schedule = ScheduleConfig().build()
    _, times = Sampling(sampler="ancestral", steps=1000).plan(schedule)
    assert times == every_step(1000)


@pytest.mark.parametrize("name", ["linear", "half_cosine", "nichol_dhariwal"])
def test_every_schedule_by_name_is_built(name):
    plain, emptied = (ScheduleConfig(name=name, zero_terminal_snr=zero).build() for zero in (False, True))
    assert plain.abar[-1] > 0
    assert emptied.abar[-1] == 0
    assert ScheduleConfig(name=name, steps=50).build().steps == 50


def test_no_steps_are_refused():
    with pytest.raises(ValidationError, match="at least one step"):
        Sampling(steps=0)


@pytest.mark.parametrize("sampler", get_args(Sampler))
def test_a_plan_can_start_from_any_time(sampler):
    schedule = ScheduleConfig().build()
    _, times = Sampling(sampler=sampler, steps=12).plan(schedule, 300.0)
    assert times[0] == 300.0
    assert times[-1] == 0.0
    assert len(times) == 13


def test_three_hundred_ancestral_steps_from_300_visit_every_level():
    _, times = Sampling(sampler="ancestral", steps=300).plan(ScheduleConfig().build(), 300.0)
    assert times == every_step(300)
