"""EGSDE: a prior of the target stain, pushed away from the source's stain and held to its coarse structure.

Source: Zhao et al., "EGSDE: Unpaired image-to-image translation via energy-guided stochastic differential equations"
(2022), algorithm 1 and equations 9 to 12.

Equations, with x_t = alpha_t x + sigma_t eps and one eps for all t::

    y_M = alpha_M x + sigma_M eps                          start from the source, in its own colours
    M_t(y) = l_s S_t(y, x_t) + l_i || phi(y) - phi(x_t) ||^2
    S_t = mean over places of cos(E(y, t), E(x_t, t))      features of a classifier of noisy images of both stains
    mu' = mu - beta_t / sqrt(1 - beta_t) grad M_t(y_t)     that is, score' = score - grad M_t

The factor is that of the official code; it follows from adding -grad M_t to the score, so the guide here acts through
the predicted clean image, with every sampler, and for ancestral steps that is the equation above to rounding
(``MeanGuide`` would shift by beta_t).

Defaults are the official ones: M = 500, l_s = 500, l_i = 2, phi bicubic with N = 32, ``sampler: ancestral_small,
steps: 500``. Officially the classifier has 54 M parameters, starts from one of ImageNet and sees 160 000 images.

Deviations: the classifier is small and starts from nothing; images are not translated several times over (K = 1, the
official choice); phi weighs only pixels inside the image at its edges; the predicted clean image is held in [-1, 1]
before guidance; l_s is meant at 256 x 256 pixels and grows with the area, since the mean over places would otherwise
weaken the pull on each pixel in larger tiles.

The weight l_s has the scale of its classifier. That of the phantom is so sure of the stain that its features hardly
turn: at l_s = 500 they shift a pixel by 0.001 of the noise of a step, phi by 0.05 to 0.09. Compare with l_s raised too.

Few steps: the pull to the coarse structure is stiff, it shrinks a difference by 2 l_i beta per step. `dpmpp_2m` follows
it in 20 to 25 steps with l_i = 2; stronger pulls need more steps.
"""

import math
from typing import ClassVar, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from restain.config import Config
from restain.diffusion import Level, Noise, Sampling, ScoreGuide, force_of, sample
from restain.methods.base import Batch, Method, Part
from restain.methods.checks import check_channels, check_start
from restain.methods.prior import Prior, PriorConfig
from restain.nn import LowPass, NoiseClassifier, NoiseClassifierConfig, low_pass

AREA = 256 * 256
"""Pixels of the images on which l_s is stated."""

WATCHED = (1, 50, 100, 200, 300, 400, 500, 700, 1000)
"""Times at which the accuracy of the classifier is reported."""

SOURCE, TARGET = 0, 1
"""Classes."""


