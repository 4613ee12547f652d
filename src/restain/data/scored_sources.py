"""Every source of images with scores, by the kind that a configuration names."""

from collections.abc import Mapping
from typing import Annotated, get_args

from pydantic import Field

from restain.data.pairs import Part
from restain.data.scored import ScoredImages, check_scores
from restain.data.scored_phantom import PhantomScores, PhantomScoresConfig
from restain.data.scored_table import ScoredTableConfig, scored_files

ScoresConfig = Annotated[ScoredTableConfig | PhantomScoresConfig, Field(discriminator="kind")]
"""Where images with scores come from."""


def make_scored(config: ScoresConfig) -> Mapping[Part, ScoredImages]:
    """Return the images of every part: train, held_out, and test where there is one.

    Raises:
        DataError: images and table do not fit together, a slide with two scores or in two parts, one score only, or a
            score without a slide to learn from or without one to hold out.
    """
    parts: Mapping[Part, ScoredImages]
    match config:
        case ScoredTableConfig():
            parts = scored_files(config)
        case PhantomScoresConfig():
            parts = {part: PhantomScores(config, part) for part in get_args(Part)}
    check_scores(parts)
    return parts
