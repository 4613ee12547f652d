"""Virtual staining you can measure.

The names below are loaded when they are first asked for, so that ``import restain`` costs nothing.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from restain.geometry import Mpp
    from restain.inference import StainOptions, load_model, stain, stain_samples, stain_slide
    from restain.reports.evaluate import evaluate
    from restain.slides import create_slide, open_slide

__version__ = "0.1.0"

__all__ = [
    "Mpp",
    "StainOptions",
    "__version__",
    "create_slide",
    "evaluate",
    "load_model",
    "open_slide",
    "stain",
    "stain_samples",
    "stain_slide",
]

_HOMES = {
    "Mpp": "restain.geometry",
    "StainOptions": "restain.inference",
    "create_slide": "restain.slides",
    "evaluate": "restain.reports",
    "load_model": "restain.inference",
    "open_slide": "restain.slides",
    "stain": "restain.inference",
    "stain_samples": "restain.inference",
    "stain_slide": "restain.inference",
}


def __getattr__(name: str) -> typing.Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
