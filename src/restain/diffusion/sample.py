"""The one sampler loop. SDEdit is a start time, guidance is a hook, a solver is a kernel, randomness is an argument."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from torch import Tensor

from restain.diffusion.denoiser import Denoiser
from restain.diffusion.guides import Guide
from restain.diffusion.kernels import Kernel, Moment
from restain.diffusion.noise import Noise
from restain.diffusion.schedules import Level


@final
@dataclass(frozen=True, slots=True)
class Step:
    """One finished step of the sampler: from ``now`` to the images ``x_s`` at time s."""

    now: Moment
    s: Level
    x_s: Tensor


@torch.no_grad()
def steps(
    denoiser: Denoiser,
    x_t: Tensor,
    times: Sequence[float],
    kernel: Kernel,
    noise: Noise,
    source: Tensor | None = None,
    hooks: Sequence[Guide] = (),
) -> Iterator[Step]:
    """Yield the steps of ``sample`` one by one, for progress and pictures; arguments as there."""
    levels = [denoiser.schedule.level(t) for t in times]

    def predict(x_t: Tensor, t: Level) -> Tensor:
        x0 = denoiser(x_t, torch.tensor(t.t, dtype=torch.float64), source)
        for hook in hooks:
            x0 = hook.on_x0(x0, x_t, t)
        return x0

    past: tuple[Moment, ...] = ()
    for draw, (t, s) in enumerate(pairwise(levels), start=1):
        transition = kernel(Moment(t, x_t, predict(x_t, t)), s, past, predict)
        now, x_s = transition.now, transition.mean
        for hook in hooks:
            x_s = hook.on_mean(x_s, transition.std**2, now, s)
        if transition.std > 0:
            x_s = x_s + transition.std * noise(x_s, draw)
        for hook in hooks:
            x_s = hook.on_sample(x_s, s)
        for hook in hooks:
            hook.on_step_end(x_s, s)
        yield Step(now, s, x_s)
        past, x_t = (now, *past)[: kernel.memory], x_s


def sample(
    denoiser: Denoiser,
    x_t: Tensor,
    times: Sequence[float],
    kernel: Kernel,
    noise: Noise,
    source: Tensor | None = None,
    hooks: Sequence[Guide] = (),
) -> Tensor:
    """Follow the times from a noisy image to a clean one.

    Each step predicts the clean image, lets the hooks edit it, asks the kernel for the law of the next image, lets the
    hooks edit its mean, draws, lets the hooks edit the sample, and tells them that the step is over.

    Args:
        denoiser: what knows the images, and the schedule.
        x_t: the images at ``times[0]``, (B, C, H, W); standard normal noise to start from nothing, a noisy image to
            start from one (SDEdit).
        times: see ``grids``; descending, usually to 0.
        kernel: see ``kernels``.
        noise: asked for draw k at the k-th step, by kernels that draw.
        source: what the denoiser is conditioned on.
        hooks: see ``guides``; called in their order.

    Returns:
        The images at ``times[-1]``, (B, C, H, W).
    """
    for step in steps(denoiser, x_t, times, kernel, noise, source, hooks):
        x_t = step.x_s
    return x_t
