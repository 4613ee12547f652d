"""``restain doctor``."""

import typer


def doctor() -> None:
    """Look at versions, device, memory, disk and codecs; say what is wrong and what mends it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from restain.doctor import Status, examine

    colours = {Status.OK: "green", Status.WARNING: "yellow", Status.PROBLEM: "red"}
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    findings = list(examine())
    for finding in findings:
        fix = f"\nfix: {finding.fix}" if finding.fix else ""
        table.add_row(
            f"[{colours[finding.status]}]{finding.status}[/]", escape(finding.topic), escape(finding.text + fix)
        )
    Console().print(table)
    if any(finding.status is Status.PROBLEM for finding in findings):
        raise typer.Exit(2)
