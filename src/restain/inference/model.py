"""From a name to a model in memory."""

from pathlib import Path

from restain.bundle import Model, find_bundle, load_bundle


def load_model(name: str | Path) -> Model:
    """Load a model.

    Args:
        name: the folder of a bundle, or the name of one that `restain models` lists.

    Raises:
        BundleError: there is none, or it is incomplete, damaged or tampered with.
        ConfigError: its card is malformed.
    """
    return load_bundle(find_bundle(str(name)))
