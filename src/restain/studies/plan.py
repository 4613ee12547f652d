"""A study resolved: every model of every data set with its full training configuration, every cell with its model."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final, get_args

from restain.bundle import find_bundle, load_card
from restain.config import parse_config
from restain.data import DataConfig
from restain.errors import ConfigError
from restain.methods import find_method
from restain.studies.columns import COLUMNS
from restain.studies.config import CellConfig, DatasetConfig, ModelConfig, Reference, StudyConfig
from restain.studies.definition import Definition
from restain.studies.names import check_distinct, check_known, slug
from restain.training import TrainConfig

REFERENCES: tuple[str, ...] = get_args(Reference)

NO_MATTER: Mapping[str, tuple[str, ...]] = {
    "training": ("workers", "log_every", "checkpoint_every", "picture_every"),
    "data": ("test", "test_first_seed", "test_slides"),
}
"""What of a training configuration does not show in the weights."""


@final
@dataclass(frozen=True)
class PlannedModel:
    """A model of a data set.

    Attributes:
        label: what messages call it.
        folder: where it is trained; None for a bundle that is taken as it is.
        bundle: where its weights are, or will be.
        train: how it is trained; None for a bundle.
        parts: the models it holds, by the names it has for them.
        definition: what its weights depend on.
    """

    label: str
    folder: Path | None
    bundle: Path
    train: TrainConfig | None
    parts: Mapping[str, "PlannedModel"]
    definition: Definition


@final
@dataclass(frozen=True)
class PlannedCell:
    """A cell of a data set.

    Attributes:
        dataset: name of the data set.
        cell: the row.
        folder: where its images and values go.
        model: None for a reference.
    """

    dataset: str
    cell: CellConfig
    folder: Path
    model: PlannedModel | None

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.dataset}, {self.cell.name}"


@final
@dataclass(frozen=True)
class Plan:
    """All there is to do.

    Attributes:
        study: the configuration.
        models: those that cells need, each behind its parts.
        cells: all, data set by data set.
        wanted: names of the cells that are to be made.
    """

    study: StudyConfig
    models: tuple[PlannedModel, ...]
    cells: tuple[PlannedCell, ...]
    wanted: frozenset[str]

    @property
    def chosen(self) -> tuple[PlannedCell, ...]:
        """The cells that are to be made."""
        return tuple(cell for cell in self.cells if cell.cell.name in self.wanted)


def make_plan(study: StudyConfig, only: Collection[str] = ()) -> Plan:
    """Resolve a study; whatever is wrong with its names and options is found here, before any work.

    Args:
        study: the configuration.
        only: names of the cells that are to be made; all if there are none.

    Raises:
        ConfigError: unknown or equal names, models that are parts of themselves, options that a method does not have.
        BundleError: a bundle that is not there.
    """
    _check_names(study, only)
    wanted = frozenset(only) or frozenset(cell.name for cell in study.cells)
    models: dict[tuple[str, str], PlannedModel] = {}
    cells = []
    for dataset in study.datasets:
        for cell in study.cells:
            model = None
            if cell.model not in REFERENCES:
                needed: dict[tuple[str, str], PlannedModel] = {}
                model = _resolve(study, dataset, cell.model, needed, ())
                _check_options(study.models[cell.model], cell, model)
                if cell.name in wanted:
                    models |= needed
            folder = study.out / "cells" / slug(dataset) / slug(cell.name)
            cells.append(PlannedCell(dataset, cell, folder, model))
    return Plan(study, tuple(models.values()), tuple(cells), wanted)


def _resolve(
    study: StudyConfig, dataset: str, name: str, known: dict[tuple[str, str], PlannedModel], above: tuple[str, ...]
) -> PlannedModel:
    """Return a model, and enter it behind its parts."""
    if name in above:
        chain = " holds ".join(repr(each) for each in (*above[above.index(name) :], name))
        raise ConfigError(f"model {chain}", fix="remove one of these parts")
    if (dataset, name) not in known:
        model = study.models[name]
        parts = {
            part: _resolve(study, dataset, other, known, (*above, name)) for part, other in sorted(model.parts.items())
        }
        label = f"{dataset}, {name}"
        known[dataset, name] = (
            _taken(model.bundle.replace("{dataset}", dataset), label)
            if model.bundle is not None
            else _trained(study, dataset, name, parts)
        )
    return known[dataset, name]


def _taken(bundle: str, label: str) -> PlannedModel:
    folder = find_bundle(bundle)
    card = load_card(folder).model_dump(mode="json", exclude={"metrics", "summary", "name"})
    return PlannedModel(label, None, folder, None, {}, {"card": card})


def _trained(study: StudyConfig, dataset: str, name: str, parts: Mapping[str, PlannedModel]) -> PlannedModel:
    model, images = study.models[name], study.datasets[dataset]
    assert model.method is not None
    assert model.training is not None
    folder = study.out / "models" / slug(dataset) / slug(name)
    if model.masks and images.masks is None:
        raise ConfigError(
            f"model {name!r} learns from masks, and data set {dataset!r} has none",
            fix=f"describe datasets.{dataset}.masks, or leave masks of the model out",
        )
    ends = (images.target, images.source) if model.swap else (images.source, images.target)
    train = TrainConfig(
        name="-".join(map(slug, (study.name, dataset, name))),
        out=folder,
        seed=study.seed,
        source=ends[0],
        target=ends[1],
        data=_swapped(images, dataset) if model.swap else images.data,
        masks=images.masks if model.masks else None,
        method=model.method,
        parts={part: held.bundle for part, held in parts.items()},
        training=model.training,
        use=model.use,
    )
    parse_config(
        find_method(model.method.name).config_type, model.method.config, f"options of model {name!r} of the study"
    )
    definition: Definition = train.model_dump(mode="json", exclude={"name", "out", "parts", "summary", "licence"})
    for section, keys in NO_MATTER.items():
        definition[section] = {key: value for key, value in definition[section].items() if key not in keys}
    definition["parts"] = {part: held.definition for part, held in parts.items()}
    return PlannedModel(f"{dataset}, {name}", folder, folder / "bundle", train, parts, definition)


def _swapped(images: DatasetConfig, dataset: str) -> DataConfig:
    """Return the data with source and target exchanged."""
    if images.swapped is not None:
        return images.swapped
    data: Any = images.data
    if not {"source", "target"} <= type(data).model_fields.keys():
        raise ConfigError(
            f"data of kind {data.kind!r} has no sides to exchange", fix=f"describe datasets.{dataset}.swapped"
        )
    exchanged: DataConfig = data.model_copy(update={"source": data.target, "target": data.source})
    return exchanged


def _check_names(study: StudyConfig, only: Collection[str]) -> None:
    names = [cell.name for cell in study.cells]
    check_distinct(study.datasets, "data set")
    check_distinct(study.models, "model")
    check_distinct(names, "cell")
    check_distinct((table.name for table in study.tables), "table")
    if reserved := study.models.keys() & set(REFERENCES):
        raise ConfigError(f"model {min(reserved)!r} has the name of a reference", fix="call it otherwise")
    for name, model in study.models.items():
        for part, other in model.parts.items():
            check_known(other, study.models, f"model for part {part!r} of {name!r},")
    for cell in study.cells:
        check_known(cell.model, [*study.models, *REFERENCES], f"model for cell {cell.name!r},")
        changed = bool(cell.options) or cell.sampling != type(cell.sampling)()
        if cell.model in REFERENCES and changed:
            raise ConfigError(f"cell {cell.name!r} is no model's answer", fix="remove its options and sampling")
    for table in study.tables:
        for name in table.cells or ():
            check_known(name, names, f"cell for table {table.name!r},")
        for column in table.columns:
            check_known(column, COLUMNS, f"column for table {table.name!r},")
    for name in only:
        check_known(name, names, "cell")


def _check_options(model: ModelConfig, cell: CellConfig, planned: PlannedModel) -> None:
    """See that the method has the options a cell changes, before hours of training."""
    if planned.train is not None:
        method, options = planned.train.method.name, planned.train.method.config
    else:
        card = load_card(planned.bundle)
        method, options = card.method, card.method_config
    parse_config(find_method(method).config_type, {**options, **cell.options}, f"options of cell {cell.name!r}")
