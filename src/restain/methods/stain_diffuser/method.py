"""StainDiffuser: diffusion of the stain beside diffusion of a mask, joined by an encoder of the source.

Source: Kataria, Knudsen, Elhabian, "StainDiffuser: Multi-task diffusion model for virtual staining" (2024).

Equations::

    F_1 .. F_n = E(x)                                     features of the source x, without time, once per image
    L = L_gen + lambda L_seg                              eq. 3; both are errors of a prediction at random levels,
    L_gen = || phi(y_t, t, F) - p_y ||^2                  y_t of the stain y,
    L_seg = || theta(m_t', t', F) - p_m ||^2              m_t' of the mask m, with a t' of its own
    L = sum_i lambda_i L_i                                several stains: network phi_i, images that show stain i
    L = L_gen(y given x) + L_gen(x given y)               both ways: one encoder and one network
    y ~ sampler of ``restain.diffusion`` with phi alone

F acts on the networks by ``restain.nn.modulation``. The posterior mean has sqrt(alpha_t) where the paper prints
sqrt(alpha-bar_t), with which sampling fails.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from restain.config import Config
from restain.diffusion import JoinedNoise, LaterNoise, Network, NetworkDenoiser, Noise, Sampling, sample
from restain.errors import ConfigError
from restain.methods.base import Batch, Method
from restain.methods.denoising import denoising_error, random_times
from restain.methods.stain_diffuser.config import StainDiffuserConfig
from restain.nn import Encoder, Modulation, ModulationConfig, UNet, UNetConfig, build_modulation


@final
class StainDiffuser(Method):
    """y ~ p(stain | source), learnt beside p(mask | source)."""

    config_type: ClassVar[type[Config]] = StainDiffuserConfig
    summary: ClassVar[str] = "Multi-task conditional diffusion: one stain or several, or both ways (StainDiffuser)."
    citation: ClassVar[str] = """@article{kataria2024staindiffuser,
  title   = {StainDiffuser: MultiTask Diffusion Model for Virtual Staining},
  author  = {Kataria, Tushar and Knudsen, Beatrice and Elhabian, Shireen Y.},
  journal = {arXiv preprint arXiv:2403.11340},
  year    = {2024}
}"""
    samples: ClassVar[bool] = True
    paired: ClassVar[bool] = True
    config: StainDiffuserConfig

    def __init__(self, config: StainDiffuserConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        self.made = range(config.stains) if config.make is None else config.make
        self.stains = len(self.made)
        self.channels = target_channels // self.stains
        _check_channels(config, source_channels, target_channels, self.stains)
        self.schedule = config.schedule.build()
        concat = config.modulation.form == "concat"
        self.encoder = None if concat else Encoder(config.encoder or config.unet, source_channels)
        labels = config.stains if config.shared else 2 if config.both_ways == "told" else 0
        beside = source_channels if concat else 0

        def network(unet: UNetConfig, channels: int, labels: int) -> UNet:
            modulations = _modulations(config.modulation, unet, config.encoder or config.unet)
            return UNet(unet, channels + beside, channels, time=True, labels=labels, modulations=modulations)

        count = 1 if config.shared else config.stains
        self.networks = nn.ModuleList(network(config.unet, self.channels, labels) for _ in range(count))
        self.auxiliary: UNet | None = None
        if config.auxiliary is not None:
            self.auxiliary = network(config.auxiliary.unet or _halved(config.unet), 1, 0)
            self.scaffold = () if config.auxiliary.keep else ("auxiliary",)
        self.multiple = _multiple(config.unet, config.modulation)

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the weighted error of every task for which the batch has images.

        Raises:
            ConfigError: the auxiliary task has no masks, or the batch does not tell which stain it shows.
        """
        config = self.config
        if config.stains > 1:
            return self._losses_of_stains(batch, generator)
        features = self._features(batch.source)
        t = random_times(batch.target, self.schedule, generator)
        forward = self._network(0, batch.source, features, backward=False)
        terms = {"generation": self._error(forward, batch.target, generator, t)}
        if config.both_ways is not None:
            back = self._network(0, batch.target, self._features(batch.target), backward=True)
            terms["backward"] = self._error(back, batch.source, generator)
        if config.auxiliary is not None:
            if batch.auxiliary is None:
                raise ConfigError(
                    "the auxiliary task needs masks, and the configuration names none",
                    fix="describe them under masks, or set method.config.auxiliary to null",
                )
            shared = t if config.auxiliary.shared_time else None
            error = self._error(self._auxiliary(features), batch.auxiliary, generator, shared)
            terms["auxiliary"] = config.auxiliary.weight * error  # lambda L_seg
        return terms

    def options_to_make(self, stain: int) -> Mapping[str, Any]:
        """Return the options under which it makes one of its stains alone."""
        return {"make": [self.made[stain]]}

    def options_to_turn(self) -> Mapping[str, Any] | None:
        """Return the options of the other direction, where it has learnt both."""
        return None if self.config.both_ways is None else {"backward": not self.config.backward}

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Draw each stain once per source, all from the same noise: a stain made alone is that made with others."""
        return self.draws(source, [noise], sampling)[0]

    def draws(self, source: Tensor, noises: Sequence[Noise], sampling: Sampling) -> Tensor:
        """Draw each stain several times per source; the features of the source are computed once."""
        features, sources = self._features(source), torch.cat([source] * len(noises))
        joined = JoinedNoise(noises, len(source))
        networks = (
            self._network(k, sources, features, backward=self.config.backward, copies=len(noises)) for k in self.made
        )
        drawn = torch.cat(
            [self._draw(network, self.channels, sources, joined, sampling) for network in networks], dim=1
        )
        return drawn.reshape(len(noises), len(source), *drawn.shape[1:])

    def segment(self, source: Tensor, noise: Noise, sampling: Sampling, *, samples: int = 5) -> Tensor:
        """Draw the auxiliary image, for example a mask, and return the mean of some samples.

        Args:
            source: (B, source channels, H, W) in [-1, 1].
            noise: where random numbers come from; the samples use draws far apart.
            sampling: which sampler and how many steps.
            samples: how many.

        Returns:
            (B, 1, H, W), nominally in [-1, 1]; a mask is where it is positive.

        Raises:
            ConfigError: a model without its auxiliary task.
        """
        if self.auxiliary is None:
            raise ConfigError(
                "this model was saved without its auxiliary task",
                fix="train it with method.config.auxiliary.keep set to true",
            )
        network = self._auxiliary(self._features(source))
        later = (LaterNoise(noise, k * (sampling.steps + 2)) for k in range(samples))
        return torch.stack([self._draw(network, 1, source, each, sampling) for each in later]).mean(0)

    def _losses_of_stains(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return lambda_i L_i of every stain that the batch shows; other networks take no part, so no gradient."""
        if batch.stain is None:
            raise ConfigError(
                "the images do not tell which of the stains they show",
                fix="use data of kind uniplex, one set per stain",
            )
        weights = self.config.weights or (1.0,) * self.config.stains
        terms = {}
        for k in sorted(set(batch.stain.tolist())):
            of_stain = batch.stain == k
            source, target = batch.source[of_stain], batch.target[of_stain]
            error = self._error(self._network(k, source, self._features(source), backward=False), target, generator)
            terms[f"generation_{k}"] = weights[k] * error
        return terms

    def _features(self, source: Tensor) -> list[Tensor]:
        """Return F_1 .. F_n; none where the source is laid beside the noisy image."""
        return [] if self.encoder is None else self.encoder.features(source)

    def _network(
        self, stain: int, source: Tensor, features: list[Tensor], *, backward: bool, copies: int = 1
    ) -> Network:
        """Return the network of a stain, with the source and what does not depend on time bound to it.

        The features may be those of a batch of which the source holds several copies.
        """
        label = stain if self.config.shared else int(backward) if self.config.both_ways == "told" else None
        unet = self.networks[0 if self.config.shared else stain]
        assert isinstance(unet, UNet)
        return _bound(unet, source, features, label, copies)

    def _auxiliary(self, features: list[Tensor]) -> Network:
        assert self.auxiliary is not None
        return _bound(self.auxiliary, None, features, None)

    def _error(self, network: Network, target: Tensor, generator: torch.Generator, t: Tensor | None = None) -> Tensor:
        config = self.config
        return denoising_error(network, target, None, self.schedule, config.prediction, config.min_snr, generator, t)

    def _draw(self, network: Network, channels: int, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        kernel, times = sampling.plan(self.schedule)
        denoiser = NetworkDenoiser(network, self.schedule, self.config.prediction, clip=True)
        like = source.new_empty(len(source), channels, *source.shape[2:], dtype=torch.float32)
        return sample(denoiser, noise(like, 0), times, kernel, noise)


def _bound(unet: UNet, source: Tensor | None, features: list[Tensor], label: int | None, copies: int = 1) -> Network:
    """Return (x_t, time) -> prediction; keys and values of the source are computed here, once for all of it."""
    context = [tuple(torch.cat([part] * copies) for part in parts) for parts in unet.contexts(features)]

    def predict(x_t: Tensor, time: Tensor, _: Tensor | None) -> Tensor:
        x = x_t if context or source is None else torch.cat([x_t, source.to(x_t.dtype)], dim=1)
        told = None if label is None else torch.full((len(x_t),), label, device=x_t.device)
        prediction: Tensor = unet(x, time, label=told, context=context)
        return prediction

    return predict


def _modulations(config: ModulationConfig, unet: UNetConfig, encoder: UNetConfig) -> list[Modulation]:
    if config.form == "concat":
        return []
    widths = enumerate(zip(unet.widths, encoder.widths, strict=True))
    return [build_modulation(config, level, own, of_source) for level, (own, of_source) in widths]


def _halved(unet: UNetConfig) -> UNetConfig:
    return unet.model_copy(update={"width": unet.width // 2})


def _multiple(unet: UNetConfig, modulation: ModulationConfig) -> int:
    """Return what sides must be multiples of, so that every level can be halved and cut into windows."""
    sides = [unet.fold << level for level in range(len(unet.multipliers))]
    if modulation.form in ("xattn", "he_qk"):
        windowed = [side for level, side in enumerate(sides) if level not in modulation.global_levels]
        return math.lcm(sides[-1], *(side * modulation.window for side in windowed))
    return sides[-1]


def _check_channels(config: StainDiffuserConfig, source_channels: int, target_channels: int, stains: int) -> None:
    if target_channels % stains:
        raise ConfigError(
            f"{target_channels} target channels do not belong to {stains} stains alike",
            fix="give all stains equally many channels, and name as many targets as method.config.stains",
        )
    if config.both_ways is not None and source_channels != target_channels:
        raise ConfigError(
            f"one network cannot go both ways between {source_channels} and {target_channels} channels",
            fix="use stains with equally many channels, or set method.config.both_ways to null",
        )
