"""Schedules and samplers by name, for configurations and the command line."""

from collections.abc import Callable, Mapping
from typing import Literal, final

from pydantic import field_validator

from restain.config import Config
from restain.diffusion.ancestral import Ancestral, EulerMaruyama
from restain.diffusion.grids import Times, lu, to_the_last, trailing
from restain.diffusion.kernels import Kernel
from restain.diffusion.multistep import DPMSolverMultistep, UniPC
from restain.diffusion.ode import DDIM
from restain.diffusion.schedules import (
    Schedule,
    VariancePreserving,
    half_cosine,
    linear,
    nichol_dhariwal,
    zero_terminal_snr,
)

Sampler = Literal[
    "dpmpp_2m", "dpmpp_2m_sde", "unipc", "ddim", "ancestral", "ancestral_small", "euler_maruyama", "bridge"
]
"""Samplers that may be asked for by name."""

FLOW_SAMPLERS: tuple[Sampler, ...] = ("ddim", "dpmpp_2m", "unipc")
"""Those that follow the flow: all that is random about them is where they start."""

_SAMPLERS: Mapping[Sampler, tuple[Kernel, Callable[[Schedule, int, float | None], Times]]] = {
    "dpmpp_2m": (DPMSolverMultistep(), lu),
    "dpmpp_2m_sde": (DPMSolverMultistep(stochastic=True), lu),
    "unipc": (UniPC(), lu),
    "ddim": (DDIM(), lu),
    "ancestral": (Ancestral("large"), trailing),
    "ancestral_small": (Ancestral("small"), trailing),
    "euler_maruyama": (EulerMaruyama(), trailing),
    "bridge": (Ancestral("small"), to_the_last),
}


@final
class Sampling(Config):
    """How to sample."""

    sampler: Sampler = "dpmpp_2m"
    """DPM-Solver++(2M) on a log-SNR grid keeps fine texture at few steps; the ancestral ones are the papers', `bridge`
    that of Brownian bridges (`ancestral_small` which looks at the lowest level last)."""
    steps: int = 20
    """Network evaluations per image: 20 for `dpmpp_2m` and its kin, the schedule's 1000 for the ancestral ones, 200 for
    `bridge`."""

    @field_validator("steps")
    @classmethod
    def _positive(cls, steps: int) -> int:
        if steps < 1:
            raise ValueError("at least one step is needed")
        return steps

    def plan(self, schedule: Schedule, start: float | None = None) -> tuple[Kernel, Times]:
        """Return the kernel and the times it visits, from ``start`` on; None starts from pure noise."""
        kernel, grid = _SAMPLERS[self.sampler]
        return kernel, grid(schedule, self.steps, start)


@final
class ScheduleConfig(Config):
    """A noise schedule by name."""

    name: Literal["linear", "half_cosine", "nichol_dhariwal"] = "linear"
    """`linear` is Ho et al.'s, with ends scaled by 1000/T; `half_cosine` Sridhar et al.'s; `nichol_dhariwal` theirs."""
    steps: int = 1000
    """T, the number of noise levels."""
    zero_terminal_snr: bool = False
    """Leave nothing of the image at T, so that sampling starts from what training saw; needs v- or x0-prediction."""

    def build(self) -> VariancePreserving:
        """Return the schedule."""
        make = {"linear": linear, "half_cosine": half_cosine, "nichol_dhariwal": nichol_dhariwal}[self.name]
        schedule = make(self.steps)
        return zero_terminal_snr(schedule) if self.zero_terminal_snr else schedule
