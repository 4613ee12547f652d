import pytest
import torch

from restain.diffusion import GaussianDenoiser, RandomNoise, Sampling, steps
from restain.errors import ConfigError, DataError
from restain.methods import build_method
from restain.methods.ilvr import REFERENCE_DRAWS, Reference
from restain.nn import low_pass

TINY = {"unet": {"width": 4, "multipliers": [1], "blocks": 1, "attention": []}}


def gaussian(**options):
    """ILVR whose prior knows exactly that the pixels of its stain are N(0.3, 0.5^2)."""
    method = build_method("ilvr", {"prior": TINY, **options}, source_channels=3, target_channels=3)
    method.prior.denoiser = GaussianDenoiser(method.prior.schedule, torch.tensor(0.3), torch.tensor(0.5))
    return method


@pytest.fixture
def source():
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("sampler", ["ancestral_small", "dpmpp_2m", "dpmpp_2m_sde", "ddim"])
def test_f28_box_holds_the_coarse_structure_after_every_conditioned_step(sampler, source):
    method = gaussian(low_pass="box", factor=16)
    kernel, times = Sampling(sampler=sampler, steps=25).plan(method.prior.schedule)
    noise = RandomNoise(0)
    hooks = [Reference(method.config, source, noise)]
    conditioned = 0
    for step in steps(method.prior.denoiser, noise(source, 0), times, kernel, noise, hooks=hooks):
        s = step.s
        reference = s.alpha * source + s.sigma * noise(source, REFERENCE_DRAWS + round(1000 * s.t))
        off = (low_pass(step.x_s - reference, 16, "box")).abs().max()
        if s.t > 200:
            conditioned += 1
            assert off <= 1e-6
        else:
            assert off > 1e-3
    assert conditioned >= 5


def test_the_bicubic_constraint_does_not_hold(source):
    method = gaussian(factor=16)
    s = method.prior.schedule.level(500.0)
    hook, noise = Reference(method.config, source, RandomNoise(0)), RandomNoise(0)
    reference = s.alpha * source + s.sigma * noise(source, REFERENCE_DRAWS + 500_000)
    before = noise(source, 1)
    wanted = low_pass(reference, 16, "bicubic")
    after = hook.on_sample(before, s)
    error = (low_pass(after, 16, "bicubic") - wanted).norm() / (low_pass(before, 16, "bicubic") - wanted).norm()
    assert 0.1 < error < 0.5
    torch.testing.assert_close(after, before - low_pass(before, 16, "bicubic") + wanted)


@pytest.mark.parametrize("sampling", [Sampling(sampler="ancestral_small", steps=100), Sampling(steps=20)])
def test_the_source_decides_coarse_structure_and_the_prior_the_rest(sampling, source):
    coarse = low_pass(source, 16, "box") * 4
    stained = gaussian(low_pass="box", factor=16, range_t=0).stain(coarse, RandomNoise(0), sampling)
    seen = low_pass(stained, 16, "box")
    correlation = torch.corrcoef(torch.stack([seen.flatten(), coarse.flatten()]))[0, 1]
    assert correlation > 0.95
    # 100 ancestral steps of the small variance lose some contrast, with or without a reference.
    assert float((stained - seen).std()) == pytest.approx(0.5, rel=0.08)


def test_the_factor_must_divide_the_sides(source):
    with pytest.raises(DataError, match="multiples of 48"):
        gaussian(factor=48).stain(source, RandomNoise(0), Sampling())


def test_unipc_is_refused(source):
    with pytest.raises(ConfigError, match="dpmpp_2m"):
        gaussian().stain(source, RandomNoise(0), Sampling(sampler="unipc"))
