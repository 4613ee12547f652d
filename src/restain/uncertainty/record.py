"""What a model's card says of a calibration: the numbers, and on what they were found."""

import hashlib
from typing import Any, final

from numpy.typing import NDArray
from pydantic import Field

from restain.config import Config
from restain.uncertainty.calibration import Calibration


@final
class CalibrationRecord(Config):
    """A calibration of one model, with all that must stay the same for it to hold."""

    calibration: Calibration
    """The numbers; they hold for intervals of this rule, number of samples included."""
    weights: str
    """SHA-256 of the weights that were calibrated."""
    sampler: str
    """Sampler of the calibrated samples; another one gives other intervals."""
    steps: int = Field(ge=1)
    """Steps of the calibrated samples; fewer give other intervals."""
    source: str
    """The stain that went in."""
    target: str
    """The stain that came out."""
    mpp: float | None
    """Scale of the images in micrometres per pixel; None where the model takes pixels as they are."""
    data: str
    """Where the images are from, for people."""
    images: dict[str, str]
    """First digits of every source image's ``image_digest`` by its name, so that nobody tests on them unawares."""
    groups: dict[str, str] = Field(default_factory=dict)
    """The patient or slide of every image, where known; then n of the calibration counts these."""


def image_digest(image: NDArray[Any]) -> str:
    """Return the SHA-256 of an image's type, shape and pixels, by which a record names its images."""
    return hashlib.sha256(f"{image.dtype} {image.shape} ".encode() + image.tobytes()).hexdigest()
