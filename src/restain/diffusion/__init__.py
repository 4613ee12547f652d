"""Diffusion: schedules, denoisers, one sampler loop, guides and noise. It knows nothing of stains."""

from restain.diffusion.denoiser import ClassifierFree, Denoiser, GaussianDenoiser, Network, NetworkDenoiser
from restain.diffusion.grids import Times, every_step, karras, lu, trailing
from restain.diffusion.guides import Guide
from restain.diffusion.kernels import DDIM, Ancestral, DPMSolverMultistep, EulerMaruyama, Kernel, Moment, Transition
from restain.diffusion.noise import Noise, RandomNoise, SlideNoise
from restain.diffusion.predictions import Prediction, denoising_loss, eps_from, min_snr_weight, target, x0_from
from restain.diffusion.sample import Step, sample, steps
from restain.diffusion.schedules import (
    Level,
    RectifiedFlow,
    Schedule,
    VarianceExploding,
    VariancePreserving,
    half_cosine,
    linear,
    nichol_dhariwal,
    quarter_cosine,
    zero_terminal_snr,
)

__all__ = [
    "DDIM",
    "Ancestral",
    "ClassifierFree",
    "DPMSolverMultistep",
    "Denoiser",
    "EulerMaruyama",
    "GaussianDenoiser",
    "Guide",
    "Kernel",
    "Level",
    "Moment",
    "Network",
    "NetworkDenoiser",
    "Noise",
    "Prediction",
    "RandomNoise",
    "RectifiedFlow",
    "Schedule",
    "SlideNoise",
    "Step",
    "Times",
    "Transition",
    "VarianceExploding",
    "VariancePreserving",
    "denoising_loss",
    "eps_from",
    "every_step",
    "half_cosine",
    "karras",
    "linear",
    "lu",
    "min_snr_weight",
    "nichol_dhariwal",
    "quarter_cosine",
    "sample",
    "steps",
    "target",
    "trailing",
    "x0_from",
    "zero_terminal_snr",
]
