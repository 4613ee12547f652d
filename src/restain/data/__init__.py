"""Training images: where pairs come from, and how batches are cut from them."""

from restain.data.crops import Crops, batches
from restain.data.pairs import DataConfig, FolderPairsConfig, Pairs, PhantomPairsConfig, make_pairs

__all__ = ["Crops", "DataConfig", "FolderPairsConfig", "Pairs", "PhantomPairsConfig", "batches", "make_pairs"]
