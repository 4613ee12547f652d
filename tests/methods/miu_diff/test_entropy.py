"""Entropies against closed forms."""

import math

import pytest
import torch

from restain.methods.miu_diff.entropy import BIN, DARKEST, RIDGE, gauss3, od_gauss, softhist


def test_f20_gauss3_is_the_entropy_of_the_normal_law_of_the_colours():
    mixing = torch.tensor([[0.3, 0.0, 0.0], [0.1, 0.2, 0.0], [-0.1, 0.05, 0.15]], dtype=torch.float64)
    z = torch.randn(3, 200_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    image = (mixing @ z).reshape(1, 3, 400, 500)
    covariance = mixing @ mixing.T + RIDGE * torch.eye(3, dtype=torch.float64)
    truth = 0.5 * float(torch.logdet(2 * math.pi * math.e * covariance))
    assert abs(float(gauss3(image)) - truth) <= 0.005


def test_f20_the_gradient_of_gauss3_is_the_whitened_deviation():
    y = torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad(gauss3(y).sum(), y)
    pixels = y.detach().flatten(2)
    n = pixels.shape[2]
    for image, found in zip(pixels, gradient.flatten(2), strict=True):
        centred = image - image.mean(1, keepdim=True)
        covariance = centred @ centred.T / n + RIDGE * torch.eye(3, dtype=torch.float64)
        torch.testing.assert_close(found, torch.linalg.solve(covariance, centred) / n, rtol=0, atol=1e-12)


def test_gauss3_pushes_a_grey_image_off_the_grey_axis():
    grey = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(2)).expand(-1, 3, -1, -1)
    tint = 0.01 * torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    tint -= tint.mean(1, keepdim=True)  # colour without luma
    y = (grey + tint).requires_grad_()
    (gradient,) = torch.autograd.grad(gauss3(y).sum(), y)
    assert float((gradient * tint).sum()) > 0
    chroma = gradient - gradient.mean(1, keepdim=True)
    assert float(chroma.norm()) > 10 * float(gradient.mean(1).norm())


@pytest.mark.parametrize(
    ("law", "truth", "tolerance"),
    [
        (lambda g: torch.rand(1, 3, 400, 500, generator=g, dtype=torch.float64) * 2 - 1, math.log(2), 0.02),
        (
            lambda g: 0.3 * torch.randn(1, 3, 400, 500, generator=g, dtype=torch.float64),
            0.5 * math.log(2 * math.pi * math.e * 0.3**2),
            0.005,
        ),
    ],
    ids=["uniform", "normal"],
)
def test_f20_softhist_is_the_differential_entropy_of_a_channel(law, truth, tolerance):
    assert abs(float(softhist(law(torch.Generator().manual_seed(4)))) - truth) <= tolerance


def test_softhist_has_the_gradient_that_differences_show():
    y = (
        0.3 * torch.randn(1, 2, 6, 5, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    ).requires_grad_()
    assert torch.autograd.gradcheck(softhist, (y,), eps=BIN * 1e-4, atol=1e-6)


def test_softhist_bears_noise_far_outside_the_range_of_images():
    y = torch.tensor([-20.0, -3.0, 0.0, 3.0, 20.0]).reshape(1, 1, 1, 5)
    assert bool(torch.isfinite(softhist(y)).all())


def test_od_gauss_is_gauss3_of_optical_densities():
    density = 0.2 + 0.1 * torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    image = 2 * 10**-density - 1
    torch.testing.assert_close(od_gauss(image), gauss3(density))
    black = torch.full((1, 3, 4, 4), -3.0)
    assert float(od_gauss(black)) == pytest.approx(float(gauss3(torch.full_like(black, -math.log10(DARKEST)))))
