"""What a report can be told."""

from pathlib import Path
from typing import final

from pydantic import Field

from restain.config import Config


@final
class ReportOptions(Config):
    """What a report can be told beside what it finds."""

    metric: str | None = None
    """Ranks the images of the panels; by default PSNR, or the first metric where it was not measured."""
    dab: bool | None = None
    """Whether the stain is brown, so that amounts of DAB and positive areas mean something; by default as the card of
    the model tells, since the pixels do not: eosin reads as DAB."""
    mpp: float | None = Field(default=None, gt=0)
    """Micrometres per pixel for scale bars, where neither the images nor the card tell."""
    model: Path | None = None
    """Bundle of the model; by default the one that the virtual images name, if it is on this machine."""
    calibration: Path | None = None
    """What `restain calibrate` wrote; by default `calibration.json` beside the evaluation or the virtual images."""
    readout: Path | None = None
    """What `restain readout` wrote; by default `readout.json` beside the evaluation or the virtual images."""
    patients: Path | None = None
    """CSV with the columns image and patient: intervals are then over patients, whose images are alike."""
    images: int = Field(default=128, ge=1)
    """Images read for densities, positive areas and coverage: enough for smooth curves, and bounded time for
    thousands."""
    seed: int = 0
    """Draws these images and the resamples of intervals."""
