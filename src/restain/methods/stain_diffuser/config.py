"""The options of StainDiffuser, and the presets that set several of them."""

from collections.abc import Mapping
from typing import Any, Literal, Self, final

from pydantic import Field, model_validator

from restain.config import Config
from restain.diffusion import ScheduleConfig
from restain.methods.denoising import Predicted
from restain.methods.named_options import under
from restain.nn import ModulationConfig, UNetConfig

Preset = Literal["recommended", "ck818", "cd3"]
"""``ck818`` and ``cd3`` are the settings of Kataria et al. (2024): eps, T = 4000 and lambda = 3, or T = 2000 and
lambda = 1, to be sampled by all ancestral steps; betas are scaled to T, since unscaled ones hold nothing but noise for
half of the steps. ``recommended`` predicts v on T = 1000 levels down to pure noise, for a fast sampler."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "recommended": {
        "schedule": {"steps": 1000, "zero_terminal_snr": True},
        "prediction": "v",
        "auxiliary": {"weight": 1.0},
    },
    "ck818": {"schedule": {"steps": 4000}, "prediction": "eps", "auxiliary": {"weight": 3.0}},
    "cd3": {"schedule": {"steps": 2000}, "prediction": "eps", "auxiliary": {"weight": 1.0}},
}


@final
class AuxiliaryConfig(Config):
    """The second diffusion, of a mask or a distance to its border; what it is of, the data decide (``masks``)."""

    weight: float = Field(default=1.0, gt=0)
    """Lambda, its weight in the loss; 1 or 3 were best of 0.1 to 10 in the paper."""
    unet: UNetConfig | None = None
    """Its network; null takes that of the stain at half the width, since one channel needs less."""
    shared_time: bool = False
    """Whether both tasks meet the same t in a step; independent ones disturb each other less in the encoder."""
    keep: bool = False
    """Whether the bundle keeps it, for ``segment``; staining never runs it."""


@final
class StainDiffuserConfig(Config):
    """Options of StainDiffuser."""

    preset: Preset | None = "recommended"
    """Options that take the place of the defaults below, and yield to what is set explicitly; null for none."""
    unet: UNetConfig = UNetConfig()
    """The network that denoises the stain; each stain has one of its own."""
    encoder: UNetConfig | None = None
    """The way down that reads the source, without time; null takes that of ``unet``. It runs once per image, so a wide
    one costs little at staining."""
    modulation: ModulationConfig = ModulationConfig()
    """How the source's features act on the networks."""
    schedule: ScheduleConfig = ScheduleConfig()
    """Noise levels."""
    prediction: Predicted = "v"
    """What the networks predict; x0 suits narrow ones."""
    min_snr: float | None = None
    """Gamma of the min-SNR weights; null weighs all levels equally."""
    auxiliary: AuxiliaryConfig | None = None
    """The auxiliary task; null trains the stain alone."""
    stains: int = Field(default=1, ge=1)
    """How many stains it makes, from images that show one of them each."""
    weights: tuple[float, ...] | None = None
    """Lambda_i, weights of the stains in the loss; null weighs them equally."""
    shared: bool = False
    """Whether one network makes all stains, told which, instead of one network each: N times smaller, but the stains
    share what it learns."""
    make: tuple[int, ...] | None = None
    """Which of the stains are made, by number; null makes all."""
    both_ways: Literal["told", "untold"] | None = None
    """Whether one network learns both directions; `untold` is the literal form, which must guess the direction from
    the image, `told` has an embedding of it. Null learns to stain only."""
    backward: bool = False
    """Whether a model of both ways turns the target into the source."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, options: Any) -> Any:
        """Put the preset under the explicit options; an unknown one is refused by its field."""
        if isinstance(options, dict) and isinstance(preset := options.get("preset", "recommended"), str):
            filled = under(PRESETS.get(preset, {}), options)
            several = filled.get("stains", 1) != 1 or filled.get("both_ways") is not None
            concat = isinstance(form := filled.get("modulation"), dict) and form.get("form") == "concat"
            if (several or concat) and "auxiliary" not in options:
                filled["auxiliary"] = None  # these have none in the paper
            return filled
        return options

    @classmethod
    def expanded(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return changed options with a preset spelled out, so that it takes the place of what stood before."""
        return under(PRESETS.get(options.get("preset", ""), {}), options)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        concat = self.modulation.form == "concat"
        if concat and (self.auxiliary is not None or self.encoder is not None):
            raise ValueError("modulation.form concat has no encoder that an auxiliary task could share")
        if self.stains > 1 and (self.auxiliary is not None or self.both_ways is not None):
            raise ValueError(f"with {self.stains} stains there is neither an auxiliary task nor both_ways")
        if self.backward and self.both_ways is None:
            raise ValueError("backward needs a model that was trained with both_ways")
        if self.shared and self.stains == 1:
            raise ValueError("shared needs several stains")
        if self.weights is not None and len(self.weights) != self.stains:
            raise ValueError(f"{len(self.weights)} weights do not fit {self.stains} stains")
        if self.make is not None and not set(self.make) <= set(range(self.stains)):
            raise ValueError(f"make names a stain outside 0 .. {self.stains - 1}")
        if self.auxiliary is not None and self.auxiliary.unet is None:
            halves = [width // 2 for width in self.unet.widths]
            if any(half % (self.unet.heads or 4) for half in halves):
                raise ValueError(
                    f"half of unet is {halves} wide, not multiples of {self.unet.heads or 4}: set auxiliary.unet"
                )
        encoder = self.encoder or self.unet
        if (encoder.fold, len(encoder.multipliers)) != (self.unet.fold, len(self.unet.multipliers)):
            raise ValueError("encoder and unet must fold alike and have equally many levels, so that features meet")
        return self
