"""Fields of the phantom: aligned pairs, or serial sections that are not."""

from typing import Literal, NamedTuple, Self, final

from pydantic import Field, model_validator

from restain.config import Config
from restain.data.pairs import Pairs, Part
from restain.geometry import Mpp, Region
from restain.phantom import REFERENCE, Phantom, Section, Stain
from restain.pixels import Image

FIRST_OF_TRAINING = 1000
"""Seeds below are for tests, the demonstration and scores; no training may see them."""


@final
class PhantomPairsConfig(Config):
    """Fields of synthetic tissue, each from a slide of its own with its own staining."""

    kind: Literal["phantom"] = "phantom"
    """Tells the sources of data apart."""
    source: Stain = "he"
    """Stain that goes in."""
    target: Stain = "ki67"
    """Stain that comes out."""
    section: int = Field(default=0, ge=0, le=7)
    """Section that the target shows: 0 is that of the source, aligned to the pixel; from 1 on it is a serial section,
    deformed and with partly other cells, as unpaired methods meet it. Part test shows section 0 whatever stands here,
    since the truth is known there."""
    mpp: float = 0.5
    """Scale at which fields are rendered."""
    slides: int = Field(default=64, ge=1)
    """Training slides; each is another staining, so their number matters more than their size."""
    side: int = 512
    """Side of the field taken from each slide, in pixels."""
    first_seed: int = Field(default=FIRST_OF_TRAINING, ge=FIRST_OF_TRAINING)
    """Seed of the first slide; seeds below 1000 are left for tests, the demo and scores."""
    held_out_slides: int = Field(default=8, ge=1)
    """Slides after the training ones, for samples and the held-out loss."""
    test_first_seed: int = Field(default=200, ge=0)
    """Seed of the first slide of part test."""
    test_slides: int = Field(default=8, ge=1)
    """Slides of part test; their seeds must stay below 1000."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.test_first_seed + self.test_slides > FIRST_OF_TRAINING:
            raise ValueError(f"seeds of test slides must be below {FIRST_OF_TRAINING}, where those of training begin")
        return self


class PhantomField(NamedTuple):
    """Where a field of the phantom lies: ``Phantom(seed).cells(region, mpp)`` are the cells its source shows."""

    seed: int
    region: Region
    mpp: Mpp


@final
class PhantomPairs(Pairs):
    """Fields of the phantom, rendered when first asked for (0.1 to 0.2 s for 512 px) and then kept.

    In parts train and held_out the target is the section of the configuration; in part test it is always the section
    of the source, because the phantom knows it: the aligned truth that a serial section cannot give.

    Memory: ``slides`` x ``side``^2 pixels of both stains (100 MB for the defaults).
    """

    def __init__(self, config: PhantomPairsConfig, part: Part) -> None:
        match part:
            case "train":
                seeds = range(config.first_seed, config.first_seed + config.slides)
            case "held_out":
                first = config.first_seed + config.slides
                seeds = range(first, first + config.held_out_slides)
            case "test":
                seeds = range(config.test_first_seed, config.test_first_seed + config.test_slides)
        self._config = config
        self._seeds = seeds
        self._section = REFERENCE if part == "test" else Section(config.section)
        self.aligned = self._section == REFERENCE
        self._rendered: dict[int, tuple[Image, Image]] = {}

    def __len__(self) -> int:
        """Return the number of fields."""
        return len(self._seeds)

    def name(self, index: int) -> str:
        """Return for example ``phantom_0200``: the seed of the field's slide."""
        return f"phantom_{self._seeds[index]:04d}"

    def field(self, index: int) -> PhantomField:
        """Return where one field lies, for whoever wants its cells."""
        side = self._config.side
        return PhantomField(self._seeds[index], Region(0, 0, side, side), Mpp.square(self._config.mpp))

    def read(self, index: int) -> tuple[Image, Image]:
        """Return source and target of one field."""
        if index not in self._rendered:
            seed, region, mpp = self.field(index)
            scene = Phantom(seed).scene(region, mpp)
            shown = scene if self.aligned else Phantom(seed).scene(region, mpp, self._section)
            self._rendered[index] = scene.image(self._config.source), shown.image(self._config.target)
        return self._rendered[index]
