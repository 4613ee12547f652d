"""The configuration of a run: which kind of training it asks for, and whose folder it is."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from restain.config import dump_config, overridden, parse_config, read_tree
from restain.errors import ConfigError, OutputError
from restain.training.config import TrainConfig
from restain.training.stainnet_config import StainNetConfig

RESOLVED = "config.yaml"
"""The resolved configuration in the run's folder."""

MAY_CHANGE = frozenset({"out", "training.images", "training.workers"})
"""What may differ when a run goes on: it may be longer, and on another machine."""


def load_run(path: Path, overrides: Iterable[str] = ()) -> TrainConfig | StainNetConfig:
    """Read the configuration of a training: of a StainNet where it says ``kind: stainnet``, else of a stainer.

    Raises:
        ConfigError: an unknown kind, or a file or value that does not fit.
    """
    tree = overridden(read_tree(path), overrides)
    match tree.get("kind"):
        case "stainnet":
            return parse_config(StainNetConfig, tree, str(path))
        case None if "kind" not in tree:
            return parse_config(TrainConfig, tree, str(path))
    raise ConfigError(
        f"{path}: there is no kind of training {tree['kind']!r}",
        fix="write `kind: stainnet` for a classifier of scores, and no kind at all for a model that stains",
    )


def claim_folder(config: TrainConfig | StainNetConfig) -> None:
    """Write the resolved configuration into the run's folder, or check that it is the one found there.

    Raises:
        ConfigError: the folder holds a run with another configuration.
        OutputError: the folder cannot be written.
    """
    path = config.out / RESOLVED
    if path.exists():
        found, wanted = _flat(load_run(path).model_dump()), _flat(config.model_dump())
        changed = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        refused = [key for key in changed if key not in MAY_CHANGE]
        if refused:
            raise ConfigError(
                f"{config.out} holds a run with another configuration ({refused[0]} was {found.get(refused[0])})",
                fix="choose another folder with out=..., or delete that one to start anew",
            )
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        path.write_text(dump_config(config), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{config.out} cannot be written ({error.strerror})", fix="choose another folder with out=..."
        ) from error


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested sections by their dotted names."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves
