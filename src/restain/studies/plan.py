"""A study resolved: every model of every data set with its full training configuration, every cell with its model."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final, get_args

from restain.bundle import find_bundle, load_card
from restain.config import parse_config
from restain.errors import ConfigError
from restain.methods import find_method
from restain.studies.columns import COLUMNS
from restain.studies.config import CellConfig, Reference, StudyConfig
from restain.studies.definition import Definition
from restain.studies.names import check_distinct, check_known, slug
from restain.studies.trainings import owner_of, training_of
from restain.training import TrainConfig

REFERENCES: tuple[str, ...] = get_args(Reference)

OF_MACHINES = ("workers", "log_every", "checkpoint_every", "picture_every")
"""What of a training does not show in the weights."""
OF_TESTS = ("test", "test_first_seed", "test_slides")
"""What of the data does not, because no training sees it."""


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
        model: what stains; None for a reference and for images that another tool has made.
        images: the folder of those images; None for all others.
    """

    dataset: str
    cell: CellConfig
    folder: Path
    model: PlannedModel | None
    images: Path | None = None

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.dataset}, {self.cell.name}"

    @property
    def is_reference(self) -> bool:
        """Whether it is the truth or the source, which need no model and do not compete."""
        return self.cell.model in REFERENCES

    @property
    def stained(self) -> str:
        """The data set whose images are stained."""
        return self.cell.source_of or self.dataset


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
            if cell.datasets is not None and dataset not in cell.datasets:
                continue
            model = images = None
            if cell.model not in REFERENCES and (images := _images(study, cell, dataset)) is None:
                needed: dict[tuple[str, str], PlannedModel] = {}
                model = _resolve(study, dataset, cell.model, needed, ())
                _check_options(cell, model)
                if cell.name in wanted:
                    models |= needed
            folder = study.out / "cells" / slug(dataset) / slug(cell.name)
            cells.append(PlannedCell(dataset, cell, folder, model, images))
    return Plan(study, tuple(models.values()), tuple(cells), wanted)


def _resolve(
    study: StudyConfig, dataset: str, name: str, known: dict[tuple[str, str], PlannedModel], above: tuple[str, ...]
) -> PlannedModel:
    """Return a model, and enter it behind its parts."""
    if name in above:
        chain = " holds ".join(repr(each) for each in (*above[above.index(name) :], name))
        raise ConfigError(f"model {chain}", fix="remove one of these parts")
    model = study.models[name]
    if model.stains and dataset not in model.stains:
        raise ConfigError(
            f"model {name!r} makes the stains of {', '.join(model.stains)}, and not of data set {dataset!r}",
            fix="name these under datasets of its cells",
        )
    owner = owner_of(model, dataset)
    if (owner, name) not in known:
        if model.images is not None:
            raise ConfigError(f"model {name!r} is a folder of images, which nothing can hold", fix="remove this part")
        parts = {
            part: _resolve(study, dataset, other, known, (*above, name)) for part, other in sorted(model.parts.items())
        }
        known[owner, name] = (
            _taken(_named(model.bundle, dataset), f"{dataset}, {name}")
            if model.bundle is not None
            else _trained(study, dataset, name, parts)
        )
    return known[owner, name]


def _images(study: StudyConfig, cell: CellConfig, dataset: str) -> Path | None:
    """Return the folder of a cell's answers where another tool has made them."""
    folder = study.models[cell.model].images
    return None if folder is None else Path(_named(folder, dataset))


def _named(place: str, dataset: str) -> str:
    """Return a place with the data set filled in, by its name or by that of its folders."""
    return place.replace("{dataset}", dataset).replace("{folder}", slug(dataset))


def _taken(bundle: str, label: str) -> PlannedModel:
    folder = find_bundle(bundle)
    card = load_card(folder).model_dump(mode="json", exclude={"metrics", "summary", "name"})
    return PlannedModel(label, None, folder, None, {}, {"card": card})


def _trained(study: StudyConfig, dataset: str, name: str, parts: Mapping[str, PlannedModel]) -> PlannedModel:
    train = training_of(study, dataset, name, {part: held.bundle for part, held in parts.items()})
    definition: Definition = train.model_dump(mode="json", exclude={"name", "out", "parts", "summary", "licence"})
    definition["training"] = _without(definition["training"], OF_MACHINES)
    data = _without(definition["data"], OF_TESTS)
    if "stains" in data:
        data["stains"] = {stain: _without(images, OF_TESTS) for stain, images in data["stains"].items()}
    definition["data"] = data
    definition["parts"] = {part: held.definition for part, held in parts.items()}
    label = f"{owner_of(study.models[name], dataset)}, {name}"
    return PlannedModel(label, train.out, train.out / "bundle", train, parts, definition)


def _without(section: Definition, keys: Collection[str]) -> Definition:
    return {key: value for key, value in section.items() if key not in keys}


def _check_names(study: StudyConfig, only: Collection[str]) -> None:
    names = [cell.name for cell in study.cells]
    owners = {owner_of(model, "") for model in study.models.values() if model.stains}
    check_distinct([*study.datasets, *sorted(owners)], "data set")
    check_distinct(study.models, "model")
    check_distinct(names, "cell")
    check_distinct((table.name for table in study.tables), "table")
    if reserved := study.models.keys() & set(REFERENCES):
        raise ConfigError(f"model {min(reserved)!r} has the name of a reference", fix="call it otherwise")
    for name, model in study.models.items():
        for part, other in model.parts.items():
            check_known(other, study.models, f"model for part {part!r} of {name!r},")
        for dataset in model.stains:
            check_known(dataset, study.datasets, f"data set for stains of model {name!r},")
    for cell in study.cells:
        check_known(cell.model, [*study.models, *REFERENCES], f"model for cell {cell.name!r},")
        for dataset in (*(cell.datasets or ()), *filter(None, [cell.source_of])):
            check_known(dataset, study.datasets, f"data set for cell {cell.name!r},")
        if cell.source_of in (cell.datasets or study.datasets):
            problem = f"cell {cell.name!r} stains the source of {cell.source_of!r}, and {cell.source_of!r} has the row"
            raise ConfigError(problem, fix="name the other data sets under datasets of the cell")
        changed = bool(cell.options) or cell.sampling != type(cell.sampling)() or cell.source_of is not None
        if (cell.model in REFERENCES or study.models[cell.model].images is not None) and changed:
            problem = f"cell {cell.name!r} is no model's answer"
            raise ConfigError(problem, fix="remove its options, sampling and source_of")
    for table in study.tables:
        for name in table.cells or ():
            check_known(name, names, f"cell for table {table.name!r},")
        for column in table.columns:
            check_known(column, COLUMNS, f"column for table {table.name!r},")
    for name in only:
        check_known(name, names, "cell")


def _check_options(cell: CellConfig, planned: PlannedModel) -> None:
    """See that the method has the options a cell changes, before hours of training."""
    if planned.train is not None:
        method, options = planned.train.method.name, planned.train.method.config
    else:
        card = load_card(planned.bundle)
        method, options = card.method, card.method_config
    parse_config(find_method(method).config_type, {**options, **cell.options}, f"options of cell {cell.name!r}")
