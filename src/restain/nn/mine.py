"""MINE on patches: the mutual information between the structure of one image and another image of the same tissue.

Source: Belghazi et al., "Mutual information neural estimation" (2018), as used by Liu et al., "Score-based diffusion
model for unpaired virtual histology staining" (2025), eq. 5.

Equations, with patches g^l of the structure and y^l of the image, l = 1 .. L, and shuffled patches ybar^l::

    I = mean_l G(g^l, y^l, sigma) - log mean_l exp G(g^l, ybar^l, sigma)
    ybar^l = y^((l + offset) mod L), offset != 0

Deviations from Liu et al., who give neither network nor shuffle: the critic knows the noise level sigma, because one
trained on clean images alone reports negative information of noisy ones; shuffling stays within an image, since a
critic that sees pairs from two images scores the stain and the patient; a cyclic shift leaves no true pair behind.
"""

from collections.abc import Sequence
from typing import Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from restain.config import Config
from restain.errors import DataError
from restain.nn.mutual_information import Bound, MarginalAverage, donsker_varadhan, infonce, jensen_shannon, smile


@final
class MineConfig(Config):
    """Size of the critic and the bound it is trained for."""

    bound: Bound = "dv_ema"
    """Donsker-Varadhan with the corrected gradient is the papers'; `infonce` is calmer but at most log(rolls + 1)."""
    patch: int = Field(default=32, gt=0)
    """Side of a patch in pixels: 16 um at 0.5 um/px, about a nucleus with its surroundings."""
    widths: tuple[int, ...] = Field(default=(32, 64, 128, 128), min_length=1)
    """Channels of the convolutions, each of which halves the patch; four leave 2 x 2 of a patch of 32."""
    hidden: int = Field(default=128, gt=0)
    """Width of the layer between the convolutions and the score."""
    rolls: int = Field(default=3, gt=0)
    """Shuffles per image; three take most of the variance of the log term, more cost time in proportion."""
    rate: float = Field(default=0.01, gt=0, le=1)
    """Weight of a batch in the moving average of `dv_ema`; 0.01 is that of MINE."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.patch % 2 ** len(self.widths):
            raise ValueError(
                f"{len(self.widths)} widths halve a patch to 1/{2 ** len(self.widths)}, not one of {self.patch}"
            )
        return self


@final
class Mine(nn.Module):
    """A critic of pairs of patches, and the mutual information it finds.

    Args:
        config: size and bound.
        structure_channels: C_g of the structural maps.
        image_channels: C of the images.
    """

    def __init__(self, config: MineConfig, structure_channels: int, image_channels: int) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        channels = structure_channels + image_channels + 1
        for width in config.widths:
            # No batch-norm: it would tell the critic which half of a batch holds the true pairs.
            layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.SiLU()]
            channels = width
        side = config.patch // 2 ** len(config.widths)
        layers += [nn.Flatten(), nn.Linear(channels * side**2, config.hidden), nn.SiLU(), nn.Linear(config.hidden, 1)]
        self.critic = nn.Sequential(*layers)
        self.average = MarginalAverage(config.rate)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, structure: Tensor, image: Tensor, sigma: Tensor, offsets: Sequence[int] | None = None) -> Tensor:
        """Return the mutual information of every structure and its image, differentiable in both.

        Sides that are no multiple of the patch lose their rims: the patches lie in the centre.

        Args:
            structure: (B, C_g, H, W).
            image: (B, C, H, W).
            sigma: noise levels (B,) in [0, 1].
            offsets: of the cyclic shuffles; by default `rolls` of them, evenly spread over the L patches.

        Returns:
            (B,) nats by the formula of the bound, L patches pooled with all their shuffles.

        Raises:
            DataError: fewer than two patches in an image, sides that differ, or an offset that shuffles nothing.
        """
        joint, marginal = self._scores(structure, image, sigma, offsets)
        match self.config.bound:
            case "dv_ema":
                return donsker_varadhan(joint, marginal.flatten(1))
            case "smile":
                return smile(joint, marginal.flatten(1))
            case "infonce":
                return infonce(joint, marginal)

    def loss(self, structure: Tensor, image: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
        """Return what to minimise to train the critic, a scalar over all images; shuffles are random.

        For `dv_ema` and `infonce` it is the negative bound, for `smile` the negative Jensen-Shannon objective, whose
        best critic is the same. In training mode the moving average of `dv_ema` takes the batch in.

        Args:
            structure: (B, C_g, H, W).
            image: (B, C, H, W).
            sigma: noise levels (B,) in [0, 1].
            generator: of the offsets.

        Raises:
            DataError: as ``forward``.
        """
        others = self._count(image) - 1
        order = torch.randperm(others, generator=generator, device=generator.device)
        joint, marginal = self._scores(structure, image, sigma, (order[: self.config.rolls] + 1).tolist())
        match self.config.bound:
            case "dv_ema":
                bound: Tensor = self.average(joint.flatten(), marginal.flatten())
            case "smile":
                bound = jensen_shannon(joint.flatten(), marginal.flatten())
            case "infonce":
                bound = infonce(joint, marginal).mean()
        return -bound

    def _scores(
        self, structure: Tensor, image: Tensor, sigma: Tensor, offsets: Sequence[int] | None
    ) -> tuple[Tensor, Tensor]:
        """Return the scores (B, L) of true pairs and (B, R, L) of shuffled ones, in float32 at least."""
        if structure.shape[2:] != image.shape[2:]:
            raise DataError(
                f"a structure of {tuple(structure.shape[2:])} px and an image of {tuple(image.shape[2:])} px differ",
                fix="take both from the same tile",
            )
        count = self._count(image)
        if offsets is None:
            offsets = _spread(count, self.config.rolls)
        if any(offset % count == 0 for offset in offsets):
            raise DataError(f"offsets {list(offsets)} leave {count} patches in place", fix="use other offsets")

        level = sigma.to(structure)[:, None, None, None].expand(-1, 1, *structure.shape[2:])
        known = _patches(torch.cat([structure, level], dim=1), self.config.patch)
        partners = _patches(image, self.config.patch)
        pairs = [torch.cat([known, partners.roll(-offset, dims=1)], dim=2) for offset in (0, *offsets)]
        scores = self.critic(torch.stack(pairs, dim=1).flatten(0, 2)).reshape(len(image), len(pairs), count)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))  # sums of bfloat16 are worth nothing
        return scores[:, 0], scores[:, 1:]

    def _count(self, image: Tensor) -> int:
        patch = self.config.patch
        count = (image.shape[2] // patch) * (image.shape[3] // patch)
        if count < 2:
            raise DataError(
                f"an image of {image.shape[3]} x {image.shape[2]} px has no two patches of {patch} px to shuffle",
                fix="use larger tiles or smaller patches",
            )
        return count


def _patches(image: Tensor, patch: int) -> Tensor:
    """Cut the centre of (B, C, H, W) into patches (B, L, C, P, P) that do not overlap, row by row."""
    batch, channels, height, width = image.shape
    rows, columns = height // patch, width // patch
    top, left = (height - rows * patch) // 2, (width - columns * patch) // 2
    centre = image[:, :, top : top + rows * patch, left : left + columns * patch]
    grid = centre.reshape(batch, channels, rows, patch, columns, patch).permute(0, 2, 4, 1, 3, 5)
    return grid.reshape(batch, rows * columns, channels, patch, patch)


def _spread(count: int, rolls: int) -> list[int]:
    """Return offsets that differ from each other and from zero, evenly spread over ``count`` places."""
    rolls = min(rolls, count - 1)
    return [k * count // (rolls + 1) for k in range(1, rolls + 1)]
