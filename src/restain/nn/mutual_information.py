"""Lower bounds of mutual information from the scores of a critic, in nats.

A critic G scores pairs. ``joint`` are its scores of pairs that belong together, ``marginal`` of pairs that do not.

Equations::

    Donsker-Varadhan   I >= E_joint[G] - log E_marginal[e^G]                          Belghazi et al. 2018 (MINE), eq. 5
    SMILE              the same with e^G clipped to [e^-c, e^c] in the marginal       Song and Ermon 2020, eq. 16
    InfoNCE            I >= E[G_0 - log mean(e^G_0, e^G_1 .. e^G_R)] <= log(R + 1)    van den Oord et al. 2018
    Jensen-Shannon     -E_joint[softplus(-G)] - E_marginal[softplus(G)]               Nowozin et al. 2016 (f-GAN)

All but the last are bounds of I; the last has the same best critic, G = log p(x, y) / p(x) p(y), and trains it calmly.
"""

import math
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional

Bound = Literal["dv_ema", "smile", "infonce"]
"""Donsker-Varadhan with a moving average in its gradient, its clipped form, or the multi-sample bound."""


def donsker_varadhan(joint: Tensor, marginal: Tensor) -> Tensor:
    """Return E_joint[G] - log E_marginal[e^G] over the last axis of each.

    Args:
        joint: scores (..., L).
        marginal: scores (..., M).

    Returns:
        (...,) nats; not to be trusted above about 3, since the log of the mean needs e^I samples.
    """
    return joint.mean(dim=-1) - _log_mean_exp(marginal)


def smile(joint: Tensor, marginal: Tensor, clip: float = 5.0) -> Tensor:
    """Return E_joint[G] - log E_marginal[clip(e^G, e^-c, e^c)] over the last axis of each.

    A value to report, not to maximise: beyond the clip the marginal no longer holds scores down, so that they would
    grow without end. Critics for it are trained by ``jensen_shannon``.

    Args:
        joint: scores (..., L).
        marginal: scores (..., M).
        clip: c; less variance, more bias the smaller it is, and plain Donsker-Varadhan without limit.

    Returns:
        (...,) nats.
    """
    return donsker_varadhan(joint, marginal.clamp(-clip, clip))


def infonce(joint: Tensor, marginal: Tensor) -> Tensor:
    """Return how well a true pair is told from R false ones, E[G_0 - log mean e^G], over the last axis.

    Args:
        joint: scores (..., L) of true pairs.
        marginal: scores (..., R, L) of R false partners for each of them.

    Returns:
        (...,) nats, at most log(R + 1).
    """
    candidates = torch.cat([joint[..., None, :], marginal], dim=-2)
    return (joint - torch.logsumexp(candidates, dim=-2) + math.log(candidates.shape[-2])).mean(dim=-1)


def jensen_shannon(joint: Tensor, marginal: Tensor) -> Tensor:
    """Return -E_joint[softplus(-G)] - E_marginal[softplus(G)] over the last axis: what to maximise for ``smile``.

    Args:
        joint: scores (..., L).
        marginal: scores (..., M).

    Returns:
        (...,), between -2 log 2 (independence) and 0; no bound of the mutual information.
    """
    return -functional.softplus(-joint).mean(dim=-1) - functional.softplus(marginal).mean(dim=-1)


@final
class MarginalAverage(nn.Module):
    """A moving average of E_marginal[e^G] that takes the bias out of the Donsker-Varadhan gradient.

    Within a batch, the gradient of the log term is mean(e^G grad G) / mean(e^G), a ratio of two noisy means and so
    biased. Belghazi et al. (2018, section 3.2) divide by a moving average instead. Everything is kept as a logarithm,
    so that no score overflows.

    Args:
        rate: weight of a new batch in the average.
    """

    log_average: Tensor
    started: Tensor

    def __init__(self, rate: float = 0.01) -> None:
        super().__init__()
        self.rate = rate
        # Both are finite floats from the start, since averages of weights take buffers in too.
        self.register_buffer("log_average", torch.zeros(()))
        self.register_buffer("started", torch.zeros(()))

    def forward(self, joint: Tensor, marginal: Tensor) -> Tensor:
        """Return the Donsker-Varadhan value of a batch with the corrected gradient; take the batch in if training.

        The value is that of ``donsker_varadhan``; the gradient of its log term is mean(e^G grad G) / average. The first
        batch is the average's start. The average includes the batch, so that the ratio is at most 1 / rate.

        Args:
            joint: scores (L,).
            marginal: scores (M,).

        Returns:
            Nats, a scalar.
        """
        log_mean = _log_mean_exp(marginal)
        log_average = self._with(log_mean.detach())
        if self.training:
            self.log_average.copy_(log_average)
            self.started.fill_(1)
        ratio = torch.exp(log_mean - log_average)  # its gradient is mean(e^G grad G) / average
        return joint.mean(dim=-1) - (log_mean.detach() + ratio - ratio.detach())

    def _with(self, log_mean: Tensor) -> Tensor:
        """Return log((1 - rate) average + rate mean), or log mean before the first batch."""
        moved = torch.logaddexp(self.log_average + math.log1p(-self.rate), log_mean + math.log(self.rate))
        return torch.where(self.started > 0, moved, log_mean)


def _log_mean_exp(scores: Tensor) -> Tensor:
    return torch.logsumexp(scores, dim=-1) - math.log(scores.shape[-1])
