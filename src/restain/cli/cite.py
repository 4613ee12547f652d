"""``restain cite``."""

from typing import Annotated

import typer


def cite(
    method: Annotated[str | None, typer.Argument(help="A method; all are listed without.")] = None,
) -> None:
    """Print the BibTeX of the papers behind a method."""
    from restain.methods import METHODS, find_method

    if method is not None:
        typer.echo(find_method(method).citation)
        return
    for name, kind in METHODS.items():
        typer.echo(f"{name:12} {kind.summary}")
