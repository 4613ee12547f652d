"""Training images: where they come from, which part each belongs to, and how batches are cut from them."""

from restain.data.bci import BciConfig
from restain.data.crops import Crops, batches
from restain.data.folders import FolderPairsConfig, SingleFolderConfig, UnalignedFoldersConfig
from restain.data.mist import MistConfig
from restain.data.pairs import Pairs, Part
from restain.data.phantom import PhantomField, PhantomPairs, PhantomPairsConfig
from restain.data.sources import DataConfig, make_pairs

__all__ = [
    "BciConfig",
    "Crops",
    "DataConfig",
    "FolderPairsConfig",
    "MistConfig",
    "Pairs",
    "Part",
    "PhantomField",
    "PhantomPairs",
    "PhantomPairsConfig",
    "SingleFolderConfig",
    "UnalignedFoldersConfig",
    "batches",
    "make_pairs",
]
