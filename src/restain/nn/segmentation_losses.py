"""Losses of a network that says per pixel whether something is there, taught by labels that are partly wrong."""

import torch
from torch import Tensor
from torch.nn import functional


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Return binary cross-entropy against labels that are never quite sure.

    Without smoothing the loss of a wrong label grows without bound as the network becomes sure of the opposite, so that
    it learns wrong labels by heart in the end. With it the best answer to a label is 1 - smoothing / 2.

    Source: Szegedy et al., Rethinking the Inception architecture for computer vision, 2016, section 7, with K = 2.

    Args:
        logits: of any shape; p = sigmoid(logits).
        labels: the same shape, in [0, 1].
        smoothing: weight of the uniform label, in [0, 1).

    Returns:
        a scalar, the mean over pixels.
    """
    target = (1 - smoothing) * labels + smoothing / 2  # t' = (1 - e) t + e / K
    return functional.binary_cross_entropy_with_logits(logits, target)  # -t' log p - (1 - t') log(1 - p)


def soft_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """Return one minus the Dice score of probabilities, over the whole batch.

    It does not depend on how rare the class is, as cross-entropy does. Sums go over the batch, since the score of an
    image without the class is nothing but whether a single pixel was found. One pixel is added on both sides, so that a
    batch without the class, in which none is found, is perfect.

    Source: Milletari et al., V-Net, 2016, section 3, with p and t in the denominator instead of their squares.

    Args:
        logits: (B, C, H, W); p = sigmoid(logits).
        labels: the same shape, in [0, 1].

    Returns:
        a scalar in [0, 1], the mean over channels.
    """
    p = torch.sigmoid(logits)
    over = (0, 2, 3)
    both, all_of_both = (p * labels).sum(over), (p + labels).sum(over)
    dice: Tensor = (2 * both + 1) / (all_of_both + 1)  # 2 sum(p t) / (sum(p) + sum(t))
    return (1 - dice).mean()


def generalised_cross_entropy(logits: Tensor, labels: Tensor, q: float) -> Tensor:
    """Return what is cross-entropy as q goes to 0 and mean absolute error at q = 1.

    Its gradient is that of cross-entropy times p^q of the labelled class: pixels whose label the network holds for very
    unlikely count less, which are the ones with wrong labels.

    Source: Zhang and Sabuncu, Generalized cross entropy loss for training deep neural networks with noisy labels, 2018,
    equation 6.

    Args:
        logits: of any shape; p = sigmoid(logits).
        labels: the same shape, in [0, 1]; in between, both classes count with their shares.
        q: in (0, 1].

    Returns:
        a scalar, the mean over pixels.
    """
    positive, negative = functional.logsigmoid(logits), functional.logsigmoid(-logits)  # log p, log(1 - p)
    # L_q = (1 - p_y^q) / q
    loss = labels * -torch.expm1(q * positive) / q + (1 - labels) * -torch.expm1(q * negative) / q
    return loss.mean()
