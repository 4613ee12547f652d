"""What the operating system refuses, said as an OutputError."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from restain.errors import OutputError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of the operating system inside the block into an OutputError about ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"the disk is full while writing {path}",
                fix="free some space and give the same command again; what is done is kept",
            ) from error
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error})",
            fix="check the folder and its permissions, or choose another output",
        ) from error
