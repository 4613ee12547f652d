import pytest
import torch

from restain.diffusion import GaussianDenoiser, RandomNoise, Sampling
from restain.errors import ConfigError
from restain.methods import build_method

TINY = {"unet": {"width": 4, "multipliers": [1], "blocks": 1, "attention": []}}
SOURCE, TARGET = (0.3, 0.5), (-0.5, 0.2)


def gaussian(target=TARGET, **options):
    """CycleDiffusion whose priors know exactly what pixels of their stains are, as in the tests of DDIB."""
    options = {"prior": TINY, "source_prior": TINY, "refine_step": 0, **options}
    method = build_method("cycle_diffusion", options, source_channels=1, target_channels=1)
    for prior, (mean, std) in ((method.source_prior, SOURCE), (method.prior, target)):
        prior.denoiser = GaussianDenoiser(prior.schedule, torch.tensor(mean), torch.tensor(std))
    return method


@pytest.fixture
def source():
    z = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    return SOURCE[0] + SOURCE[1] * z


SAMPLERS = [
    Sampling(sampler="ddim", steps=50),
    Sampling(sampler="ancestral_small", steps=850),
    Sampling(sampler="ancestral", steps=850),
]


@pytest.mark.parametrize("sampling", SAMPLERS, ids=lambda sampling: sampling.sampler)
def test_f27_the_source_comes_back_from_its_own_prior(sampling, source):
    """Up to what the last level, where nothing is drawn, hides: sigma_1 = 0.01."""
    back = gaussian(SOURCE).stain(source, RandomNoise(0), sampling)
    assert float((back - source).std()) <= 0.0105


@pytest.mark.parametrize("sampling", SAMPLERS, ids=lambda sampling: sampling.sampler)
def test_stains_change_and_structure_stays(sampling, source):
    stained = gaussian().stain(source, RandomNoise(0), sampling)
    assert float(stained.mean()) == pytest.approx(TARGET[0], abs=0.05)
    correlation = torch.corrcoef(torch.stack([stained.flatten(), source.flatten()]))[0, 1]
    assert correlation > 0.5


def test_the_polish_forgets_what_its_noise_hides(source):
    plain, polished = (gaussian(refine_step=step).stain(source, RandomNoise(0), SAMPLERS[0]) for step in (0, 400))
    shares = [torch.corrcoef(torch.stack([y.flatten(), source.flatten()]))[0, 1] for y in (plain, polished)]
    assert shares[1] < 0.5 * shares[0]
    assert float(polished.std()) == pytest.approx(TARGET[1], rel=0.1)


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "dpmpp_2m_sde", "unipc"])
def test_samplers_without_draws_or_with_a_memory_are_refused(sampler, source):
    with pytest.raises(ConfigError, match="use the sampler ddim, or an ancestral one"):
        gaussian().stain(source, RandomNoise(0), Sampling(sampler=sampler))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"start_step": 1001}, "start_step is 1001"),
        ({"start_step": 300, "refine_step": 301}, "refine_step is 301"),
        ({"prior": {**TINY, "schedule": {"name": "half_cosine"}}}, "different schedules"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, problem):
    with pytest.raises(ConfigError, match=problem):
        gaussian(**options)
