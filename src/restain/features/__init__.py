"""Extractors: networks that turn images into features, for metrics that compare distributions."""

from restain.features.catalogue import find_extractor
from restain.features.extractor import Extractor, Features, features_of
from restain.features.hub import HubExtractor
from restain.features.inception import InceptionExtractor
from restain.features.phantom import PhantomExtractor
from restain.features.tiles import tiles_in

__all__ = [
    "Extractor",
    "Features",
    "HubExtractor",
    "InceptionExtractor",
    "PhantomExtractor",
    "features_of",
    "find_extractor",
    "tiles_in",
]
