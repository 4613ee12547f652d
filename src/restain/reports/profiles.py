"""Profiles: what a paper measures, and how, under one name; and what we recommend.

Sources of the first two are the scripts that go with the papers, where they differ from the text. Two habits of the
first are not followed: its L2 subtracts 8-bit numbers, which wraps around at 0, and its KID stops where the sets are
not of equal size. What each measures over patches is measured here over files, so give it files of the paper's size.
"""

from dataclasses import dataclass
from typing import final

from restain.errors import ConfigError
from restain.metrics import KidSubsets

NUMBERS = ("fid", "kid", "precision_3", "recall_3", "precision_5", "recall_5")
"""What is told of two distributions."""


@final
@dataclass(frozen=True, slots=True)
class Profile:
    """A named choice of metrics.

    Args:
        name: on the command line.
        summary: in one sentence.
        metrics: those of pixels, by name.
        features: the extractor, unless another is asked for.
        whole: whether an extractor that resizes images takes them whole, or large ones are cut into tiles.
        numbers: of ``NUMBERS``.
        subsets: how KID is taken over subsets, if it is.
    """

    name: str
    summary: str
    metrics: tuple[str, ...]
    features: str
    whole: bool
    numbers: tuple[str, ...]
    subsets: KidSubsets | None


PROFILES = (
    Profile(
        "staindiffuser",
        "StainDiffuser: KID of all pairs, precision and recall with k = 5.",
        ("psnr", "ssim_uniform", "l2"),
        "inception",
        whole=True,
        numbers=("fid", "kid", "precision_5", "recall_5"),
        subsets=None,
    ),
    Profile(
        "asp",
        "Adaptive supervised PatchNCE: KID over 100 subsets of 100.",
        ("psnr", "ssim_uniform"),
        "inception",
        whole=True,
        numbers=("fid",),
        subsets=KidSubsets(subsets=100, size=100),
    ),
    Profile(
        "recommended",
        "The window of the SSIM paper, KID over 100 subsets of 1000, and the extractor that sees tissue.",
        ("psnr", "ssim_gaussian"),
        "phantom",
        whole=False,
        numbers=NUMBERS,
        subsets=KidSubsets(subsets=100, size=1000),
    ),
)
"""All of them."""


def find_profile(name: str) -> Profile:
    """Return a profile.

    Raises:
        ConfigError: there is none of this name.
    """
    for profile in PROFILES:
        if profile.name == name:
            return profile
    raise ConfigError(
        f"there is no profile {name!r}", fix=f"choose among {', '.join(profile.name for profile in PROFILES)}"
    )
