"""From a report to files: one HTML page that needs nothing else, and its figures as PNG."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from restain import __version__
from restain.errors import OutputError
from restain.reports.report.content import Figure, Report, Strip
from restain.reports.report.theme import data_address, write_png

PAGE = "report.html"


def render(report: Report) -> str:
    """Return the page of a report."""
    environment = Environment(
        loader=PackageLoader("restain.reports.report", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["address"] = data_address
    return environment.get_template("page.html").render(report=report, version=__version__) + "\n"


def write(report: Report, out: Path) -> Path:
    """Write the page and the PNG files of its figures into a folder; return the page.

    Raises:
        OutputError: the disk does not take them.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for section in report.sections:
            for block in section.blocks:
                if isinstance(block, Figure):
                    write_png(out / f"{block.name}.png", block.drawn.png)
                elif isinstance(block, Strip):
                    write_png(out / f"{block.name}.png", block.sheet)
        partial = out / f".{PAGE}.partial"
        partial.write_text(render(report), encoding="utf-8")
        partial.replace(out / PAGE)
    except OSError as error:
        raise OutputError(
            f"the report cannot be written to {out} ({error.strerror})", fix="choose another folder with --out"
        ) from error
    return out / PAGE
