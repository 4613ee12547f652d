"""The command line, run in this process."""

import sys
import warnings
from dataclasses import dataclass

import pytest

from restain.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command leaves; ``out`` and ``err`` without line breaks, which depend on the width of the terminal."""

    code: int
    out: str
    err: str


@pytest.fixture
def restain(capsys, monkeypatch):
    """Return a function that runs ``restain`` with some arguments."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["restain", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "500")
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            try:
                main()
                code = 0
            except SystemExit as end:
                code = end.code or 0
        shown = capsys.readouterr()
        return Outcome(code, " ".join(shown.out.split()), " ".join(shown.err.split()))

    return run
