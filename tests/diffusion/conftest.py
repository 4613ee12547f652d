"""Exact laws of samples: on Gaussian images samplers are affine in the start and in every draw, so probes tell all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from restain.diffusion import Denoiser, GaussianDenoiser, Guide, Kernel, Noise, Schedule, sample


@dataclass
class Law:
    """Mean and standard deviation per channel, float64."""

    mean: Tensor
    std: Tensor

    def error(self, truth: "Law") -> tuple[Tensor, Tensor]:
        """Return the absolute error of the mean and the relative error of the standard deviation."""
        return (self.mean - truth.mean).abs(), self.std / truth.std - 1


class UnitDraws(Noise):
    """A unit of noise at the k-th draw in image k + 1, none elsewhere."""

    def __call__(self, like: Tensor, draw: int) -> Tensor:
        noise = torch.zeros_like(like)
        noise[draw + 1] = 1
        return noise

    def of(self, image: int) -> Noise:
        raise NotImplementedError


MakeLaw = Callable[[Sequence[float], Sequence[float]], Law]


@pytest.fixture(scope="session")
def law() -> MakeLaw:
    return lambda mean, std: Law(torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64))


@pytest.fixture(scope="session")
def truth(law: MakeLaw) -> Law:
    """Four kinds of pixels, from strong structure to fine texture."""
    return law((0.0, 0.5, -0.8, 0.9), (1.0, 0.5, 0.2, 0.05))


@pytest.fixture(scope="session")
def denoiser_of(truth: Law) -> Callable[[Schedule], GaussianDenoiser]:
    return lambda schedule: GaussianDenoiser(schedule, truth.mean.reshape(4, 1, 1), truth.std.reshape(4, 1, 1))


@pytest.fixture(scope="session")
def law_of() -> Callable[..., Law]:
    """Return the law of what a sampler makes of x_T ~ N(mean, std^2), without any Monte-Carlo error."""

    def propagate(
        denoiser: Denoiser,
        times: Sequence[float],
        kernel: Kernel,
        start: Law | None = None,
        hooks: Sequence[Guide] = (),
    ) -> Law:
        if start is None:
            zero = torch.zeros(4, dtype=torch.float64)
            start = Law(zero, zero + denoiser.schedule.level(times[0]).sigma)
        x_t = torch.zeros(len(times) + 1, len(start.mean), 1, 1, dtype=torch.float64)
        x_t[1] = 1
        at_0, at_1, *drawn = sample(denoiser, x_t, times, kernel, UnitDraws(), hooks=hooks).flatten(1)
        slope, weights = at_1 - at_0, torch.stack(drawn) - at_0
        variance = slope**2 * start.std**2 + (weights**2).sum(0)
        return Law(at_0 + slope * start.mean, variance.sqrt())

    return propagate
