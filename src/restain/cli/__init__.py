"""The command ``restain``: one thin file per command; heavy imports live inside the command bodies."""

import errno
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import typer

from restain import __version__
from restain.cli.calibrate import calibrate
from restain.cli.cite import cite
from restain.cli.demo import demo
from restain.cli.doctor import doctor
from restain.cli.evaluate import evaluate
from restain.cli.mask import mask
from restain.cli.models import models
from restain.cli.readout import readout
from restain.cli.report import report
from restain.cli.stain import stain
from restain.cli.study import study
from restain.cli.train import train
from restain.errors import RestainError, RestainWarning

app = typer.Typer(
    name="restain",
    help="Virtual staining you can measure.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


INTERRUPTED = 130
"""The exit code that typer makes of Ctrl-C."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"restain {__version__}")
        raise typer.Exit


@app.callback()
def frame(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Print the version."),
) -> None:
    """Virtual staining you can measure."""


app.command()(demo)
app.command()(train)
app.command()(stain)
app.command()(evaluate)
app.command()(calibrate)
app.command()(report)
app.command()(readout)
app.command()(mask)
app.command()(study)
app.command()(models)
app.command()(cite)
app.command()(doctor)


def main() -> None:
    """Run the command line: exit code 0 for success, 2 for what the user can mend, 1 for a fault of ours."""
    warnings.showwarning = _show_warning
    try:
        app()
    except RestainError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(2)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        message = "error: the disk is full: free space and run the same command again." if full else _fault(error)
        typer.secho(message, fg="red", err=True)
        sys.exit(2 if full else 1)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            typer.secho("stopped; run the same command again to go on", fg="yellow", err=True)
        raise
    except Exception as error:
        typer.secho(_fault(error), fg="red", err=True)
        sys.exit(1)


def _fault(error: Exception) -> str:
    """Keep the traceback in a file and say in one sentence what happened and how to report it."""
    with tempfile.NamedTemporaryFile("w", prefix="restain-fault-", suffix=".txt", delete=False) as file:
        file.write(f"restain {__version__}\n{sys.argv}\n\n{''.join(traceback.format_exception(error))}")
    return (
        f"internal fault: {type(error).__name__}: {error}; this is our mistake, not yours: "
        f"please report it with the file {Path(file.name)} and the output of `restain doctor`."
    )


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: object = None,
) -> None:
    """Show our own warnings as one line; those of other libraries stay out of the way of a user."""
    if issubclass(category, RestainWarning):
        typer.secho(f"warning: {message}", fg="yellow", err=True)
