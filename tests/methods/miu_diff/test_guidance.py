"""The force of MIU-Diff: its sign, its weights, its scale."""

import math

import pytest
import torch

from restain.diffusion import (
    Ancestral,
    GaussianDenoiser,
    Guide,
    MeanGuide,
    Moment,
    RandomNoise,
    Sampling,
    ScoreGuide,
    guide_for,
    sample,
)
from restain.errors import GuidanceError
from restain.methods.miu_diff.grey import without_colour
from restain.methods.miu_diff.guidance import Guidance, Information, gradients

NOISE = RandomNoise(0)
SIZES = torch.tensor([2.0, 3.0, 5.0])


def information_of(method, batch, noise=NOISE):
    return Information(method.config, method.critic, method.prior.denoiser, batch.source, noise)


def force_of(method, batch, t, *, ahead=False, y_t=None):
    guidance = Guidance(method.config, information_of(method, batch), SIZES, ahead=ahead)
    return guidance(batch.target if y_t is None else y_t, method.prior.schedule.level(t))


BARE = {"normalize": "none", "refinement": "none"}


@pytest.mark.parametrize("critic_input", ["noisy", "tweedie"])
def test_f13_the_force_raises_the_information(make, batch, critic_input):
    method = make(**BARE, terms="I", critic_input=critic_input, jacobian="full")
    level = method.prior.schedule.level(30)
    information = information_of(method, batch)
    force = force_of(method, batch, 30.0)
    step = 1e-2 / force.flatten(1).norm(dim=1)[:, None, None, None]
    gained = (information(batch.target + step * force, level) - information(batch.target - step * force, level)) / 2
    _, gradient = gradients(method.config, information, batch.target, level)
    slope = (gradient * step * force).flatten(1).sum(1)
    assert bool((gained > 0).all())
    torch.testing.assert_close(gained, slope, rtol=0.05, atol=0)
    cosine = torch.nn.functional.cosine_similarity(force.flatten(1), gradient.flatten(1))
    assert bool((cosine > 0.99).all())


@pytest.mark.parametrize(("t", "of_information"), [(60.0, -1.0), (30.0, 0.0), (15.0, 0.5)])
def test_the_papers_energy_weighs_information_by_one_minus_two_lambda(make, batch, t, of_information):
    method = make(**BARE)
    grad_h, grad_i = gradients(
        method.config, information_of(method, batch), batch.target, method.prior.schedule.level(t)
    )
    expected = t / 60 * grad_h + of_information * grad_i
    torch.testing.assert_close(force_of(method, batch, t), expected, rtol=1e-4, atol=1e-8)


def test_the_decoupled_energy_weighs_information_by_one_minus_lambda(make, batch):
    method = make(**BARE, lambda_form="decoupled")
    grad_h, grad_i = gradients(
        method.config, information_of(method, batch), batch.target, method.prior.schedule.level(45.0)
    )
    torch.testing.assert_close(force_of(method, batch, 45.0), 0.75 * grad_h + 0.25 * grad_i, rtol=1e-4, atol=1e-8)


def test_terms_are_dropped_and_the_others_keep_their_weight(make, batch):
    level = make(**BARE).prior.schedule.level(45.0)
    grad_h, grad_i = gradients(make(**BARE).config, information_of(make(**BARE), batch), batch.target, level)
    torch.testing.assert_close(force_of(make(**BARE, terms="I"), batch, 45.0), 0.25 * grad_i, rtol=1e-4, atol=1e-8)
    torch.testing.assert_close(
        force_of(make(**BARE, terms="U"), batch, 45.0), 0.75 * (grad_h - grad_i), rtol=1e-4, atol=1e-8
    )
    assert not force_of(make(**BARE, terms="none"), batch, 45.0).any()
    constant = force_of(make(**BARE, terms="I", lambda_course="constant", lambda_value=0.0), batch, 45.0)
    torch.testing.assert_close(constant, grad_i, rtol=1e-4, atol=1e-8)


def test_f15_the_calibrated_shift_is_kappa_times_the_noise_of_the_step(make, batch, monkeypatch):
    size, kappa, t = 0.01, 0.1, 50
    synthetic = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    synthetic = synthetic.clamp(-4, 4)
    synthetic *= size / synthetic.square().mean((1, 2, 3), keepdim=True).sqrt()

    def shift(scale):
        monkeypatch.setattr(
            "restain.methods.miu_diff.guidance.gradients", lambda *_: (torch.zeros_like(synthetic), scale * synthetic)
        )
        method = make(terms="I", lambda_course="constant", lambda_value=0.0, kappa=kappa)
        schedule = method.prior.schedule
        sizes = torch.tensor([1.0, 1.0, 32 * 32 * size], dtype=torch.float64)
        guidance = Guidance(method.config, information_of(method, batch), sizes, ahead=True)
        now = Moment(schedule.level(t), torch.zeros_like(synthetic), torch.zeros_like(synthetic))
        beta = float(schedule.beta[t - 1])
        return MeanGuide(guidance, "mean").on_mean(now.x_t, beta, now, schedule.level(t - 1)), beta

    moved, beta = shift(1.0)
    assert float(moved.square().mean().sqrt()) == pytest.approx(kappa * math.sqrt(beta), rel=1e-6)
    torch.testing.assert_close(shift(0.1)[0], 0.1 * moved, rtol=1e-9, atol=0)


