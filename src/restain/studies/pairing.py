"""Whether a model has learnt from pairs, which tables say beside its name."""

import functools
import json
from typing import Any

from restain.bundle import channels_of, load_card
from restain.methods import build_method
from restain.studies.plan import PlannedModel


def is_paired(model: PlannedModel) -> bool:
    """Return whether a model learns from pixels of the source and the same pixels of the target."""
    what = model.train or load_card(model.bundle)
    name, options = _method(model)
    return _asked(name, json.dumps(options), len(what.source.channels), len(channels_of(what.target)))


@functools.cache
def _asked(name: str, options: str, source_channels: int, target_channels: int) -> bool:
    # Some methods know it only of their options, so one has to be built.
    return build_method(
        name, json.loads(options), source_channels=source_channels, target_channels=target_channels
    ).paired


def _method(model: PlannedModel) -> tuple[str, dict[str, Any]]:
    """Return name and options of the method, with those of its parts."""
    if model.train is None:
        card = load_card(model.bundle)
        return card.method, card.method_config
    parts = {part: _method(held)[1] for part, held in model.parts.items()}
    return model.train.method.name, {**model.train.method.config, **parts}
