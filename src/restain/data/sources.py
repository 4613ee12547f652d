"""Every source of training images, by the kind that a configuration names."""

from typing import Annotated, Literal, Self, final

from pydantic import Field, model_validator

from restain.config import Config
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
from restain.data.uniplex import UniplexPairs

Kind = FolderPairsConfig | UnalignedFoldersConfig | SingleFolderConfig | PhantomPairsConfig | BciConfig | MistConfig
"""Sources of images of one target stain."""

OneStain = Annotated[Kind, Field(discriminator="kind")]
"""Where images of one target stain come from."""


@final
class UniplexConfig(Config):
    """Data sets with a target stain each, for a model that makes several stains."""

    kind: Literal["uniplex"] = "uniplex"
    """Tells the sources of data apart."""
    stains: dict[str, OneStain] = Field(min_length=2)
    """The images of every stain, by its name, in the order of the targets."""

    @property
    def mpp(self) -> float | None:
        """Scale of all images."""
        return next(iter(self.stains.values())).mpp

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(scales := {data.mpp for data in self.stains.values()}) > 1:
            raise ValueError(
                f"the stains have images of {', '.join(map(str, scales))} um/px, and one model has one scale"
            )
        return self


DataConfig = Annotated[Kind | UniplexConfig, Field(discriminator="kind")]
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
        case UniplexConfig():
            return UniplexPairs({name: make_pairs(data, part) for name, data in config.stains.items()})
