"""Names: how those of a study become names of files, and what is said of one that does not exist."""

import difflib
import re
import unicodedata
from collections.abc import Iterable

from restain.errors import ConfigError


def slug(name: str) -> str:
    """Return a name fit for a file.

    >>> slug("MIU-Diff, N=100")
    'miu-diff-n-100'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_]+", "-", plain).strip("-")


def check_known(name: str, known: Iterable[str], what: str) -> None:
    """Refuse a name that is not among those known.

    Args:
        name: as it was written.
        known: what it may be.
        what: what it names, and where, for the message.

    Raises:
        ConfigError: it is not known; the nearest that is stands in the message.
    """
    names = list(known)
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=1)
    fix = f"did you mean {near[0]!r}" if near else f"choose one of {', '.join(names) or 'none'}"
    raise ConfigError(f"there is no {what} {name!r}", fix=fix)


def check_distinct(names: Iterable[str], what: str) -> None:
    """Refuse names that would share a folder.

    Raises:
        ConfigError: two are equal as files, or one has no letter or digit.
    """
    seen: dict[str, str] = {}
    for name in names:
        short = slug(name)
        if not short or short in seen:
            problem = f"{what} {name!r} and {seen[short]!r} share a folder" if short else f"{what} {name!r} is no name"
            raise ConfigError(problem, fix="give each a name with letters or digits of its own")
        seen[short] = name
