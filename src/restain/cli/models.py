"""``restain models``."""

from typing import Annotated

import typer


def models(
    name: Annotated[str | None, typer.Argument(help="A model, to print its card; all are listed without.")] = None,
) -> None:
    """List the models on this machine, or print the card of one."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from restain.bundle import WEIGHTS, bundles, find_bundle, load_card
    from restain.config import dump_config
    from restain.errors import RestainError

    console = Console()
    if name is not None:
        console.print(dump_config(load_card(find_bundle(name))), markup=False, highlight=False, soft_wrap=True)
        return
    table = Table("name", "from", "to", "um/px", "method", "size", "licence", box=None, padding=(0, 2, 0, 0))
    broken = []
    for folder in bundles():
        try:
            card = load_card(folder)
            size = (folder / WEIGHTS).stat().st_size
        except (RestainError, OSError) as error:
            broken.append(f"{folder}: {error}")
            continue
        mpp = "any" if card.mpp is None else f"{card.mpp:g}"
        row = (folder.name, card.source.name, card.made, mpp, card.method, f"{size / 1e6:.1f} MB", card.licence)
        table.add_row(*map(escape, row))
    if table.row_count:
        console.print(table)
    else:
        console.print(
            "no models found; put bundles into a folder named in $RESTAIN_MODELS, or pass a bundle's folder to --model"
        )
    for line in broken:
        console.print(line, markup=False, style="yellow", soft_wrap=True)
