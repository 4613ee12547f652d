"""Slides of the phantom with a grade of their chronic inflammation, from 0 to 3."""

from typing import Literal, final

import numpy as np
from pydantic import Field

from restain.config import Config
from restain.data.pairs import Part
from restain.data.phantom import FIRST_OF_TRAINING
from restain.data.scored import ScoredImages
from restain.geometry import Mpp, Region
from restain.phantom import Morphology, Phantom
from restain.pixels import Image

GRADES = 4
"""Number of grades, from 0 on."""

APART = 4000
"""Distance of the fields of a slide in pixels; more than the tissue remembers."""


@final
class PhantomScoresConfig(Config):
    """Slides of synthetic tissue in H&E, each with a grade of its chronic inflammation.

    The grade, 0 to 3, is the whole part of a severity s in [0, 4) that holds for the whole slide: lymphocytes fill a
    share 0.01 * 3^s of the places for them in the stroma, and a share 0.95 - 0.15 s of the glands is left. Around that
    tissue varies: a patch may show a gland alone, or an aggregate of lymphocytes such as every slide has, so it does
    not always tell the grade.
    """

    kind: Literal["phantom"] = "phantom"
    """Tells the sources of scores apart."""
    mpp: float = 0.5
    """Scale at which fields are rendered."""
    slides: int = Field(default=128, ge=4)
    """Training slides; each is another staining, and they take the grades in turn."""
    held_out_slides: int = Field(default=40, ge=4)
    """Slides after these, by which the best weights are chosen."""
    test_slides: int = Field(default=40, ge=4)
    """Slides after these, on which the finished classifier is measured."""
    fields: int = Field(default=4, ge=1)
    """Fields of each slide, far apart, so that one aggregate does not speak for a slide."""
    side: int = Field(default=256, ge=32)
    """Side of a field in pixels."""
    first_seed: int = Field(default=70_000, ge=FIRST_OF_TRAINING)
    """Seed of the first slide; seeds below 1000 are left for tests, the demo and scores."""


@final
class PhantomScores(ScoredImages):
    """The fields of one part, rendered when first asked for (0.1 s for 256 px) and then kept."""

    def __init__(self, config: PhantomScoresConfig, part: Part) -> None:
        counts = {"train": config.slides, "held_out": config.held_out_slides, "test": config.test_slides}
        before = sum(counts[each] for each in list(counts)[: list(counts).index(part)])
        first = config.first_seed + before
        self._config = config
        self._seeds = [seed for seed in range(first, first + counts[part]) for _ in range(config.fields)]
        self._rendered: dict[int, Image] = {}
        self.slides = tuple(f"phantom_{seed}" for seed in self._seeds)
        self.scores = tuple(seed % GRADES for seed in self._seeds)

    def name(self, index: int) -> str:
        """Return for example ``field 2 of phantom_70001``."""
        return f"field {index % self._config.fields} of {self.slides[index]}"

    def read(self, index: int) -> Image:
        """Return one field."""
        if index not in self._rendered:
            side, field = self._config.side, index % self._config.fields
            region = Region(field * APART, 0, side, side)
            phantom = inflamed(self._seeds[index], self.scores[index])
            self._rendered[index] = phantom.render("he", region, Mpp.square(self._config.mpp))
        return self._rendered[index]


def inflamed(seed: int, grade: int) -> Phantom:
    """Return a slide of a grade, its severity drawn evenly from the range of it."""
    severity = grade + float(np.random.default_rng([seed, 2]).random())
    return Phantom(seed, shape=Morphology(lymphocyte_density=0.01 * 3**severity, gland_fraction=0.95 - 0.15 * severity))
