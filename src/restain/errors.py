"""Everything restain raises on purpose, as one tree; each error says what is wrong and what mends it.

::

    RestainError
    ├── InputError            what the user gave cannot be used
    │   ├── SlideError        a slide or image cannot be opened or read
    │   ├── ScaleError        micrometres per pixel are missing or implausible
    │   ├── ConfigError       a configuration has an unknown, missing or contradicting value
    │   ├── DataError         training or evaluation images do not fit together
    │   └── BundleError       a model bundle is missing, incomplete, tampered with or does not fit the input
    ├── OutputError           a result cannot be written
    ├── TrainingError         training cannot go on
    ├── GuidanceError         guided sampling cannot go on
    ├── StudyError            parts of a study failed, while the others are done
    └── MissingExtraError     an optional dependency is not installed

    RestainWarning            something was done, but the user should know
    ├── AlignmentWarning      images that should show the same tissue at the same pixel do not
    ├── CalibrationWarning    a calibration is of fewer images than were given
    ├── EmptyChannelWarning   nothing was recorded in a channel
    ├── FeaturesWarning       distances by features of different weights stand side by side
    ├── GuidanceWarning       guidance steers less, or otherwise, than its settings suggest
    ├── LeakageWarning        what should be apart, training and test images, comes from the same slides
    ├── MaskWarning           masks show nothing, because all are empty or all are full
    ├── MetricWarning         a metric has no value for the images, and was left out
    ├── SaturationWarning     the camera was at its limit in a channel
    ├── SmallSampleWarning    there are too few images for what was measured of them
    └── UncalibratedWarning   intervals promise nothing, because the model was not calibrated as it is used
"""

from typing import final


class RestainError(Exception):
    """The root: catch it to catch everything restain raises on purpose.

    Args:
        problem: what is wrong and where, without a full stop at the end.
        fix: what the user can do about it, as an imperative, without a full stop.
    """

    def __init__(self, problem: str, *, fix: str) -> None:
        super().__init__(problem, fix)
        self.problem = problem
        self.fix = fix

    def __str__(self) -> str:
        """Return one sentence: the problem, then the fix."""
        return f"{self.problem}: {self.fix}."

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip between worker processes (the fix is a keyword)."""
        return (_rebuild, (type(self), self.problem, self.fix))


def _rebuild(kind: type[RestainError], problem: str, fix: str) -> RestainError:
    return kind(problem, fix=fix)


class InputError(RestainError):
    """What the user gave cannot be used."""


@final
class SlideError(InputError):
    """A slide or image cannot be opened or read."""


@final
class ScaleError(InputError):
    """Micrometres per pixel are missing or implausible."""


@final
class ConfigError(InputError):
    """A configuration has an unknown, missing or contradicting value."""


@final
class DataError(InputError):
    """Training or evaluation images do not fit together."""


@final
class BundleError(InputError):
    """A model bundle is missing, incomplete, tampered with or does not fit the input."""


@final
class OutputError(RestainError):
    """A result cannot be written."""


@final
class TrainingError(RestainError):
    """Training cannot go on."""


@final
class GuidanceError(RestainError):
    """Guided sampling cannot go on."""


@final
class StudyError(RestainError):
    """Parts of a study failed, while the others are done."""


@final
class MissingExtraError(RestainError):
    """An optional dependency is not installed."""


class RestainWarning(UserWarning):
    """Something was done, but the user should know."""


@final
class AlignmentWarning(RestainWarning):
    """Images that should show the same tissue at the same pixel do not."""


@final
class CalibrationWarning(RestainWarning):
    """A calibration is of fewer images than were given."""


@final
class EmptyChannelWarning(RestainWarning):
    """Nothing was recorded in a channel."""


@final
class FeaturesWarning(RestainWarning):
    """Distances by features of different weights stand side by side, and do not compare."""


@final
class GuidanceWarning(RestainWarning):
    """Guidance steers less, or otherwise, than its settings suggest."""


@final
class LeakageWarning(RestainWarning):
    """What should be apart, training and test images, comes from the same slides."""


@final
class MaskWarning(RestainWarning):
    """Masks show nothing, because all are empty or all are full."""


@final
class MetricWarning(RestainWarning):
    """A metric has no value for the images, and was left out."""


@final
class SaturationWarning(RestainWarning):
    """The camera was at its limit in a channel."""


@final
class SmallSampleWarning(RestainWarning):
    """There are too few images for what was measured of them."""


@final
class UncalibratedWarning(RestainWarning):
    """Intervals promise nothing, because the model was not calibrated as it is used."""
