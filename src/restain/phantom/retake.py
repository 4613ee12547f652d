"""The same section, with all drawn anew that a picture of it does not tell: the spread of what is possible.

What one stain shows does not decide what another one will. Retakes of a phantom agree to the last bit in the picture of
their ``source``, and differ in the others as they might if the same source were seen again. What is drawn anew:

* given H&E: of every other stain the look of its slide (strength and hue of dyes, thickness, focus, camera) and its
  sensor noise; which cells carry a marker, by its probability, and how much of it;
* given autofluorescence, in which nuclei are but dark: that too, and amount and texture of chromatin, and nucleoli; the
  probabilities of markers follow the new look.

What stays: tissue, textures of stroma and cytoplasm; places, kinds, sizes and outlines of nuclei.

Of a nucleus' size, autofluorescence tells whether it is large and hence likely dark: chromatin is drawn from its law
given the size. The slow field of activity, which a picture tells only in part, and fine detail that is lost in blur and
noise, count as seen; the thickness of the section, which H&E tells in part, counts as unseen. So the spread of retakes
is close to what the best method can know, and not exactly that.
"""

from dataclasses import dataclass
from typing import Literal, final

from restain.errors import DataError


@final
@dataclass(frozen=True, slots=True)
class Retake:
    """One more draw of all that a source picture does not tell.

    Args:
        number: any; equal numbers give equal draws, and none is the phantom without a retake.
        source: the stain whose picture stays.

    Raises:
        DataError: another source.
    """

    number: int
    source: Literal["he", "autofluorescence"]

    def __post_init__(self) -> None:
        """Refuse sources of which nobody has said what they show."""
        if self.source not in ("he", "autofluorescence"):
            raise DataError(f"there are no retakes given {self.source!r}", fix="choose he or autofluorescence")


def renamed(retake: Retake | None, *names: str | int, inside_nuclei: bool = False) -> tuple[str | int, ...]:
    """Return the name of a stream of random numbers: another one in a retake whose source does not show what it draws.

    Args:
        retake: None leaves the names.
        names: of the stream.
        inside_nuclei: whether the stream draws what H&E shows and autofluorescence does not.
    """
    if retake is None or (inside_nuclei and retake.source == "he"):
        return names
    return ("retake", retake.number, *names)