@final
class EGSDEConfig(Config):
    """Options of EGSDE."""

    prior: PriorConfig = PriorConfig()
    """The diffusion model of the target stain, a part."""
    classifier: NoiseClassifierConfig = NoiseClassifierConfig()
    """The network that tells the stains apart, the one that is trained here."""
    start_step: int = 500
    """M, in steps of the prior's schedule: the source is noised up to here; 500 of 1000 is official."""
    realism: float = Field(default=500.0, ge=0)
    """l_s: weight of the features' similarity, which is pushed down; 500 is official, for 256 x 256 pixels."""
    faithfulness: float = Field(default=2.0, ge=0)
    """l_i: weight of the coarse difference from the source; 2 is official, and keeps its stain as well."""
    factor: int = Field(default=32, ge=1)
    """N: faithfulness is about structure coarser than N pixels; 32 is official."""
    low_pass: LowPass = "bicubic"
    """phi: `bicubic` is official, `box` is a projection."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_start(self.start_step, self.prior.schedule)
        return self


@final
class EGSDE(Method):
    """y_0 ~ q(target stain) exp(-M), from the noised source."""

    config_type: ClassVar[type[Config]] = EGSDEConfig
    summary: ClassVar[str] = "Unpaired: the noised source, denoised by a prior that two energies steer (EGSDE)."
    citation: ClassVar[str] = """@inproceedings{zhao2022egsde,
  title     = {{EGSDE}: Unpaired Image-to-Image Translation via Energy-Guided Stochastic Differential Equations},
  author    = {Zhao, Min and Bao, Fan and Li, Chongxuan and Zhu, Jun},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2022}
}"""
    samples: ClassVar[bool] = True
    paired: ClassVar[bool] = False
    config: EGSDEConfig
    parts: ClassVar[dict[str, Part]] = {"prior": Part("target")}

    def __init__(self, config: EGSDEConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        check_channels("EGSDE", source_channels, target_channels)
        self.prior = Prior(config.prior, source_channels=source_channels, target_channels=target_channels)
        self.classifier = NoiseClassifier(config.classifier, target_channels)
        self.multiple = math.lcm(self.prior.multiple, self.classifier.multiple, config.factor)

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the cross-entropy of the classifier on images of both stains at random noise levels."""
        images = torch.cat([batch.source, batch.target])
        t = torch.randint(1, self.prior.schedule.steps + 1, (len(images),), generator=generator, device=images.device)
        logits, classes = self._judged(images, t, generator)
        return {"domain": functional.cross_entropy(logits.float(), classes)}

    def diagnostics(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Return the accuracy of the classifier over t; where it is 1/2, its features say nothing of the stain."""
        images, curve = torch.cat([batch.source, batch.target]), {}
        for t in (t for t in WATCHED if t <= self.prior.schedule.steps):
            with torch.no_grad():
                logits, classes = self._judged(images, torch.full((len(images),), t, device=images.device), generator)
            curve[f"accuracy.t={t:04d}"] = float((logits.argmax(1) == classes).float().mean())
        return curve

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Noise the source and denoise it under guidance.

        Raises:
            DataError: N does not divide the sides.
        """
        source, schedule = source.float(), self.prior.schedule
        kernel, times = sampling.plan(schedule, float(self.config.start_step))
        start, eps = schedule.level(times[0]), noise(source, 0)
        y_m = start.alpha * source + start.sigma * eps  # y_M = alpha_M x + sigma_M eps

        def energy(y_t: Tensor, t: Level) -> Tensor:
            return self.energy(y_t, t.alpha * source + t.sigma * eps, t)  # x_t has the eps of y_M

        return sample(self.prior.denoiser, y_m, times, kernel, noise, hooks=[ScoreGuide(force_of(energy))])

    def energy(self, y_t: Tensor, x_t: Tensor, t: Level) -> Tensor:
        """Return M_t(y_t), (B,), differentiable in y_t."""
        config, pixels = self.config, y_t.shape[2] * y_t.shape[3]
        # M_t = l_s S_t + l_i || phi(y_t) - phi(x_t) ||^2
        coarse = low_pass(y_t - x_t, config.factor, config.low_pass).square().sum((1, 2, 3))
        return config.realism * pixels / AREA * self._similarity(y_t, x_t, t) + config.faithfulness * coarse

    def _similarity(self, y_t: Tensor, x_t: Tensor, t: Level) -> Tensor:
        """Return S_t, the cosine of the features' channels, mean over places, (B,)."""
        time = y_t.new_full((len(y_t),), t.t / self.prior.schedule.t_max, dtype=torch.float32)
        with torch.autocast(y_t.device.type, enabled=False):
            y, x = (self.classifier.features(image, time) for image in (y_t, x_t))
        return functional.cosine_similarity(y, x, dim=1).mean((1, 2))

    def _judged(self, images: Tensor, t: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the logits of sources and targets, noised to t, and the classes."""
        schedule = self.prior.schedule
        noisy = schedule.add_noise(images, torch.randn(images.shape, generator=generator, device=images.device), t)
        half = len(images) // 2
        classes = torch.tensor([SOURCE, TARGET], device=images.device).repeat_interleave(half)
        return self.classifier(noisy, t / schedule.steps), classes
