"""From a fragment of a training configuration to a whole one: data, masks, stains and folder filled in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from restain.config import Config, parse_config
from restain.data import DataConfig, MasksConfig, UniplexConfig
from restain.errors import ConfigError
from restain.methods import find_method
from restain.methods.named_options import under
from restain.studies.config import DatasetConfig, ModelConfig, StudyConfig
from restain.studies.names import slug
from restain.training import TrainConfig

C = TypeVar("C", bound=Config)


def owner_of(model: ModelConfig, dataset: str) -> str:
    """Return whose a model is: the data set's, or that of all data sets that train it together."""
    return " + ".join(model.stains) or dataset


def training_of(study: StudyConfig, dataset: str, name: str, parts: Mapping[str, Path]) -> TrainConfig:
    """Return how a model of the study is trained for a data set.

    Args:
        study: the configuration.
        dataset: name of the data set.
        name: of the model, which has a method and a training.
        parts: the bundles that it holds.

    Raises:
        ConfigError: options that the method, the data or the masks do not have; masks where there are none; data sets
            that cannot train one model.
    """
    model = study.models[name]
    assert model.method is not None
    assert model.training is not None
    owner = owner_of(model, dataset)
    images = study.datasets[dataset]
    source, target = (images.target, images.source) if model.swap else (images.source, images.target)
    train = TrainConfig(
        name="-".join(map(slug, (study.name, owner, name))),
        out=study.out / "models" / slug(owner) / slug(name),
        seed=study.seed,
        source=source,
        target=tuple(study.datasets[each].target for each in model.stains) or target,
        data=_together(study, name) if model.stains else _data(study, dataset, name),
        masks=_masks(images, model, dataset, name) if model.masks else None,
        method=model.method,
        parts=dict(parts),
        training=model.training,
        use=model.use,
    )
    parse_config(
        find_method(model.method.name).config_type, model.method.config, f"options of model {name!r} of the study"
    )
    return train


def _data(study: StudyConfig, dataset: str, name: str) -> DataConfig:
    """Return the images that a model learns from in one data set."""
    images, model = study.datasets[dataset], study.models[name]
    data = _swapped(images, dataset) if model.swap else images.data
    return _changed(data, model.data, f"data of model {name!r} for data set {dataset!r}")


def _together(study: StudyConfig, name: str) -> UniplexConfig:
    """Return the images of several data sets as those of one model."""
    sets = {dataset: study.datasets[dataset] for dataset in study.models[name].stains}
    sources, targets = ({getattr(images, side).name for images in sets.values()} for side in ("source", "target"))
    if len(sources) > 1 or len(targets) < len(sets):
        raise ConfigError(
            f"model {name!r} makes several stains from one, and {', '.join(sets)} have the sources "
            f"{', '.join(sorted(sources))} and the targets {', '.join(sorted(targets))}",
            fix=f"name data sets of one source and a target each under models.{name}.stains",
        )
    stains = {
        images.target.name: _data(study, dataset, name).model_dump(mode="json") for dataset, images in sets.items()
    }
    return parse_config(UniplexConfig, {"stains": stains}, f"data of model {name!r}")


def _masks(images: DatasetConfig, model: ModelConfig, dataset: str, name: str) -> MasksConfig:
    if images.masks is None:
        raise ConfigError(
            f"model {name!r} learns from masks, and data set {dataset!r} has none",
            fix=f"describe datasets.{dataset}.masks, or leave masks of the model out",
        )
    changes = {} if isinstance(model.masks, bool) else model.masks
    return _changed(images.masks, changes, f"masks of model {name!r} for data set {dataset!r}")


def _changed(config: C, changes: Mapping[str, Any], where: str) -> C:
    """Return a configuration with some fields changed, section by section, and held to its rules again."""
    return parse_config(type(config), under(config.model_dump(mode="json"), changes), where) if changes else config


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
