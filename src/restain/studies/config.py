"""The configuration of a study: data sets, models, cells (a model used in one way) and tables."""

from pathlib import Path
from typing import Any, Literal, Self, final

from pydantic import Field, model_validator

from restain.bundle import Stain
from restain.config import Config
from restain.data import DataConfig, MasksConfig
from restain.diffusion import Sampler
from restain.training.config import Course, MethodChoice, Use

Reference = Literal["truth", "identity"]
"""Rows that need no model: the truth itself, and the image that was to be stained."""


@final
class DatasetConfig(Config):
    """One data set: the images of part train and held_out make the models, those of part test the numbers."""

    source: Stain
    """What is to be stained."""
    target: Stain
    """The stain wanted."""
    data: DataConfig
    """Where pairs come from, as in a training configuration."""
    swapped: DataConfig | None = None
    """The same images with source and target exchanged, for models with ``swap``; None exchanges the fields
    ``data.source`` and ``data.target``, which not every kind of data has."""
    masks: MasksConfig | None = None
    """Where the masks of its marker come from, for models that ask for them."""
    test_images: int | None = Field(default=None, ge=1)
    """How many images of part test are stained, evenly spread over it; None takes all."""
    side: int | None = Field(default=None, ge=1)
    """Test images are cut to their upper left square of this side in pixels; None takes them whole."""


@final
class ModelConfig(Config):
    """What answers: a fragment of a training configuration, a bundle that exists, or images of another tool."""

    bundle: str | None = None
    """Folder or name of a bundle; ``{dataset}`` in it stands for the data set, and ``{folder}`` for the name of its
    folders (``ck8-18`` of CK8/18). None trains one."""
    images: str | None = None
    """Folder of stained images, named as the test images, that another tool has made; ``{dataset}`` and ``{folder}`` as
    in ``bundle``."""
    method: MethodChoice | None = None
    """What is trained."""
    parts: dict[str, str] = Field(default_factory=dict)
    """Other models of the study that this one holds: name of the part to name of the model."""
    training: Course | None = None
    """How it is trained; ``images: 0`` assembles a method that has nothing of its own to learn."""
    use: Use = Field(default_factory=Use)
    """How it is applied."""
    swap: bool = False
    """Whether source and target are exchanged: a prior of the source stain is a model with ``swap``."""
    data: dict[str, Any] = Field(default_factory=dict)
    """Fields of the data set's ``data`` that differ for its training, for example fewer ``slides``, or another ``mpp``;
    test images stay as they are, and are rescaled for it."""
    masks: bool | dict[str, Any] = False
    """Whether it learns from the masks of the data set, for an auxiliary task; or the fields of them that differ."""
    stains: tuple[str, ...] = ()
    """Data sets whose images train it together, as a model that makes all their targets; it is trained once, and each
    of them shows its own stain. Empty for a model of one stain, trained for each data set."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        trained = self.method is not None and self.training is not None
        if self.bundle is None and self.images is None and not trained:
            raise ValueError("either bundle, or images, or method and training are needed")
        of_training = ("method", "training", "parts", "swap", "data", "masks", "stains")
        if (self.bundle is not None or self.images is not None) and any(getattr(self, name) for name in of_training):
            raise ValueError(f"a bundle is taken as it is, and so are images: without {', '.join(of_training)}")
        if self.bundle is not None and self.images is not None:
            raise ValueError("a model is a bundle or images, and not both")
        if self.stains and (self.parts or self.swap or self.masks):
            raise ValueError("a model of several stains has neither parts nor swap nor masks")
        if self.stains and (len(self.stains) < 2 or len(set(self.stains)) < len(self.stains)):
            raise ValueError("stains names at least two data sets, each once")
        return self


@final
class SamplingChange(Config):
    """How a cell samples otherwise than its model."""

    sampler: Sampler | None = None
    """None keeps the model's own."""
    steps: int | None = Field(default=None, ge=1)
    """None keeps the model's own."""


@final
class CellConfig(Config):
    """A row of tables: a model, used in one way. With every data set it is a cell."""

    name: str
    """How tables call it."""
    model: str
    """A model of the study; or ``truth`` (the target as its own answer) or ``identity`` (the source as the answer)."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the method that differ from the model's; the weights stay."""
    sampling: SamplingChange = SamplingChange()
    """Sampler and steps that differ from the model's."""
    datasets: tuple[str, ...] | None = None
    """Data sets that have this row; None for all."""
    source_of: str | None = None
    """Data set whose test images are stained instead of the own ones. They have no truth here, so that only columns
    that compare sets of images, and costs, have values."""


@final
class TableConfig(Config):
    """A table: cells by columns, for every data set."""

    name: str
    """Name of its files."""
    title: str = ""
    """Its heading; empty takes the name."""
    note: str = ""
    """What a reader must know, below the table."""
    cells: tuple[str, ...] | None = None
    """Names of cells, in order; None takes all."""
    columns: tuple[str, ...]
    """Names of metrics, of readings of the phantom's cells, of numbers of sets of images such as ``fid``, or
    ``seconds`` and ``memory``."""


@final
class StudyConfig(Config):
    """Everything a study depends on."""

    name: str
    """Name of the study."""
    title: str = ""
    """Heading of its page; empty takes the name."""
    out: Path
    """Folder for models, images and tables."""
    seed: int = Field(default=0, ge=0)
    """Seed of trainings, of noise and of the intervals in tables. Equal for all cells, so that they differ by what
    they are and not by luck."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where images are stained; ``auto`` takes the first GPU, or the CPU where there is none."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Of staining; see ``restain stain``."""
    features: str = Field(default="phantom", pattern="^(phantom|inception(=.+)?|timm=.+)$")
    """What takes the features behind ``fid``, ``kid``, precision and recall; see ``restain evaluate --features``. The
    default comes with restain and has seen tissue; ``inception`` is what papers use, and has seen photographs."""
    stainnet: str = Field(default="stainnet", pattern="^stainnet(=.+)?$")
    """What takes the features behind ``fsd``. The default comes with restain and has seen synthetic tissue in H&E; for
    another tissue or stain train one of your own."""
    examples: int = Field(default=1, ge=0)
    """Test images of each data set that the page shows, with the answers of all cells."""
    datasets: dict[str, DatasetConfig] = Field(min_length=1)
    """By the names that tables call them."""
    models: dict[str, ModelConfig] = Field(default_factory=dict)
    """By name; only those that a cell needs are made."""
    cells: tuple[CellConfig, ...] = Field(min_length=1)
    """The rows."""
    tables: tuple[TableConfig, ...] = Field(min_length=1)
    """What is written."""
