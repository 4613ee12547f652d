"""Diffusion: schedules, denoisers, one sampler loop, guides and noise. It knows nothing of stains."""

from restain.diffusion.ancestral import Ancestral, EulerMaruyama
from restain.diffusion.bridge import BridgeDenoiser, BridgeObjective, BrownianBridge, bridge_target
from restain.diffusion.coarse_noise import CoarseNoise
from restain.diffusion.denoiser import ClassifierFree, Denoiser, GaussianDenoiser, Network, NetworkDenoiser
from restain.diffusion.edm import PreconditionedDenoiser, Preconditioning
from restain.diffusion.grids import Times, every_step, karras, lu, to_the_last, trailing
from restain.diffusion.guides import Energy, Force, Guide, MeanGuide, ScoreGuide, force_of, guide_for
from restain.diffusion.inversion import PathNoise, invert
from restain.diffusion.kernels import Kernel, Moment, Transition, forward_step
from restain.diffusion.later_noise import LaterNoise
from restain.diffusion.multistep import DPMSolverMultistep, UniPC
from restain.diffusion.noise import JoinedNoise, Noise, RandomNoise, SlideNoise
from restain.diffusion.ode import DDIM, Heun
from restain.diffusion.predictions import (
    Prediction,
    denoising_loss,
    eps_from,
    guidance_shift,
    min_snr_weight,
    target,
    x0_from,
)
from restain.diffusion.sample import Step, sample, steps
from restain.diffusion.sampling import FLOW_SAMPLERS, Sampler, Sampling, ScheduleConfig
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
    "FLOW_SAMPLERS",
    "Ancestral",
    "BridgeDenoiser",
    "BridgeObjective",
    "BrownianBridge",
    "ClassifierFree",
    "CoarseNoise",
    "DPMSolverMultistep",
    "Denoiser",
    "Energy",
    "EulerMaruyama",
    "Force",
    "GaussianDenoiser",
    "Guide",
    "Heun",
    "JoinedNoise",
    "Kernel",
    "LaterNoise",
    "Level",
    "MeanGuide",
    "Moment",
    "Network",
    "NetworkDenoiser",
    "Noise",
    "PathNoise",
    "PreconditionedDenoiser",
    "Preconditioning",
    "Prediction",
    "RandomNoise",
    "RectifiedFlow",
    "Sampler",
    "Sampling",
    "Schedule",
    "ScheduleConfig",
    "ScoreGuide",
    "SlideNoise",
    "Step",
    "Times",
    "Transition",
    "UniPC",
    "VarianceExploding",
    "VariancePreserving",
    "bridge_target",
    "denoising_loss",
    "eps_from",
    "every_step",
    "force_of",
    "forward_step",
    "guidance_shift",
    "guide_for",
    "half_cosine",
    "invert",
    "karras",
    "linear",
    "lu",
    "min_snr_weight",
    "nichol_dhariwal",
    "quarter_cosine",
    "sample",
    "steps",
    "target",
    "to_the_last",
    "trailing",
    "x0_from",
    "zero_terminal_snr",
]
