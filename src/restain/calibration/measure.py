"""One image: samples, their intervals, and how far these must be widened; kept in a file, since samples are costly."""

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from restain.bundle import Card, Model
from restain.calibration.options import CalibrateOptions
from restain.errors import DataError, OutputError
from restain.geometry import Mpp
from restain.inference import StainOptions, stain_samples
from restain.inference.array_reader import ArrayReader
from restain.inference.tissue import tissue_to_count
from restain.pixels import Image, planes_from_image
from restain.tissue import Mask
from restain.uncertainty import ImageRisk, Interval, ReliabilityCurve, image_digest, interval_of

MOST_VALUES = 2**31
"""Samples of one image may hold so many numbers, 8 GiB."""


DECISIVE = {"source", "target", "mpp", "tile", "halo", "sampling", "method", "method_config", "files"}
"""What of the card the samples depend on."""


@final
@dataclass(frozen=True)
class Measurement:
    """What samples say of one image.

    Args:
        interval: (H, W, C) float32, not widened, fractions of white.
        truth: (H, W, C) float32, fractions of white.
        mask: (H, W) where there is tissue, which alone counts.
        risk: the share outside for every lambda.
        curve: the share inside for several levels, not widened.
    """

    interval: Interval
    truth: NDArray[np.float32]
    mask: Mask
    risk: ImageRisk
    curve: ReliabilityCurve


@final
class Laboratory:
    """Measures images with one model, or finds what it has measured before.

    Args:
        model: that draws samples.
        options: which intervals.
        running: how the model runs; its seed is not used, but that of the options.
        folder: where measurements are kept; None keeps none.
    """

    def __init__(
        self, model: Model, options: CalibrateOptions, running: StainOptions, folder: Path | None = None
    ) -> None:
        self.model, self.options, self.running, self._folder = model, options, running, folder

    def measure(self, source: Image, target: Image) -> Measurement | None:
        """Measure an image; None of one without tissue.

        Args:
            source: (H, W, source channels) uint8 or uint16.
            target: (H, W, target channels), the truth.

        Raises:
            ConfigError: the model's samples are no intervals'.
            DataError: an image too large to hold its samples, or whose truth does not fit.
            OutputError: the folder cannot be written.
        """
        if (values := target.size * self.options.interval.samples) > MOST_VALUES:
            raise DataError(
                f"{self.options.interval.samples} samples of an image of {target.shape[1]} x {target.shape[0]} px need "
                f"{values * 4 / 2**30:.0f} GiB",
                fix="cut it into fields of up to 2048 px",
            )
        truth = truth_of(target, self.model.card)
        mask = tissue_of(source, self.model.card)
        if not mask.any():
            return None
        path = None if self._folder is None else self._folder / f"{self._key(source, target)}.npz"
        found = None if path is None else self._kept(path)
        interval, curve = found or self._drawn(source, truth, mask, path)
        risk = ImageRisk(self.options.form)
        risk.add(interval, truth, mask)
        return Measurement(interval, truth, mask, risk, curve)

    def _drawn(
        self, source: Image, truth: NDArray[np.float32], mask: Mask, path: Path | None
    ) -> tuple[Interval, ReliabilityCurve]:
        """Draw samples of an image, and keep what is made of them."""
        rule, curve = self.options.interval, ReliabilityCurve(self.options.interval)
        # Noise depends on the place in the image, so with one seed all images would have the same.
        digest = hashlib.sha256(f"{self.options.seed} {image_digest(source)}".encode()).digest()
        running = self.running.model_copy(update={"seed": int.from_bytes(digest[:7], "little")})
        samples = stain_samples(source, self.model, rule.samples, mpp=self.model.mpp, options=running)
        interval = interval_of(samples, rule)
        curve.add(samples, truth, mask)
        if path is not None:
            planes = {"lower": interval.lower, "centre": interval.centre, "upper": interval.upper}
            _save(path, {"curve": curve.counts, **planes})
        return interval, curve

    def _kept(self, path: Path) -> tuple[Interval, ReliabilityCurve] | None:
        """Return what was made of samples before; None where nothing was, or a damaged file."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                interval = Interval(arrays["lower"], arrays["centre"], arrays["upper"])
                counts = arrays["curve"]
        except (FileNotFoundError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
            return None
        curve = ReliabilityCurve(self.options.interval)
        curve.add_counts(counts)
        return interval, curve

    def _key(self, source: Image, target: Image) -> str:
        """Return the name of all that a measurement depends on."""
        card = self.model.card.model_dump(mode="json", include=DECISIVE)
        tree = {
            "card": card,
            "running": self.running.model_dump(mode="json", include={"sampler", "steps", "precision"}),
            "options": self.options.model_dump(mode="json", include={"interval", "seed"}),
            "images": [image_digest(source), image_digest(target)],
        }
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:32]


def truth_of(target: Image, card: Card) -> NDArray[np.float32]:
    """Return a true image as samples are given: (H, W, C) float32, fractions of white, or of the card's window."""
    planes = planes_from_image(target, card.targets[0].window)
    return np.ascontiguousarray((planes.transpose(1, 2, 0) + 1) / 2)


def tissue_of(source: Image, card: Card) -> Mask:
    """Return where a source image shows tissue, (H, W): the same mask by which `restain stain --uncertainty` counts."""
    with ArrayReader(source, card.source.channels, None if card.mpp is None else Mpp.square(card.mpp)) as reader:
        mask = tissue_to_count(reader)
    rows, columns = (
        (np.arange(count) + 0.5) * small // count for count, small in zip(source.shape, mask.shape, strict=False)
    )
    large: Mask = mask[np.ix_(rows.astype(int), columns.astype(int))]
    return large


def _save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(
            f"{path} cannot be written ({error.strerror})", fix="free space there or choose another --out"
        ) from error
