"""The local contrastive refinement of MIU-Diff: late in sampling, every place must look like itself in the source.

Sources: Liu et al. (2025), section 2.3; Park et al., "Contrastive learning for unpaired image-to-image translation"
(2020) for the loss; Yang, Hwang and Ye, "Zero-shot contrastive loss for text-guided diffusion image style transfer"
(2023) for features of the diffusion network itself and for steering the image instead of the weights.

Equations, with F_i the features of level i of the frozen network at t = 0, places p and the colourless source x'_0::

    loss = mean over i and p of PatchNCE(F_i(y_0(y_t))_p ; F_i(x'_0)_p against F_i(x'_0)_q, q != p)

The gradient runs through the predicted clean image into what is edited: were the features themselves to move, the loss
could fall without any change of the image.
"""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn

from restain.diffusion import Guide, Level, Noise, force_of
from restain.errors import GuidanceError
from restain.methods.miu_diff.config import MIUDiffConfig
from restain.methods.miu_diff.guidance import LARGEST, root_mean_square
from restain.methods.prior import Prior
from restain.nn import UNet, feature_distance, gather_places, low_rank, patch_nce, restored

PLACE_DRAWS = 20_000_000
"""First number of the draws that choose places, far above all others."""


@final
class LocalContrast:
    """The loss, for one or more images.

    Args:
        config: kind of loss, places, temperature.
        network: whose features are compared; must not change meanwhile.
        grey: the colourless source x'_0, (B, C, H, W) in [-1, 1].
        noise: chooses the places.
    """

    def __init__(self, config: MIUDiffConfig, network: UNet, grey: Tensor, noise: Noise) -> None:
        self.config, self.network, self.noise = config, network, noise
        with torch.no_grad():
            self.keys = self._features(grey)

    def __call__(self, y_0: Tensor, t: Level) -> Tensor:
        """Return the loss of each clean image, (B,); the places change from level to level of noise."""
        config = self.config
        terms = []
        for level, (query, key) in enumerate(zip(self._features(y_0), self.keys, strict=True)):
            places = self._places(query, PLACE_DRAWS + 100 * round(1000 * t.t) + level)
            at, of = gather_places(query, places), gather_places(key, places)
            nce = config.refinement_loss == "nce"
            terms.append(patch_nce(at, of, config.temperature) if nce else feature_distance(at, of))
        return torch.stack(terms).mean(0)

    def _features(self, image: Tensor) -> list[Tensor]:
        return self.network.features(image, image.new_zeros(len(image)))

    def _places(self, features: Tensor, draw: int) -> Tensor:
        """Return the flat indices of random places, (B, N), all of them where there are fewer."""
        order = self.noise(features[:, :1], draw).float().flatten(1)
        return order.topk(min(self.config.places, order.shape[1]), dim=1).indices


@final
class WeightRefinement(Guide):
    """One step of Adam on the weights before every step of the sampler from t'_0 on.

    Args:
        config: from when, how fast.
        prior: whose denoiser is being refined.
        parameters: what may change.
        contrast: the loss.
    """

    def __init__(
        self, config: MIUDiffConfig, prior: Prior, parameters: list[nn.Parameter], contrast: LocalContrast
    ) -> None:
        self.config, self.prior, self.parameters, self.contrast = config, prior, parameters, contrast
        self.optimiser = torch.optim.Adam(parameters, lr=config.refinement_rate)
        self.losses: list[float] = []

    def on_step_end(self, x_s: Tensor, s: Level) -> None:
        """Lower the loss of what the network now makes of x_s."""
        if not 0 < s.t <= self.config.refinement_start:
            return
        with torch.enable_grad():
            y_0 = self.prior.denoiser(x_s.detach(), torch.tensor(s.t, dtype=torch.float64))
            loss = self.contrast(y_0, s).sum()
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.parameters, 1.0)
        if not bool(torch.isfinite(norm)):
            raise GuidanceError(
                f"the gradient of the refinement is not finite at t = {s.t:g}",
                fix="run with precision fp32, or with refinement latent or none",
            )
        self.optimiser.step()
        torch.clear_autocast_cache()  # autocast would go on with its copies of the weights as they were
        self.losses.append(loss.item())


@final
class ImageRefinement:
    """The loss as a ``Force`` on the image, of unit size times a strength; nothing is learnt.

    Args:
        config: from when, how strong.
        prior: predicts the clean image, and the gradient runs through it.
        contrast: the loss.
        beta: level -> variance of a step of the schedule there.
    """

    def __init__(
        self, config: MIUDiffConfig, prior: Prior, contrast: LocalContrast, beta: Callable[[Level], float]
    ) -> None:
        self.config, self.prior, self.contrast, self.beta = config, prior, contrast, beta

    def __call__(self, y_t: Tensor, t: Level) -> Tensor:
        """Return the force (B, C, H, W)."""
        if not 0 < t.t <= self.config.refinement_start:
            return torch.zeros_like(y_t)
        pull = force_of(self._loss)(y_t, t)
        unit = pull / root_mean_square(pull)[:, None, None, None].clamp(min=1e-20)
        return (self.config.refinement_kappa * unit).clamp(-LARGEST, LARGEST) / math.sqrt(self.beta(t))

    def _loss(self, y_t: Tensor, t: Level) -> Tensor:
        return self.contrast(self.prior.denoiser(y_t, torch.tensor(t.t, dtype=torch.float64)), t)


@contextmanager
def refined(
    config: MIUDiffConfig, prior: Prior, grey: Tensor, noise: Noise, generator: torch.Generator
) -> Iterator[list[Guide]]:
    """Lend the prior editable weights while one image is sampled, and give its own back to the last bit.

    Args:
        config: the mode, of which only ``lora`` and ``weights`` edit weights, and the loss.
        prior: whose network is edited.
        grey: the colourless source of that image, (1, C, H, W).
        noise: chooses the places.
        generator: of the adapters' first weights.
    """
    network = prior.network
    match config.refinement:
        case "weights":
            contrast = LocalContrast(config, copy.deepcopy(network), grey, noise)  # features before any change
            with restored(network) as parameters:
                yield [WeightRefinement(config, prior, parameters, contrast)]
        case "lora":
            # Adapters sit in the decoder, so the encoder's features stay as they are.
            contrast = LocalContrast(config, network, grey, noise)
            with low_rank(network, config.rank, generator, _in_decoder) as parameters:
                yield [WeightRefinement(config, prior, parameters, contrast)]
        case "latent" | "none":
            yield []


def _in_decoder(name: str) -> bool:
    return name.split(".")[0] in ("up", "up_attention", "grow", "exit")
