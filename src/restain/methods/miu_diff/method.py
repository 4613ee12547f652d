"""MIU-Diff: an unconditional score model of the target stain, steered by mutual information with the source.

Source: Liu et al., "Score-based diffusion model for unpaired virtual histology staining" (2025, arXiv 2506.23184).

Equations::

    y_S = alpha_S x'_0 + sigma_S eps                       start from the source without its colour
    dy = [-beta/2 y - beta (score(y, t) - grad M)] dt + sqrt(beta) dw         guided reverse process, see guidance.py
    max over G of mean G(g, y) - log mean exp G(g, ybar)   the critic, trained on the target stain alone
    local contrast from t'_0 on                            see refinement.py

Deviations, each for a reason given in docs/decisions.md: the drift of the paper lacks the state (its equation 1 would
translate all pixels and never forget the data); guidance has a scale; the critic knows the noise level; weights edited
for one image are restored after it. ``preset: paper_literal`` undoes what can be undone.
"""

import warnings
from typing import ClassVar, final

import torch
from torch import Tensor

from restain.config import Config
from restain.diffusion import Guide, Noise, Sampling, guide_for, sample
from restain.errors import ConfigError, GuidanceWarning
from restain.methods.base import Batch, Method, Part
from restain.methods.miu_diff.config import MIUDiffConfig
from restain.methods.miu_diff.constants import Constants
from restain.methods.miu_diff.grey import match_moments, match_quantiles, without_colour
from restain.methods.miu_diff.guidance import Guidance, Information
from restain.methods.miu_diff.refinement import ImageRefinement, LocalContrast, refined
from restain.methods.prior import Prior
from restain.nn import PROXY_CHANNELS, Mine, structure_map

WATCHED = (0, 20, 40, 60, 80, 100, 150, 200, 300, 400, 500)
"""Times of the curve of information, as far as the critic is trained."""

LEAST = 0.01
"""Information in nats below which a critic knows nothing."""


