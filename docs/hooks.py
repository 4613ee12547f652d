"""What the pages take from the code itself, so that it is said once.

A line of its own in a page, ``{{ kind: argument }}``, is replaced when the site is built:

- ``options: module.Config``   a table of the fields of a configuration, with defaults and reasons
- ``command: name``            the arguments and options of ``restain name``
- ``metrics``                  the facts of every metric
- ``docstring: module``        the drawing in the docstring of a module
- ``layers``                   the layers that the tests hold
- ``source: path``             a file of the repository, as it stands
"""

import ast
import importlib
import importlib.util
import json
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer
from pydantic_core import PydanticUndefined

from restain.config import Config

ROOT = Path(__file__).resolve().parents[1]
PLACE = re.compile(r"^\{\{ (\w+)(?:: (\S+))? \}\}$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the places of a page; mkdocs calls this for each."""
    return PLACE.sub(lambda place: FILLERS[place[1]](*filter(None, [place[2]])), markdown)


def options(name: str) -> str:
    """Return a table of the fields of a configuration."""
    module, _, kind = name.rpartition(".")
    config: type[Config] = getattr(importlib.import_module(module), kind)
    rows = ((f"`{key}`", _default(field), field.description or "") for key, field in config.model_fields.items())
    return _table(("option", "default", "meaning"), rows)


def command(name: str) -> str:
    """Return a table of the arguments and options of a command."""
    from restain.cli import app

    params = typer.main.get_command(app).commands[name].params
    rows = ((_spelling(param), _help(param)) for param in params)
    return _table(("argument or option", "meaning"), rows)


def metrics() -> str:
    """Return a table of the facts of every metric."""
    from restain.metrics import METRICS, SOURCE_METRICS

    rows = (
        (f"`{metric.name}`", metric.unit or "-", metric.better, metric.source) for metric in (*METRICS, *SOURCE_METRICS)
    )
    return _table(("name", "unit", "better is", "definition"), rows)


def docstring(name: str) -> str:
    """Return what follows the first ``::`` in the docstring of a module, as a block."""
    text = importlib.import_module(name).__doc__ or ""
    return f"```text\n{textwrap.dedent(text.partition('::')[2]).strip()}\n```"


def layers() -> str:
    """Return the table of layers that the tests hold, with the first sentence of each member that exists."""
    place = ROOT / "tests" / "house" / "test_layers.py"
    spec = importlib.util.spec_from_file_location("test_layers", place)
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    rows = []
    for height, members in zip(range(len(table.ROWS) - 1, -1, -1), table.ROWS, strict=True):
        for member in sorted(members):
            paths = [path for path in _files(table.PACKAGE / member) if path.is_file()]
            rows += [(str(height), f"`{_shown(path)}`", _first_sentence(path)) for path in paths]
    return _table(("row", "place", "what it is"), rows)


def source(path: str) -> str:
    """Return a file of the repository as a block."""
    file = ROOT / path
    return f"```{file.suffix.lstrip('.')}\n{file.read_text(encoding='utf-8').rstrip()}\n```"


FILLERS = {each.__name__: each for each in (options, command, metrics, docstring, layers, source)}


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _files(member: Path) -> tuple[Path, Path]:
    return member.with_suffix(".py"), member / "__init__.py"


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT / "src")).replace("__init__.py", "")


def _first_sentence(path: Path) -> str:
    text = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split())
    return text.partition(". ")[0].rstrip(".").replace("``", "`")


def _default(field: Any) -> str:
    if field.default_factory is not None:
        return "empty"
    if field.default is PydanticUndefined:
        return "required"
    return "its own defaults" if isinstance(field.default, Config) else f"`{json.dumps(field.default, default=str)}`"


def _spelling(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{param.name.upper()}`"
    return ", ".join(f"`{spelling}`" for spelling in param.opts)


def _help(param: Any) -> str:
    text = param.help or ""
    return text if param.required or param.default in (None, False) else f"{text} Default: `{param.default}`."
