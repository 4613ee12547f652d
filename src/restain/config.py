"""Strict configuration: YAML to typed, frozen models; an unknown key names the nearest known one.

Every option has one home, a field of a ``Config`` class with a sentence that says why its default is what it is. YAML
files, ``key.sub=value`` overrides and ``--dry-run`` all come from there.
"""

import copy
import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from restain.errors import ConfigError


class Config(BaseModel):
    """The base of every configuration: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @classmethod
    def expanded(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return changed options with those spelled out that stand for several; here none does."""
        return options


C = TypeVar("C", bound=Config)


def load_config(kind: type[C], path: Path, overrides: Iterable[str] = ()) -> C:
    """Read a YAML file, apply ``key.sub=value`` overrides in order, and validate.

    Raises:
        ConfigError: unreadable file, bad YAML, malformed override, unknown key, or a value that does not fit.
    """
    return parse_config(kind, overridden(read_tree(path), overrides), str(path))


def read_tree(path: Path) -> dict[str, Any]:
    """Read a YAML file of keys and values.

    Raises:
        ConfigError: unreadable file, bad YAML, or something else in it.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror})", fix="check the path of the configuration"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = " ".join(str(error).split())
        raise ConfigError(f"{path} is not valid YAML ({where})", fix="mend the line it names") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} does not hold keys and values", fix="start from a file in configs/")
    return tree


def overridden(tree: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return a copy of a tree of plain values with ``key.sub=value`` overrides applied in order.

    Raises:
        ConfigError: a malformed override.
    """
    tree = copy.deepcopy(tree)
    for override in overrides:
        _override(tree, override)
    return tree


def parse_config(kind: type[C], tree: object, where: str) -> C:
    """Validate a tree of plain values against a ``Config`` class.

    Args:
        kind: the class.
        tree: what YAML or JSON gave.
        where: what to call the source in messages.

    Raises:
        ConfigError: an unknown key (with the nearest known one) or a value that does not fit.
    """
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise _explain(kind, error, where) from error


def dump_config(config: Config) -> str:
    """Return the configuration as YAML, every default spelled out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)


def _override(tree: dict[str, Any], override: str) -> None:
    key, found, text = override.partition("=")
    if not found or not key:
        raise ConfigError(
            f"override {override!r} is not of the form key=value", fix="write for example training.batch=8"
        )
    *parents, leaf = key.split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise ConfigError(
                f"override {override!r}: {parent!r} is a value, not a section", fix="drop what follows it"
            )
    try:
        tree[leaf] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"override {override!r} has a value that YAML cannot read", fix="quote the value") from error


def _explain(kind: type[Config], error: ValidationError, where: str) -> ConfigError:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the top level"
    if first["type"] == "extra_forbidden":
        known = sorted(_known_keys(kind))
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        fix = f"did you mean {near[0]!r}" if near else f"the known keys are {', '.join(known)}"
        return ConfigError(f"{where}: unknown key {place!r}", fix=fix)
    if first["type"] == "missing":
        return ConfigError(f"{where}: {place!r} is missing", fix="add it")
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error" and isinstance(first["input"], dict):  # values that do not go together
        return ConfigError(f"{where}: {reason}", fix="change one of the values named")
    return ConfigError(f"{where}: {place!r} does not fit ({reason})", fix=f"change {first['input']!r}")


def _known_keys(kind: type[Config]) -> set[str]:
    """Return the names of all fields of a class and of the configurations it holds."""
    keys: set[str] = set()
    waiting, seen = [kind], set()
    while waiting:
        config = waiting.pop()
        seen.add(config)
        for name, field in config.model_fields.items():
            keys.add(name)
            waiting += [inner for inner in _configs_in(field.annotation) if inner not in seen]
    return keys


def _configs_in(annotation: Any) -> list[type[Config]]:
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return [annotation]
    return [config for part in getattr(annotation, "__args__", ()) for config in _configs_in(part)]