@final
class MIUDiff(Method):
    """y ~ q(target stain), with the structure of the source."""

    config_type: ClassVar[type[Config]] = MIUDiffConfig
    summary: ClassVar[str] = "Unpaired: a prior of the target stain, steered by mutual information with the source."
    citation: ClassVar[str] = """@misc{liu2025miudiff,
  title         = {Score-based Diffusion Model for Unpaired Virtual Histology Staining},
  author        = {Liu, Anran and Wang, Xiaofei and Cai, Jing and Li, Chao},
  year          = {2025},
  eprint        = {2506.23184},
  archiveprefix = {arXiv}
}"""
    samples: ClassVar[bool] = True
    paired: ClassVar[bool] = False
    config: MIUDiffConfig
    parts: ClassVar[dict[str, Part]] = {"prior": Part("target")}

    def __init__(self, config: MIUDiffConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        if source_channels != 3 or target_channels != 3:
            raise ConfigError(
                f"MIU-Diff compares colour images, not images of {source_channels} and {target_channels} channels",
                fix="use a source and a target of three channels",
            )
        self.prior = Prior(config.prior, source_channels=source_channels, target_channels=target_channels)
        self.critic = Mine(config.critic, PROXY_CHANNELS[config.proxy], target_channels)
        self.multiple = self.prior.multiple
        self.constants = Constants(config)

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the critic's loss on images of the target stain and their own structure; sources play no part."""
        config, y, schedule = self.config, batch.target, self.prior.schedule
        if config.critic_input == "clean_literal":
            return {"information": self.critic.loss(self._structure(y), y, y.new_zeros(len(y)), generator)}
        t = torch.randint(0, config.critic_range + 1, (len(y),), generator=generator, device=y.device)
        _, sigma_t = schedule(t)
        y_t = schedule.add_noise(y, torch.randn(y.shape, generator=generator, device=y.device), t)
        if config.critic_input == "noisy":
            # Noise of its own for the structure: the critic must not learn that two copies of one noise agree.
            x_t = schedule.add_noise(y, torch.randn(y.shape, generator=generator, device=y.device), t)
            structure = self._structure(x_t)
        else:
            structure = self._structure(y)
            with torch.no_grad():
                y_t = torch.where((t > 0)[:, None, None, None], self.prior.denoiser(y_t, t.clamp(min=1)), y)
        return {"information": self.critic.loss(structure, y_t, sigma_t.to(y), generator)}

    def calibrate(self, batch: Batch, generator: torch.Generator) -> None:
        """Measure the usual sizes of the gradients, the information found at low noise, and the luma of both stains."""
        if self.config.match_luma == "quantiles" and torch.equal(batch.source, batch.target):
            warnings.warn(
                "sources and targets are the same images, so their luma tells nothing of the source stain: "
                "train on images of both stains, or set match_luma to none",
                GuidanceWarning,
                stacklevel=2,
            )
        self.constants.measure(self.config, self._ask, self.prior.schedule, batch, _Drawn(generator))

    def diagnostics(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Return the curve I(g_y; y) over t, in nats, on images of the target stain."""
        y, curve = batch.target, {}
        for t in (t for t in WATCHED if t <= self.config.critic_range):
            level = self.prior.schedule.level(float(t))
            with torch.no_grad():
                y_t = level.alpha * y + level.sigma * torch.randn(y.shape, generator=generator, device=y.device)
                curve[f"I.t={t:04d}"] = float(self._ask(self.config, y, _Drawn(generator))(y_t, level).mean())
        return curve

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Stain each source; where weights are refined, one after the other.

        Raises:
            ConfigError: the critic was trained on other inputs than it would now be asked about.
            GuidanceError: an energy or a gradient that is not finite.
        """
        self._check(source)
        if self.config.refinement not in ("lora", "weights"):
            return self._stain(source, noise, sampling)
        return torch.cat([self._stain(source[[k]], noise.of(k), sampling) for k in range(len(source))])

    def _stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        config, schedule = self.config, self.prior.schedule
        source = source.float()
        start = schedule.level(float(config.start_step))
        grey = self._start(source)
        y_s = start.alpha * grey + start.sigma * noise(grey, 0)  # y_S ~ q(y_S | x'_0)
        kernel, times = sampling.plan(schedule, start.t)
        if config.refinement != "none" and not any(0 < t <= config.refinement_start for t in times):
            warnings.warn(
                f"no step of the sampler lies between t'_0 = {config.refinement_start} and 0, so nothing is refined: "
                "take more steps, or dpmpp_2m",
                GuidanceWarning,
                stacklevel=4,
            )
        ahead = kernel.from_mean and config.at == "mean"
        information = self._ask(config, grey if config.structure_of == "grey" else source, noise)
        guidance = Guidance(config, information, self.constants.sizes_for(config), ahead=ahead)
        hooks: list[Guide] = []
        if config.terms != "none" and config.guided_steps and not (config.normalize != "none" and config.kappa == 0):
            hooks.append(guide_for(kernel, guidance, config.at))
        if config.refinement == "latent":
            contrast = LocalContrast(config, self.prior.network, grey, noise)
            hooks.append(guide_for(kernel, ImageRefinement(config, self.prior, contrast, guidance.beta), config.at))
        generator = torch.Generator().manual_seed(0)  # of adapters, which start without effect
        with refined(config, self.prior, grey, noise, generator) as more:
            return sample(self.prior.denoiser, y_s, times, kernel, noise, hooks=[*hooks, *more])

    def _start(self, source: Tensor) -> Tensor:
        """Return x'_0, the source without its colour and, if asked, with the luma of the target stain."""
        grey = without_colour(source, self.config.colour_removal)
        match self.config.match_luma:
            case "none":
                return grey
            case "moments":
                return match_moments(grey, self.constants.luma)
            case "quantiles":
                return match_quantiles(grey, self.constants.grey_for(self.config), self.constants.luma_quantiles)

    def _ask(self, config: MIUDiffConfig, source: Tensor, noise: Noise) -> Information:
        return Information(config, self.critic, self.prior.denoiser, source, noise)

    def _structure(self, image: Tensor) -> Tensor:
        with torch.autocast(image.device.type, enabled=False):
            return structure_map(image.float(), self.config.proxy, blur=self.config.blur)

    def _check(self, source: Tensor) -> None:
        """Refuse or report what guidance cannot work with."""
        config = self.config
        guided = config.terms != "none" and config.guided_steps > 0
        if guided:
            self.constants.check(config)
        if guided and not self.constants.information > LEAST:
            _warn(
                f"the critic finds no information ({self.constants.information:.2g} nats) in images about their own "
                "structure: train it longer, as its guidance means nothing yet"
            )
        flat = source.flatten(2).std(2).amax(1) < 1 / 255
        if bool(flat.any()):
            _warn("a source is of a single colour and has no structure to keep")
        colour = (source.amax(1) - source.amin(1)).flatten(1).amax(1) < 4 / 255
        if config.colour_removal != "none" and bool((colour & ~flat).any()):
            _warn("a source is grey: is the stain in it?")


def _warn(text: str) -> None:
    warnings.warn(text, GuidanceWarning, stacklevel=4)


@final
class _Drawn(Noise):
    """Noise from a generator, for measurements on a batch as it comes."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def __call__(self, like: Tensor, draw: int) -> Tensor:
        """Return fresh noise, whatever the draw."""
        return torch.randn(like.shape, generator=self.generator, device=like.device).to(like)

    def of(self, image: int) -> Noise:
        """Return itself: it knows nothing of places."""
        return self