def test_the_same_pull_through_the_prediction(make, batch):
    """In a unit step, guidance through x0 shifts the mean as guidance of the mean does, up to sqrt(1 - beta)."""
    method = make(refinement="none")
    schedule = method.prior.schedule
    t, s, beta = schedule.level(50.0), schedule.level(49.0), float(schedule.beta[49])
    force, x_t = force_of(method, batch, 50.0).double(), batch.target.double()

    def mean(guide):
        x0 = guide.on_x0(0.9 * x_t, x_t, t)
        transition = Ancestral("large")(Moment(t, x_t, x0), s, (), None)
        return guide.on_mean(transition.mean, transition.std**2, transition.now, s)

    nothing, through_x0, of_mean = (
        mean(guide) for guide in (Guide(), ScoreGuide(lambda *_: force), MeanGuide(lambda *_: force, "state"))
    )
    torch.testing.assert_close(math.sqrt(1 - beta) * (through_x0 - nothing), of_mean - nothing, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(of_mean - nothing, beta * force, rtol=1e-6, atol=1e-12)


def test_no_pixel_is_shifted_by_more_than_half_the_noise(make, batch):
    method = make(terms="I", kappa=1e6)
    beta = float(method.prior.schedule.beta[49])
    shift = beta * force_of(method, batch, 50.0)
    assert float(shift.abs().max()) == pytest.approx(0.5 * math.sqrt(beta), rel=1e-5)


def test_guidance_acts_on_the_first_steps_alone(make, batch):
    method = make(**BARE, guided_steps=20)
    assert force_of(method, batch, 41.0).any()
    assert not force_of(method, batch, 40.0).any()
    assert force_of(method, batch, 40.0, ahead=True).any()
    assert not force_of(method, batch, 39.0, ahead=True).any()


@pytest.mark.parametrize("sampler", ["ancestral", "dpmpp_2m"])
@pytest.mark.parametrize("off", [{"kappa": 0.0}, {"guided_steps": 0}, {"terms": "none"}])
def test_guidance_that_is_switched_off_changes_no_bit(make, batch, sampler, off):
    sampling = Sampling(sampler=sampler, steps=6)
    method = make(refinement="none", **off)
    schedule, grey = method.prior.schedule, without_colour(batch.source, "luma601")
    start = schedule.level(60.0)
    kernel, times = sampling.plan(schedule, 60.0)
    unguided = sample(method.prior.denoiser, start.alpha * grey + start.sigma * NOISE(grey, 0), times, kernel, NOISE)
    assert torch.equal(method.stain(batch.source, NOISE, sampling), unguided)
    assert not torch.equal(make(refinement="none").stain(batch.source, NOISE, sampling), unguided)


def test_an_image_twice_as_large_is_pulled_as_strongly(make):
    """The bare gradient of a mean over pixels falls as 1 / pixels; calibration takes that out."""
    method = make(terms="U", lambda_form="decoupled")
    tile = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    large = tile.repeat(1, 1, 2, 2)
    of_tile, of_large = (
        Guidance(
            method.config,
            Information(method.config, method.critic, method.prior.denoiser, image, NOISE),
            SIZES,
            ahead=False,
        )(image, method.prior.schedule.level(30.0))
        for image in (tile, large)
    )
    torch.testing.assert_close(of_large[..., :32, :32], of_tile, rtol=1e-3, atol=1e-6)


def test_kernels_that_draw_are_guided_through_the_mean():
    def nothing(x_t, t):
        return torch.zeros_like(x_t)

    assert isinstance(guide_for(Ancestral("large"), nothing, "mean"), MeanGuide)
    for sampler in ("dpmpp_2m", "dpmpp_2m_sde", "unipc", "ddim"):
        kernel, _ = Sampling(sampler=sampler).plan(make_schedule())
        assert isinstance(guide_for(kernel, nothing, "mean"), ScoreGuide)


def make_schedule():
    from restain.diffusion import linear

    return linear(1000)


def test_a_gradient_that_is_not_finite_is_an_error(make, batch):
    with pytest.raises(GuidanceError, match="not finite at t = 30"):
        force_of(make(), batch, 30.0, y_t=torch.full_like(batch.target, float("nan")))


def test_the_gradient_through_the_prediction_carries_one_over_alpha(make, batch):
    """For a denoiser that divides by alpha alone, both Jacobians are the same."""
    method = make(critic_input="tweedie", terms="I", **BARE)
    schedule = method.prior.schedule
    sure = GaussianDenoiser(schedule, torch.zeros(3, 1, 1), torch.full((3, 1, 1), 1e6))  # E[x0 | x_t] = x_t / alpha_t
    level = schedule.level(50.0)

    def gradient(jacobian):
        config = method.config.model_copy(update={"jacobian": jacobian})
        return gradients(config, Information(config, method.critic, sure, batch.source, NOISE), batch.target, level)[1]

    torch.testing.assert_close(gradient("scale"), gradient("full"), rtol=1e-3, atol=1e-7)


def test_the_grid_of_patches_moves_from_step_to_step(make, batch):
    method = make(critic={"patch": 8, "widths": [8, 16]})
    information = information_of(method, batch)
    offsets = [information._offset(method.prior.schedule.level(float(t)), 32) for t in range(200)]
    assert {row for row, _ in offsets} == {column for _, column in offsets} == set(range(8))
    assert len(set(offsets)) > 50
    assert information._offset(method.prior.schedule.level(7.0), 23) == (0, 0)
