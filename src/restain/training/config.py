"""The configuration of a training run: everything ``restain train`` needs to know."""

from pathlib import Path
from typing import Any, Literal, Self, final

from pydantic import Field, model_validator

from restain.bundle import Stain, Stains, listed
from restain.config import Config
from restain.data import DataConfig, MasksConfig, UniplexConfig
from restain.diffusion import Sampling


@final
class MethodChoice(Config):
    """Which method, with which options."""

    name: str
    """Name in the catalogue (`restain cite` lists them)."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Its options; unknown ones are refused."""


@final
class Course(Config):
    """How training proceeds; amounts are counted in images (crops) seen by all processes together."""

    images: int
    """Length of the training; 0 assembles a method that is made of parts and has nothing of its own to learn."""
    batch: int = 8
    """Crops per step and process."""
    crop: int = 128
    """Side of the crops in pixels; the tile used later may be larger."""
    percentiles: tuple[float, float] | None = None
    """Percentiles of every source channel over all training images that the network sees as -1 and 1; [0.1, 99.9] suits
    fluorescence, which leaves most of 16 bits empty. Null for the whole range, which suits colour."""
    rate: float = 2e-4
    """Peak learning rate of AdamW; 1e-4 to 5e-4 suits UNets from 100 M down to 1 M parameters."""
    warm_up: int = 2_000
    """Images over which the rate rises from zero; Adam's second moments need about that long."""
    decay: Literal["constant", "cosine", "late_linear"] = "cosine"
    """Falling to zero at the end gains quality in short runs; the diffusion papers keep the rate constant, GANs keep it
    for the first half and then let it fall linearly (`late_linear`)."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of AdamW; GANs want a short memory of the gradient, 0.5, because their goal moves."""
    weight_decay: float = 0.0
    """Of AdamW."""
    clip: float | None = 1.0
    """Largest norm of the gradient of a player, since rare hard batches must not throw the weights; null for none."""
    average: int = 10_000
    """Half-life of the moving average of weights, shortened early on to 5 % of the images seen (Karras et al. 2024); 0
    for none, as GANs are used."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """bf16 autocast is twice as fast on recent CPUs and GPUs; fp16 is not offered, it is unusable on CPUs."""
    workers: int = 0
    """Processes that prepare batches ahead; 0 suits images that fit in memory."""
    log_every: int = 800
    """Images between lines of the log."""
    checkpoint_every: int = 8_000
    """Images between checkpoints: what a kill can cost at most."""
    picture_every: int = 16_000
    """Images between sample pictures and held-out losses."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.images < 0 or min(self.batch, self.crop, self.log_every, self.checkpoint_every, self.picture_every) < 1:
            raise ValueError("batch, crop and the *_every intervals must be at least 1, and images at least 0")
        if (
            not all(0 <= beta < 1 for beta in self.betas)
            or self.average < 0
            or (self.clip is not None and self.clip <= 0)
        ):
            raise ValueError("betas must be in [0, 1), average at least 0, and clip positive or null")
        if self.percentiles is not None and not 0 <= self.percentiles[0] < self.percentiles[1] <= 100:
            raise ValueError("percentiles must rise within [0, 100]")
        if self.checkpoint_every % self.log_every or self.picture_every % self.log_every:
            raise ValueError("checkpoint_every and picture_every must be multiples of log_every")
        return self


@final
class Use(Config):
    """How the finished model is meant to be applied; goes into its card."""

    tile: int = 576
    """Side of the tiles the network will see: larger ones waste less on the halo, smaller ones need less memory."""
    halo: int = 32
    """Border of a tile that serves as context and blending zone."""
    sampling: Sampling = Sampling()
    """Sampler and steps unless asked otherwise."""


@final
class TrainConfig(Config):
    """Everything a run depends on."""

    name: str
    """Name of the bundle it makes."""
    summary: str = ""
    """What the bundle does, in one sentence."""
    licence: str = "unstated"
    """Licence of the weights; the training data may demand one."""
    out: Path
    """Folder of the run: log, checkpoints, pictures, bundle."""
    seed: int = 0
    """Seed of weights, batches and noise."""
    source: Stain
    """What the model takes."""
    target: Stains
    """What it makes: a stain, or several in a list, for a method that makes several."""
    data: DataConfig
    """Where pairs come from."""
    masks: MasksConfig | None = None
    """Where the masks of an auxiliary task come from; null where there is none."""
    method: MethodChoice
    """What is trained."""
    parts: dict[str, Path] = Field(default_factory=dict)
    """Bundles that the method holds without training them, by the names it has for them: for example prior."""
    training: Course
    """How."""
    use: Use = Field(default_factory=Use)
    """How it will be applied."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        targets = listed(self.target)
        names = tuple(stain.name for stain in targets)
        if isinstance(self.data, UniplexConfig) and names != (given := tuple(self.data.stains)):
            raise ValueError(f"target names {', '.join(names)}, and data.stains {', '.join(given)}")
        if len(targets) > 1 and not isinstance(self.data, UniplexConfig):
            raise ValueError(f"target names {', '.join(names)}, and only data of kind uniplex are of several stains")
        if any(stain.window for stain in targets):
            raise ValueError("only the source has a window: what is made fills the range of its type")
        if self.training.percentiles and self.source.window:
            raise ValueError("source.window is given, so training.percentiles cannot find another one")
        if len(counts := {len(stain.channels) for stain in targets}) > 1:
            raise ValueError(f"the stains of one model have equally many channels, not {sorted(counts)}")
        return self
