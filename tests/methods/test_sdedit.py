import pytest
import torch

from restain.diffusion import GaussianDenoiser, RandomNoise, Sampling
from restain.errors import ConfigError
from restain.methods import build_method

TINY = {"unet": {"width": 4, "multipliers": [1], "blocks": 1, "attention": []}}
M, STD = 0.3, 0.5


def gaussian(**options):
    """SDEdit whose prior knows exactly that the pixels of its stain are N(0.3, 0.5^2)."""
    method = build_method("sdedit", {"prior": TINY, **options}, source_channels=1, target_channels=1)
    method.prior.denoiser = GaussianDenoiser(method.prior.schedule, torch.tensor(M), torch.tensor(STD))
    return method


def share(method):
    """What one pass keeps of the source's deviation from the mean."""
    level = method.prior.schedule.level(300.0)
    snr = (level.alpha / level.sigma) ** 2
    return snr * STD**2 / (1 + snr * STD**2)


DRAWS = [Sampling(sampler="ancestral_small", steps=300), Sampling(sampler="dpmpp_2m_sde", steps=40)]
DRAWS_NONE = [Sampling(sampler="dpmpp_2m", steps=25), Sampling(sampler="ddim", steps=100)]


@pytest.mark.parametrize("sampling", [*DRAWS, *DRAWS_NONE], ids=lambda sampling: sampling.sampler)
@pytest.mark.parametrize("repeats", [1, 2])
def test_f10_each_pass_keeps_the_share_of_the_source_that_the_start_time_allows(repeats, sampling):
    """Without noise it is the square root of that share: the flow carries deviations along."""
    x = torch.full((1, 1, 128, 128), -0.4)
    method = gaussian(repeats=repeats)
    kept = share(method) ** (repeats / 2 if sampling in DRAWS_NONE else repeats)
    stained = method.stain(x, RandomNoise(0), sampling)
    # 16384 pixels: the standard error of the mean is 0.004.
    assert float(stained.mean()) == pytest.approx(M + kept * (-0.4 - M), abs=0.015)


def test_a_second_pass_draws_noise_of_its_own():
    x = torch.full((1, 1, 128, 128), M)
    sampling = Sampling(sampler="ancestral", steps=300)
    once, twice = (gaussian(repeats=repeats).stain(x, RandomNoise(0), sampling).flatten() - M for repeats in (1, 2))
    correlation = float(torch.corrcoef(torch.stack([once, twice]))[0, 1])
    # What one pass leaves of the pass before, and no more.
    assert correlation == pytest.approx(share(gaussian()), abs=0.05)


@pytest.mark.parametrize("start_step", [0, 1001])
def test_a_start_outside_the_schedule_is_refused(start_step):
    with pytest.raises(ConfigError, match=f"start_step is {start_step}, not a step of the prior's schedule, 1 to 1000"):
        gaussian(start_step=start_step)


def test_a_source_of_other_channels_is_refused():
    with pytest.raises(ConfigError, match="they have 26 and 3 channels"):
        build_method("sdedit", {"prior": TINY}, source_channels=26, target_channels=3)
