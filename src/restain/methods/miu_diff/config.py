"""The options of MIU-Diff."""

from collections.abc import Mapping
from typing import Any, Literal, Self, final

from pydantic import Field, model_validator

from restain.config import Config
from restain.methods.miu_diff.entropy import Entropy
from restain.methods.miu_diff.grey import ColourRemoval
from restain.methods.miu_diff.presets import PRESETS, Preset
from restain.methods.prior import PriorConfig
from restain.nn import MineConfig, Proxy


@final
class MIUDiffConfig(Config):
    """Options of MIU-Diff; times are counted as in the prior's schedule, usually 1 .. 1000."""

    preset: Preset | None = "recommended"
    """Named settings under those given explicitly (see ``presets.py``); null leaves the defaults of the options below,
    which are the paper's wherever that works."""
    prior: PriorConfig = PriorConfig()
    """The score model of the target stain, a part."""
    critic: MineConfig = MineConfig()
    """The estimator of mutual information, the one network that is trained here."""

    start_step: int = Field(300, ge=1)
    """S: the source is noised up to here; later starts keep more of its structure and of its stain."""
    guided_steps: int = Field(300, ge=0)
    """N: guidance acts while t > S - N; 0 is none."""
    colour_removal: ColourRemoval = "luma601"
    """How the source loses its stain before it is noised; luma is the papers'."""
    match_luma: Literal["none", "moments", "quantiles"] = "none"
    """How the grey start gets the luma of the target stain: not at all (the paper); ``moments``: mean and spread of
    every image become the stain's; ``quantiles``: one map for all images carries the luma of sources to the stain's."""

    proxy: Proxy = "luma_gradient"
    """What stands for structure; per channel it would carry the identity of the stain."""
    structure_of: Literal["source", "grey"] = "source"
    """Of which image the structure is taken: of the source as it is, or without its colour, which is nearer to what the
    critic knows where colour removal also removes tissue that the target stain does not show."""
    blur: float = Field(0.0, ge=0)
    """Sigma in pixels of a Gaussian over the structural map: it survives more noise, less exact in place."""
    critic_input: Literal["noisy", "tweedie", "clean_literal"] = "noisy"
    """What the critic is trained on and asked about: images and sources at the noise level (``noisy``), the predicted
    clean image and the clean source (``tweedie``), or noisy images after a training on clean ones (``clean_literal``,
    the paper's text, for the ablation)."""
    critic_range: int = Field(500, ge=1)
    """The critic is trained for times up to here; S may be anything below."""
    jacobian: Literal["full", "scale"] = "scale"
    """How ``tweedie`` carries the gradient to the noisy image: through the network, or by the factor 1 / alpha_t."""
    source_noise: Literal["fresh", "shared"] = "fresh"
    """Noise of the source in ``noisy``: fresh at every step is what the critic was trained on; ``shared`` is the noise
    that built the start, as in EGSDE."""
    entropy: Entropy = "gauss3"
    """Estimator of H(y)."""
    terms: Literal["both", "I", "U", "none"] = "both"
    """Which terms of the energy act."""
    lambda_form: Literal["paper", "decoupled"] = "paper"
    """``paper``: -M = lambda H + (1 - 2 lambda) I, which pushes structure away while t > S/2; ``decoupled``: -M =
    lambda H + (1 - lambda) I."""
    lambda_course: Literal["linear", "constant"] = "linear"
    """lambda_t = t / S, or ``lambda_value`` throughout."""
    lambda_value: float = Field(0.5, ge=0, le=1)
    """lambda where it is constant."""
    normalize: Literal["calibrated", "per_step", "none"] = "calibrated"
    """``calibrated``: each term relative to its usual size (measured after training), times kappa; ``per_step``: each
    to unit size at every step, noise included; ``none``: the bare gradients, which move no pixel by a grey level."""
    kappa: float = Field(0.2, ge=0)
    """Strength of calibrated guidance: the shift of a single step of the schedule relative to its noise."""
    weight_u: float = Field(1.0, ge=0)
    """Weight of the staining information U."""
    weight_i: float = Field(1.0, ge=0)
    """Weight of the mutual information I."""
    at: Literal["mean", "state"] = "mean"
    """Where ancestral samplers take the gradient: at the mean of the step (the paper) or at its start (EGSDE)."""

    refinement: Literal["lora", "weights", "latent", "none"] = "lora"
    """What the local contrastive loss edits while t <= t'_0: small adapters of the decoder, all weights (the paper), or
    the image itself, ten times cheaper and in batches."""
    refinement_loss: Literal["nce", "feature_l2"] = "nce"
    """PatchNCE, or the distance of the same features, for the ablation."""
    refinement_start: int = Field(40, ge=1)
    """t'_0: refinement acts from here to 0."""
    refinement_rate: float = Field(1e-4, gt=0)
    """Learning rate of Adam; 1e-4 suits adapters, 1e-5 all weights."""
    refinement_kappa: float = Field(0.3, ge=0)
    """Strength of ``latent``: the shift of a single step of the schedule relative to its noise."""
    rank: int = Field(4, ge=1)
    """Rank of the adapters."""
    places: int = Field(256, ge=2)
    """Places per level at which features are compared."""
    temperature: float = Field(0.07, gt=0)
    """Temperature of PatchNCE; 0.07 is the published value."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, options: Any) -> Any:
        """Put the preset under the explicit options; an unknown one is refused by its field."""
        if isinstance(options, dict) and isinstance(preset := options.get("preset", "recommended"), str):
            return {**PRESETS.get(preset, {}), **options}
        return options

    @classmethod
    def expanded(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return changed options with a preset spelled out, so that it takes the place of what stood before."""
        return {**PRESETS.get(options.get("preset", ""), {}), **options}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        last = self.prior.schedule.steps
        if self.start_step > last:
            raise ValueError(f"start_step S is {self.start_step}, past the last step T of {last}")
        if self.critic_range > last:
            raise ValueError(f"critic_range is {self.critic_range}, past the last step T of {last}")
        if self.start_step > self.critic_range:
            raise ValueError(f"start_step S is {self.start_step}, past critic_range, {self.critic_range}")
        if self.guided_steps > self.start_step:
            raise ValueError(f"guided_steps N is {self.guided_steps}, more than start_step S, {self.start_step}")
        if self.refinement != "none" and self.refinement_start >= self.start_step / 2:
            raise ValueError(
                f"refinement_start t'_0 is {self.refinement_start}, not below half of start_step S, {self.start_step}"
            )
        return self
