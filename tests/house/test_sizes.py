"""Small files, short functions, few parameters: what a linter does not see."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FILE_LINES = {"src": 400, "benchmarks": 400, "tests": 500}
FUNCTION_LINES = 80
PARAMETERS = 10
COMMAND_PARAMETERS = 20
"""The functions of `cli/` are declarations of flags, one parameter each; nobody calls them with positions."""

FILES = [path for folder in FILE_LINES for path in sorted((ROOT / folder).rglob("*.py"))]


def functions_of(text: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function of a source text, nested ones too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function from `def` on, without its docstring, which may be as long as it needs."""
    end = function.end_lineno or function.lineno
    first = function.body[0]
    is_docstring = ast.get_docstring(function) is not None
    return end - function.lineno + 1 - ((first.end_lineno or 0) - first.lineno + 1 if is_docstring else 0)


def too_long(text: str) -> list[str]:
    """Return the functions with more lines than the house allows."""
    return [
        f"{function.name}: {length(function)} lines"
        for function in functions_of(text)
        if length(function) > FUNCTION_LINES
    ]


def too_many(text: str, limit: int) -> list[str]:
    """Return the functions with more parameters than the limit; `self` and `cls` do not count."""
    found = []
    for function in functions_of(text):
        spec = function.args
        names = [argument.arg for argument in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
        names += [rest.arg for rest in (spec.vararg, spec.kwarg) if rest]
        count = len([name for name in names if name not in ("self", "cls")])
        if count > limit:
            found.append(f"{function.name}: {count} parameters")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sizes(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= FILE_LINES[path.relative_to(ROOT).parts[0]]
    assert too_long(text) == []
    assert too_many(text, COMMAND_PARAMETERS if path.parent.name == "cli" else PARAMETERS) == []


def test_the_ruler_sees_a_long_function():
    body = "    x = 1\n"
    assert too_long('def f():\n    """What.\n\n    Why.\n    """\n' + body * (FUNCTION_LINES - 1)) == []
    assert too_long("def f():\n" + body * (FUNCTION_LINES - 1)) == []
    assert too_long("class A:\n  def f():\n" + body * FUNCTION_LINES) == [f"f: {FUNCTION_LINES + 1} lines"]


def test_the_ruler_sees_many_parameters():
    names = [f"a{i}" for i in range(11)]
    assert too_many(f"def f(self, {', '.join(names[:10])}): ...", PARAMETERS) == []
    assert too_many(f"def f({', '.join(names)}): ...", PARAMETERS) == ["f: 11 parameters"]
    assert too_many(f"def f({', '.join(names[:9])}, *rest, **more): ...", PARAMETERS) == ["f: 11 parameters"]
