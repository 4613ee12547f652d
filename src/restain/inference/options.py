"""How to run a model: every option of staining, once."""

from typing import Literal, final

from pydantic import Field

from restain.config import Config
from restain.diffusion import Sampler


@final
class StainOptions(Config):
    """How a model is run; what it is and what it expects stands in its card."""

    sampler: Sampler | None = None
    """None takes the card's, with which the model was measured."""
    steps: int | None = Field(None, ge=1)
    """Network evaluations per tile; None takes the card's."""
    seed: int = Field(0, ge=0, lt=2**64)
    """Equal seeds give equal stains; models that compute one answer have no use for it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where networks run; `auto` takes the first GPU, or the CPU where there is none."""
    batch: int | None = Field(None, ge=1)
    """Tiles at once; None takes 8 on a GPU, and 1 on a CPU, where more is not faster but needs more memory."""
    samples_at_once: int | None = Field(None, ge=1)
    """Samples of a tile at once, where several are drawn; None takes `batch` if that is given, else 8 on a GPU and 4 on
    a CPU."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """bf16 autocast is twice as fast on recent devices; fp32 helps old CPUs, and models that overflow."""
    compression: Literal["jpeg", "deflate", "zstd"] | None = None
    """Of slides; None takes JPEG of quality 90, as scanners do, for colour, and zstd, which is lossless, for others."""
