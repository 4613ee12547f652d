r"""What a network may predict, the conversions between all of it, and how the errors are weighed in training.

Every prediction is a combination p = a x0 + b eps of the clean image and the noise, and so is the noisy image,
x_t = alpha_t x0 + sigma_t eps. Two equations, two unknowns; everything here follows from them.

====  ===========  =========  ==========================================
      a            b
====  ===========  =========  ==========================================
eps   0            1          Ho et al. (2020)
x0    1            0
v     -sigma_t     alpha_t    Salimans and Ho (2022)
flow  -1           1          Liu et al. (2022), Lipman et al. (2022)
====  ===========  =========  ==========================================
"""

from typing import Literal

import torch
from torch import Tensor

from restain.diffusion.broadcast import expand

Prediction = Literal["eps", "x0", "v", "flow"]
"""What a network predicts."""


def mixture(prediction: Prediction, alpha_t: Tensor, sigma_t: Tensor) -> tuple[Tensor, Tensor]:
    """Return a and b of p = a x0 + b eps, float64, of the shape of alpha_t."""
    zero, one = torch.zeros_like(alpha_t), torch.ones_like(alpha_t)
    match prediction:
        case "eps":
            return zero, one
        case "x0":
            return one, zero
        case "v":
            return -sigma_t, alpha_t
        case "flow":
            return -one, one


def target(prediction: Prediction, x0: Tensor, eps: Tensor, alpha_t: Tensor, sigma_t: Tensor) -> Tensor:
    """Return what the network should have said, p = a x0 + b eps.

    Args:
        prediction: what the network predicts.
        x0: clean images, (B, C, H, W).
        eps: the noise that was added, (B, C, H, W).
        alpha_t: signal, float64, () or (B,).
        sigma_t: noise, float64, () or (B,).
    """
    a, b = mixture(prediction, alpha_t, sigma_t)
    return expand(a, x0) * x0 + expand(b, x0) * eps


def x0_from(prediction: Prediction, p: Tensor, x_t: Tensor, alpha_t: Tensor, sigma_t: Tensor) -> Tensor:
    """Return the clean image that a prediction stands for, x0 = (b x_t - sigma_t p) / (alpha_t b - sigma_t a).

    Needs sigma_t > 0; with "eps" also alpha_t > 0.
    """
    a, b = mixture(prediction, alpha_t, sigma_t)
    det = alpha_t * b - sigma_t * a
    return expand(b / det, x_t) * x_t - expand(sigma_t / det, x_t) * p


def eps_from(prediction: Prediction, p: Tensor, x_t: Tensor, alpha_t: Tensor, sigma_t: Tensor) -> Tensor:
    """Return the noise that a prediction stands for, eps = (alpha_t p - a x_t) / (alpha_t b - sigma_t a).

    Needs sigma_t > 0; with "eps" also alpha_t > 0.
    """
    a, b = mixture(prediction, alpha_t, sigma_t)
    det = alpha_t * b - sigma_t * a
    return expand(alpha_t / det, x_t) * p - expand(a / det, x_t) * x_t


def guidance_shift(prediction: Prediction, gradient: Tensor, alpha_t: Tensor, sigma_t: Tensor) -> Tensor:
    """Return what an energy adds to a prediction: the density p_t(x_t) becomes p_t(x_t) exp(-M(x_t)), g = grad M.

    eps' = eps + sigma_t g and x0' = x0 - (sigma_t^2 / alpha_t) g, hence p' = p + (b sigma_t - a sigma_t^2 / alpha_t) g;
    v' = v + (sigma_t / alpha_t) g where variance is preserved, flow' = flow + t / (1 - t) g on straight lines.

    Needs alpha_t > 0: where there is no signal there is nothing to steer.
    """
    a, b = mixture(prediction, alpha_t, sigma_t)
    return expand(b * sigma_t - a * sigma_t**2 / alpha_t, gradient) * gradient


def min_snr_weight(prediction: Prediction, alpha_t: Tensor, sigma_t: Tensor, gamma: float = 5.0) -> Tensor:
    """Return the loss weight of Hang et al. (2023): min(SNR, gamma) on the error in x0, whatever is predicted.

    An error dp is an error dx0 = sigma_t / (alpha_t b - sigma_t a) dp (``x0_from``), hence the factors below. Finite at
    zero terminal SNR.

    Args:
        prediction: what the network predicts.
        alpha_t: float64, () or (B,).
        sigma_t: float64, () or (B,); positive.
        gamma: where the weight of nearly clean images stops to grow; 5 in the paper.
    """
    snr = (alpha_t / sigma_t) ** 2
    match prediction:
        case "eps":
            return (gamma / snr).clamp(max=1)  # min(SNR, gamma) / SNR, also at SNR = 0
        case "x0":
            return snr.clamp(max=gamma)
        case "v":
            return snr.clamp(max=gamma) / (snr + 1)
        case "flow":
            return snr.clamp(max=gamma) * (sigma_t / (alpha_t + sigma_t)) ** 2


def denoising_loss(p: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean square error per image, in float32.

    Args:
        p: the network's prediction, (B, C, H, W).
        wanted: the target, (B, C, H, W).
        weight: (B,) or ().

    Returns:
        (B,) float32; its mean is the loss.
    """
    error = (p.float() - wanted.float()).square().flatten(1).mean(1)
    return weight.to(error.device, error.dtype) * error
