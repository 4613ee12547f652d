"""Staining: a tile, a folder or a slide, with any model, on any device; and coarse masks of a folder."""

from restain.inference.draws import draw_image, stain_samples
from restain.inference.image import stain
from restain.inference.masks import mask_folder
from restain.inference.model import load_model
from restain.inference.options import StainOptions
from restain.inference.plan import Cost, Forecast, forecast
from restain.inference.progress import Progress
from restain.inference.run import outputs_of, run, summaries_of
from restain.inference.slide import stain_slide
from restain.inference.stainer import Stainer
from restain.inference.uncertainty import Uncertainty, UncertaintyOptions
from restain.inference.uncertainty_summary import UncertaintySummary

__all__ = [
    "Cost",
    "Forecast",
    "Progress",
    "StainOptions",
    "Stainer",
    "Uncertainty",
    "UncertaintyOptions",
    "UncertaintySummary",
    "draw_image",
    "forecast",
    "load_model",
    "mask_folder",
    "outputs_of",
    "run",
    "stain",
    "stain_samples",
    "stain_slide",
    "summaries_of",
]
