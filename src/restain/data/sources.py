"""Every source of training images, by the kind that a configuration names."""

from typing import Annotated

from pydantic import Field

from restain.data.bci import BciConfig, bci_pairs
from restain.data.folders import (
    FolderPairsConfig,
    SingleFolderConfig,
    UnalignedFoldersConfig,
    folder_pairs,
    single_folder,
    unaligned_folders,
)
from restain.data.mist import MistConfig, mist_pairs
from restain.data.pairs import Pairs, Part
from restain.data.phantom import PhantomPairs, PhantomPairsConfig

DataConfig = Annotated[
    FolderPairsConfig | UnalignedFoldersConfig | SingleFolderConfig | PhantomPairsConfig | BciConfig | MistConfig,
    Field(discriminator="kind"),
]
"""Where images come from."""


def make_pairs(config: DataConfig, part: Part) -> Pairs:
    """Return the images that a configuration asks for.

    Raises:
        DataError: missing folders, an empty part, images in two parts, missing partners.

    Warns:
        LeakageWarning: a published split whose parts share slides.
    """
    match config:
        case FolderPairsConfig():
            return folder_pairs(config, part)
        case UnalignedFoldersConfig():
            return unaligned_folders(config, part)
        case SingleFolderConfig():
            return single_folder(config, part)
        case PhantomPairsConfig():
            return PhantomPairs(config, part)
        case BciConfig():
            return bci_pairs(config, part)
        case MistConfig():
            return mist_pairs(config, part)
