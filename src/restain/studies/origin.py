"""How a study was made: what a reader needs to make it again."""

import platform
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

from restain import __version__
from restain.studies.cells import read_journal
from restain.studies.plan import Plan


@final
@dataclass(frozen=True, slots=True)
class Origin:
    """Where tables come from.

    Attributes:
        command: that wrote them.
        versions: of restain and Python.
        machines: on which images were stained, with the version of torch.
        seed: of the study.
    """

    command: str
    versions: str
    machines: tuple[str, ...]
    seed: int

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Return the origin of a study in this process."""
        return cls(
            command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            versions=f"restain {__version__}, Python {platform.python_version()}",
            machines=tuple(sorted({line.machine for cell in plan.cells for line in read_journal(cell.folder)})),
            seed=plan.study.seed,
        )

    def __str__(self) -> str:
        """Return one line."""
        where = "; ".join(self.machines)
        return f"`{self.command}`; {self.versions}; seed {self.seed}" + (f"; stained on {where}" if where else "")
