"""Extractors: networks that turn images into features, for metrics that compare distributions."""

from restain.features.catalogue import find_extractor
from restain.features.extractor import Extractor, Features, features_of
from restain.features.hub import HubExtractor
from restain.features.inception import InceptionExtractor
from restain.features.network_files import save_network
from restain.features.phantom import PhantomExtractor
from restain.features.stainnet import StainNetCard, StainNetExtractor, load_stainnet
from restain.features.tiles import tiles_in

__all__ = [
    "Extractor",
    "Features",
    "HubExtractor",
    "InceptionExtractor",
    "PhantomExtractor",
    "StainNetCard",
    "StainNetExtractor",
    "features_of",
    "find_extractor",
    "load_stainnet",
    "save_network",
    "tiles_in",
]
