"""What made a result: stored in its metadata, and what tells one unfinished job from another."""

import json
from pathlib import Path

from restain import __version__
from restain.bundle import WEIGHTS
from restain.geometry import Mpp
from restain.inference.stainer import Stainer


def provenance(path: Path, stainer: Stainer, mpp: Mpp | None) -> dict[str, str]:
    """Return everything that the pixels of a result depend on, as text.

    Device and batch are left out, so that a job may go on with others: they change the order in which kernels add,
    which moves single pixels by a grey level (in bf16 up to two).

    Args:
        path: the input.
        stainer: the model, ready to run.
        mpp: scale of the input, where the user tells it.
    """
    card, facts = stainer.model.card, path.stat()
    made = {
        "software": f"restain {__version__}",
        "model": card.name,
        "weights": f"sha256 {card.files[WEIGHTS]}" if WEIGHTS in card.files else "not saved",
        "method": card.method,
        "options": json.dumps(card.method_config, sort_keys=True),
        "stains": f"{card.source.name} to {card.made}",
        "precision": stainer.options.precision,
        "scale": "of the file" if mpp is None else str(mpp),
        "source": path.name,
        "source_bytes": str(facts.st_size),
        "source_modified_ns": str(facts.st_mtime_ns),
    }
    if stainer.sampling is not None:
        sampling = stainer.sampling
        made |= {"sampler": sampling.sampler, "steps": str(sampling.steps), "seed": str(stainer.options.seed)}
    return made
