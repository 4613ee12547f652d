"""Conditional diffusion: the source is concatenated to the noisy target.

Sources: Saharia et al., "Palette: Image-to-image diffusion models" (2022); Sridhar et al., "Diffusion models for
generative histopathology" (2023), whose models Diffusion-B and Diffusion-L are configurations of this file.

Equations::

    x_t = alpha_t x_0 + sigma_t eps                                  (forward, Sridhar Eq. 2)
    loss = w(t) || network([x_t, source], t) - goal(x_0, eps, t) ||^2     goal is eps, x_0 or v
    x_0 | source ~ the sampler of ``restain.diffusion``               (reverse, Sridhar Eq. 3)

Deviations from Sridhar et al.: v-prediction and min-SNR weights may be chosen (their eps-MSE is
``prediction: eps, min_snr: null``); any solver may replace the thousand ancestral steps.
"""

from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from restain.config import Config
from restain.diffusion import (
    Noise,
    Prediction,
    Sampling,
    ScheduleConfig,
    denoising_loss,
    denoising_target,
    diffuse,
    make_denoiser,
    min_snr_weight,
    sample,
)
from restain.methods.base import Batch, Method
from restain.nn import UNet, UNetConfig
