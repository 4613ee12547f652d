"""The configuration of the training of a StainNet: ``kind: stainnet`` at its top."""

from pathlib import Path
from typing import Literal, Self, final

from pydantic import Field, model_validator

from restain.config import Config
from restain.data import ScoresConfig


@final
class StainNetNetwork(Config):
    """Size of the network."""

    width: int = Field(default=16, ge=8, multiple_of=8)
    """Channels of the first stage of its ResNet-18, and an eighth of the features; 64 is the paper's, 512 features.
    Fewer suit few slides, and few features need fewer images for a distance that means something."""


@final
class StainNetCourse(Config):
    """How a StainNet is trained; amounts are counted in patches seen."""

    patches: int = Field(gt=0)
    """Length of the training."""
    crop: int = Field(default=128, ge=32)
    """Side of the patches in pixels, and of the tiles that images are cut into for the distance."""
    batch: int = Field(default=32, ge=2)
    """Patches per step; statistics of the batch are part of the network, so few make it noisy."""
    rate: float = Field(default=1e-3, gt=0)
    """Peak learning rate of AdamW, falling to zero along a cosine."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Of AdamW."""
    check_every: int = Field(default=3_000, ge=1)
    """Patches between looks at the held-out slides, lines of the log and checkpoints: what a kill can cost at most."""
    patience: int | None = Field(default=5, ge=1)
    """Looks in a row without a lower held-out loss after which training ends early; null for never."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """bf16 autocast is several times as fast on recent CPUs and GPUs; features are always computed in fp32."""
    workers: int = Field(default=0, ge=0)
    """Processes that prepare batches ahead; 0 suits images that are quickly read."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.check_every % self.batch:
            raise ValueError("check_every must be a multiple of batch")
        return self


@final
class StainNetConfig(Config):
    """Everything the training of a StainNet depends on. There is no colour jitter: the metric must see colour."""

    kind: Literal["stainnet"]
    """Tells it from the training of a model that stains, which has no kind."""
    name: str
    """Name of the classifier."""
    summary: str = ""
    """What it is, in one sentence."""
    meaning: str
    """What the scores say of a slide, for whoever reads a distance."""
    licence: str = "unstated"
    """Licence of the weights; the training data may demand one."""
    out: Path
    """Folder of the run: log, checkpoints, curves, bundle."""
    seed: int = 0
    """Seed of weights and patches."""
    data: ScoresConfig
    """Where images and scores come from."""
    network: StainNetNetwork = StainNetNetwork()
    """Its size."""
    training: StainNetCourse
    """How."""
