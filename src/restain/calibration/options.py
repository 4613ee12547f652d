"""What is promised, and by which intervals."""

from typing import Self, final

from pydantic import Field, model_validator

from restain.config import Config
from restain.uncertainty import Bound, Form, IntervalRule


@final
class CalibrateOptions(Config):
    """How a model is calibrated."""

    interval: IntervalRule = IntervalRule()
    """How samples become an interval; what is calibrated holds for this rule alone."""
    form: Form = "centred"
    """What lambda multiplies: `centred` widens dark and bright alike; `multiplicative` is that of published code."""
    alpha: float = Field(default=0.1, gt=0, lt=1)
    """Share of tissue that may lie outside, in the mean over images; 0.1 is usual."""
    delta: float = Field(default=0.1, gt=0, lt=1)
    """Chance, over the choice of calibration images, that more does; 0.05 needs 29 images instead of 22."""
    bound: Bound = "hoeffding_bentkus"
    """Which confidence bound: `betting` promises the same with far fewer images, because it sees that they differ
    little; `hoeffding_bentkus`, that of the published programs, is the default to be comparable with them."""
    seed: int = Field(default=0, ge=0)
    """Of the samples; each image has noise of its own, drawn from it and from the image."""

    @model_validator(mode="after")
    def _within_white(self) -> Self:
        if self.interval.floor and self.form == "multiplicative":
            raise ValueError("a floor leads out of [0, 1], where multiplicative intervals are; use the form centred")
        return self
