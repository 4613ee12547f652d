import pytest
import torch

from restain.diffusion import GaussianDenoiser, RandomNoise, Sampling
from restain.errors import ConfigError
from restain.methods import build_method

TINY = {"unet": {"width": 4, "multipliers": [1], "blocks": 1, "attention": []}}
SOURCE, TARGET = (0.3, 0.5), (-0.5, 0.2)


def gaussian(target=TARGET, **options):
    """DDIB whose priors know exactly that pixels of the source are N(0.3, 0.5^2), and those of the target otherwise."""
    options = {"prior": TINY, "source_prior": TINY, **options}
    method = build_method("ddib", options, source_channels=1, target_channels=1)
    for prior, (mean, std) in ((method.source_prior, SOURCE), (method.prior, target)):
        prior.denoiser = GaussianDenoiser(prior.schedule, torch.tensor(mean), torch.tensor(std))
    return method


@pytest.fixture
def source():
    z = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    return SOURCE[0] + SOURCE[1] * z


FLOWS = [
    Sampling(sampler="dpmpp_2m", steps=25),
    Sampling(sampler="unipc", steps=50),
    Sampling(sampler="ddim", steps=500),
]


@pytest.mark.parametrize("sampling", FLOWS, ids=lambda sampling: sampling.sampler)
def test_f26_the_source_comes_back_from_its_own_prior(sampling, source):
    back = gaussian(SOURCE).stain(source, RandomNoise(0), sampling)
    assert float((back - source).square().mean().sqrt()) <= 0.015


@pytest.mark.parametrize("sampling", FLOWS, ids=lambda sampling: sampling.sampler)
def test_quantiles_of_the_source_become_quantiles_of_the_target(sampling, source):
    stained = gaussian().stain(source, RandomNoise(0), sampling)
    expected = TARGET[0] + TARGET[1] * (source - SOURCE[0]) / SOURCE[1]
    torch.testing.assert_close(stained, expected, atol=0.02, rtol=0)


def test_the_seed_decides_nothing_unless_noise_is_added(source):
    plain, noised = gaussian(), gaussian(noise_step=20)
    first, other = (plain.stain(source, RandomNoise(seed), Sampling()) for seed in (0, 1))
    assert torch.equal(first, other)
    first, other = (noised.stain(source, RandomNoise(seed), Sampling()) for seed in (0, 1))
    assert not torch.equal(first, other)
    assert float((first - other).std()) < 0.1  # sigma_20 = 0.076 is all that may differ


def test_priors_of_different_schedules_meet_at_pure_noise(source):
    method = gaussian(prior={**TINY, "schedule": {"name": "nichol_dhariwal"}})
    stained = method.stain(source, RandomNoise(0), Sampling(steps=50))
    expected = TARGET[0] + TARGET[1] * (source - SOURCE[0]) / SOURCE[1]
    torch.testing.assert_close(stained, expected, atol=0.03, rtol=0)


def test_samplers_that_cannot_go_both_ways_are_refused(source):
    with pytest.raises(ConfigError, match="ancestral draws noise: use a sampler that draws none"):
        gaussian().stain(source, RandomNoise(0), Sampling(sampler="ancestral"))
    terminal = {**TINY, "schedule": {"zero_terminal_snr": True}}
    method = gaussian(prior=terminal, source_prior=terminal)
    with pytest.raises(ConfigError, match="use the sampler ddim"):
        method.stain(source, RandomNoise(0), Sampling())
    assert method.stain(source, RandomNoise(0), Sampling(sampler="ddim", steps=200)).isfinite().all()


def test_noise_up_to_the_end_is_refused():
    with pytest.raises(ConfigError, match="noise_step is 1000"):
        gaussian(noise_step=1000)
