"""How sure a model is of a stain: the interval of every pixel, from several samples, as images beside the stain."""

import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from restain.config import Config
from restain.errors import ConfigError, UncalibratedWarning
from restain.geometry import Mpp
from restain.inference.draws import check_sampler, fractions_of
from restain.inference.engine import Pixels, draw_tiles, image_of, stain_tiles
from restain.inference.products import Content, Product, products_of
from restain.inference.provenance import provenance
from restain.inference.source import Source
from restain.inference.stainer import Stainer
from restain.pixels import Image
from restain.tissue import Tile, TilePlan
from restain.uncertainty import CalibrationRecord, Interval, IntervalRule, interval_of, widen

ROWS = 32
"""Rows of pixels of which intervals are computed at a time: what is sorted then stays in the cache."""

ROUNDING = 1e-3
"""Of a grey level: ends that are whole up to the error of floats are not rounded a level further."""


@final
class UncertaintyOptions(Config):
    """What is told of how sure a model is."""

    samples: int | None = Field(None, ge=2)
    """How many samples; None takes as many as the calibration of the model, and 20 where it has none."""
    ends: bool = False
    """Whether the lower and the upper end of every interval are written too, which makes two images more."""
    above: int = Field(32, ge=0, le=255)
    """Width, in grey levels of 255, above which tissue is counted as uncertain. An eighth of the range of grey is
    about the step from a weakly to a moderately stained nucleus, so a wider interval leaves a reading open."""


@final
class Uncertainty:
    """How the intervals of a model are made: samples, rule and calibration, checked against the model.

    Args:
        stainer: the model, ready to run.
        options: what is asked for.

    Raises:
        ConfigError: a model without intervals (see ``check_sampler``), or a calibration for other samples.

    Warns:
        UncalibratedWarning: the model was not calibrated, or with another sampler or other steps.

    Attributes:
        options: as given.
        samples: K, how many.
        rule: how they become an interval.
        record: the calibration by which intervals are widened; None where the model has none.
        products: all images that are made, those of the stains first.
    """

    def __init__(self, stainer: Stainer, options: UncertaintyOptions = UncertaintyOptions()) -> None:
        card = stainer.model.card
        check_sampler(stainer.model)
        self.options = options
        self.record = card.calibration
        self.rule = _rule(self.record, options.samples, card.name)
        self.samples = self.rule.samples
        contents: tuple[Content, ...] = ("stain", "uncertainty", *(("lower", "upper") if options.ends else ()))
        self.products: tuple[Product, ...] = products_of(card, contents)
        self._channels = [len(stain.channels) for stain in card.targets]
        _warn(self.record, stainer)

    @property
    def note(self) -> dict[str, str]:
        """What intervals depend on, besides the stain, as text for the metadata of results."""
        calibration = None if self.record is None else self.record.calibration.model_dump(mode="json")
        return {
            "samples": str(self.samples),
            "interval": json.dumps(self.rule.model_dump(mode="json"), sort_keys=True),
            "calibration": json.dumps(calibration, sort_keys=True),
        }

    def images(self, samples: Sequence[Pixels]) -> Image:
        """Return the stain and what is told of it, as the channels of one image.

        Args:
            samples: K times (H, W, C) float32, nominally in [-1, 1].

        Returns:
            (H, W, channels of all products) uint8: the first sample; of each stain the width of the interval, mean
            over its channels, rounded; if the ends are asked for, the lower rounded down and the upper rounded up.
        """
        stain = image_of(samples[0])
        parts = [
            self._told([sample[first : first + ROWS] for sample in samples]) for first in range(0, len(stain), ROWS)
        ]
        return np.concatenate([stain, np.concatenate(parts)], axis=2)

    def interval(self, fractions: NDArray[np.float32]) -> Interval:
        """Return the calibrated interval, its ends within [0, 1].

        Args:
            fractions: (K, ...) float32, samples as fractions of white.
        """
        one, floor = fractions[0], np.float32(self.rule.floor)
        same = bool((fractions == one).all())  # as on glass, of which there may be most
        found = Interval(one - floor, one, one + floor) if same else interval_of(fractions, self.rule)
        if self.record is not None:
            found = widen(found, self.record.calibration.lambda_, self.record.calibration.form)
        return Interval(found.lower.clip(0, 1), found.centre, found.upper.clip(0, 1))

    def _told(self, samples: Sequence[Pixels]) -> Image:
        """Return width, and ends if asked for, of some rows."""
        interval = self.interval(np.stack([fractions_of(sample) for sample in samples]))
        borders = np.cumsum([0, *self._channels[:-1]])
        widths = np.add.reduceat(interval.width, borders, axis=2) / np.array(self._channels)
        parts = [np.rint(255 * widths)]
        if self.options.ends:
            parts += [np.floor(255 * interval.lower + ROUNDING), np.ceil(255 * interval.upper - ROUNDING)]
        return np.concatenate(parts, axis=2).clip(0, 255).astype(np.uint8)


def finished_tiles(
    source: Source, plan: TilePlan, stainer: Stainer, uncertainty: Uncertainty | None, first_row: int = 0
) -> Iterator[tuple[Tile, Image]]:
    """Yield every tile of a plan with the pixels of all products; see ``engine.draw_tiles``."""
    if uncertainty is None:
        return stain_tiles(source, plan, stainer, first_row)
    return draw_tiles(source, plan, stainer, uncertainty.samples, uncertainty.images, first_row)


def notes_of(path: Path, stainer: Stainer, mpp: Mpp | None, uncertainty: Uncertainty | None) -> list[dict[str, str]]:
    """Return what the pixels of each product depend on, as text; those of the stain not on what is told of it."""
    note = provenance(path, stainer, mpp)
    if uncertainty is None:
        return [note for _ in stainer.model.card.targets]
    told = note | uncertainty.note
    return [note if product.content == "stain" else told for product in uncertainty.products]


def _rule(record: CalibrationRecord | None, samples: int | None, name: str) -> IntervalRule:
    if record is None:
        return IntervalRule() if samples is None else IntervalRule(samples=samples)
    rule = record.calibration.interval
    if samples is not None and samples != rule.samples:
        raise ConfigError(
            f"model {name!r} was calibrated with {rule.samples} samples, and {samples} are asked for, "
            "whose intervals have another width",
            fix=f"leave --samples out, or run `restain calibrate` with --samples {samples}",
        )
    return rule


def _warn(record: CalibrationRecord | None, stainer: Stainer) -> None:
    name, sampling = stainer.model.card.name, stainer.sampling
    assert sampling is not None, "a model that samples has a sampler"
    if record is None:
        warnings.warn(
            f"model {name!r} was not calibrated: nothing is known of how often the truth lies in its intervals "
            "(`restain calibrate` finds out).",
            UncalibratedWarning,
            stacklevel=3,
        )
    elif (record.sampler, record.steps) != (sampling.sampler, sampling.steps):
        warnings.warn(
            f"model {name!r} was calibrated with {record.sampler} in {record.steps} steps, not with "
            f"{sampling.sampler} in {sampling.steps}: its calibration need not hold.",
            UncalibratedWarning,
            stacklevel=3,
        )
