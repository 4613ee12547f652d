from typing import get_args

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr

from restain.diffusion import (
    NetworkDenoiser,
    Prediction,
    RectifiedFlow,
    VarianceExploding,
    denoising_loss,
    eps_from,
    guidance_shift,
    linear,
    min_snr_weight,
    target,
    x0_from,
    zero_terminal_snr,
)
from restain.errors import ConfigError

PREDICTIONS = get_args(Prediction)
SCHEDULES = {"linear": linear(), "flow": RectifiedFlow(), "exploding": VarianceExploding(0.002, 3.0)}


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 5, 3, 4, 4, generator=generator, dtype=torch.float64)


def coefficients(schedule, last=0.99):
    """One level per image, from a little noise to nearly nothing else."""
    return schedule(torch.tensor([0.05, 0.2, 0.5, 0.8, last], dtype=torch.float64) * schedule.t_max)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_f5_conversions_go_round(prediction, schedule, images):
    x0, eps = images
    alpha_t, sigma_t = coefficients(schedule, 0.8)
    x_t = alpha_t.reshape(5, 1, 1, 1) * x0 + sigma_t.reshape(5, 1, 1, 1) * eps
    p = target(prediction, x0, eps, alpha_t, sigma_t)
    assert (x0_from(prediction, p, x_t, alpha_t, sigma_t) - x0).abs().max() <= 1e-12
    assert (eps_from(prediction, p, x_t, alpha_t, sigma_t) - eps).abs().max() <= 1e-12


def test_f5_definitions(images):
    x0, eps = images
    alpha_t, sigma_t = (c.reshape(5, 1, 1, 1) for c in coefficients(linear()))
    x_t, flat = alpha_t * x0 + sigma_t * eps, (alpha_t.flatten(), sigma_t.flatten())
    v = alpha_t * eps - sigma_t * x0
    assert torch.equal(target("eps", x0, eps, *flat), eps)
    assert torch.equal(target("x0", x0, eps, *flat), x0)
    torch.testing.assert_close(target("v", x0, eps, *flat), v, rtol=0, atol=1e-12)
    torch.testing.assert_close(target("flow", x0, eps, *flat), eps - x0, rtol=0, atol=1e-12)
    torch.testing.assert_close(x0_from("eps", eps, x_t, *flat), (x_t - sigma_t * eps) / alpha_t, rtol=0, atol=1e-12)
    torch.testing.assert_close(x0_from("v", v, x_t, *flat), alpha_t * x_t - sigma_t * v, rtol=0, atol=1e-12)
    torch.testing.assert_close(eps_from("v", v, x_t, *flat), alpha_t * v + sigma_t * x_t, rtol=0, atol=1e-12)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_f5_every_guided_prediction_means_the_same_image(prediction, schedule, images):
    x0, eps = images
    g = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    flat = coefficients(schedule, 0.8)
    alpha_t, sigma_t = (c.reshape(5, 1, 1, 1) for c in flat)
    x_t = alpha_t * x0 + sigma_t * eps
    guided = target(prediction, x0, eps, *flat) + guidance_shift(prediction, g, *flat)
    # The score -eps / sigma_t of p_t exp(-M) is the old one minus g.
    guided_eps = eps_from(prediction, guided, x_t, *flat)
    assert (-guided_eps / sigma_t - (-eps / sigma_t - g)).abs().max() <= 1e-12 / sigma_t.min() ** 2
    assert (x0_from(prediction, guided, x_t, *flat) - (x0 - sigma_t**2 / alpha_t * g)).abs().max() <= 1e-12


def test_f5_guidance_identities_as_published(images):
    g = images[0]
    alpha_t, sigma_t = coefficients(linear())
    column = (sigma_t / alpha_t).reshape(5, 1, 1, 1)
    assert (guidance_shift("v", g, alpha_t, sigma_t) - column * g).abs().max() <= 1e-12 * column.max()
    t = torch.tensor([0.1, 0.5, 0.9, 0.95, 0.999], dtype=torch.float64)
    flow = (t / (1 - t)).reshape(5, 1, 1, 1)
    assert (guidance_shift("flow", g, *RectifiedFlow()(t)) / flow - g).abs().max() <= 1e-12
    sigma = torch.tensor([0.1, 1, 2, 10, 80], dtype=torch.float64)
    edm = (-(sigma**2)).reshape(5, 1, 1, 1)
    assert (guidance_shift("x0", g, *VarianceExploding()(sigma)) / edm - g).abs().max() <= 1e-12


def test_min_snr_weights_are_those_of_the_paper():
    schedule = linear()
    t = torch.arange(1, 1001)
    alpha_t, sigma_t = schedule(t)
    snr = compute_snr(DDPMScheduler(), t - 1).double()
    wanted = {"eps": snr.clamp(max=5) / snr, "x0": snr.clamp(max=5), "v": snr.clamp(max=5) / (snr + 1)}
    for prediction, weight in wanted.items():
        torch.testing.assert_close(min_snr_weight(prediction, alpha_t, sigma_t), weight, rtol=2e-3, atol=1e-9)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_min_snr_weighs_the_error_in_x0_whatever_is_predicted(prediction, images):
    x0, eps = images
    alpha_t, sigma_t = coefficients(linear())
    x_t = linear().add_noise(x0, eps, torch.tensor([50, 200, 500, 800, 990]))
    p = target(prediction, x0, eps, alpha_t, sigma_t)
    loss = denoising_loss(p + 0.1, p, min_snr_weight(prediction, alpha_t, sigma_t))
    error = x0_from(prediction, p + 0.1, x_t, alpha_t, sigma_t) - x0_from(prediction, p, x_t, alpha_t, sigma_t)
    wanted = ((alpha_t / sigma_t) ** 2).clamp(max=5) * error.square().flatten(1).mean(1)
    torch.testing.assert_close(loss.double(), wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_weights_are_finite_at_zero_terminal_snr(prediction):
    weight = min_snr_weight(prediction, *zero_terminal_snr(linear())(torch.tensor([1, 999, 1000])))
    assert weight.isfinite().all()
    assert (weight >= 0).all()


def test_the_loss_is_a_weighted_mean_square_per_image():
    p, wanted = torch.randn(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    loss = denoising_loss(p.bfloat16(), wanted, torch.tensor([1.0, 0.5], dtype=torch.float64))
    assert loss.dtype == torch.float32
    exact = p.bfloat16().float().square().mean((1, 2, 3)) * torch.tensor([1, 0.5])
    torch.testing.assert_close(loss, exact)


def test_eps_is_refused_where_there_is_only_noise():
    with pytest.raises(ConfigError, match="predict v"):
        NetworkDenoiser(lambda x, t, source: x, zero_terminal_snr(linear()), "eps")
    with pytest.raises(ConfigError, match="predict v"):
        NetworkDenoiser(lambda x, t, source: x, RectifiedFlow(), "eps")
