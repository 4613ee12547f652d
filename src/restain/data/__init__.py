"""Training images: where they come from, which part each belongs to, and how batches are cut from them."""

from restain.data.alignment import Shift, check_alignment, measure_shift
from restain.data.bci import BciConfig
from restain.data.crops import Crop, Crops, batch_of, batches
from restain.data.folders import FolderPairsConfig, SingleFolderConfig, UnalignedFoldersConfig
from restain.data.masks import (
    CoarseMasksConfig,
    FolderMasksConfig,
    MaskedPairs,
    MasksConfig,
    NucleiMasksConfig,
    check_masks,
    threshold_of,
)
from restain.data.mist import MistConfig
from restain.data.pairs import Pairs, Part
from restain.data.phantom import PhantomField, PhantomPairs, PhantomPairsConfig
from restain.data.scored import ScoredImages, ScoredPatches, scored_batches
from restain.data.scored_phantom import PhantomScoresConfig
from restain.data.scored_sources import ScoresConfig, make_scored
from restain.data.scored_table import ScoredTableConfig
from restain.data.sources import DataConfig, UniplexConfig, make_pairs
from restain.data.windows import source_window

__all__ = [
    "BciConfig",
    "CoarseMasksConfig",
    "Crop",
    "Crops",
    "DataConfig",
    "FolderMasksConfig",
    "FolderPairsConfig",
    "MaskedPairs",
    "MasksConfig",
    "MistConfig",
    "NucleiMasksConfig",
    "Pairs",
    "Part",
    "PhantomField",
    "PhantomPairs",
    "PhantomPairsConfig",
    "PhantomScoresConfig",
    "ScoredImages",
    "ScoredPatches",
    "ScoredTableConfig",
    "ScoresConfig",
    "Shift",
    "SingleFolderConfig",
    "UnalignedFoldersConfig",
    "UniplexConfig",
    "batch_of",
    "batches",
    "check_alignment",
    "check_masks",
    "make_pairs",
    "make_scored",
    "measure_shift",
    "scored_batches",
    "source_window",
    "threshold_of",
]
