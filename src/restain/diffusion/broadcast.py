"""The one place where a coefficient of a time meets a batch of images."""

from torch import Tensor


def expand(coefficient: Tensor, like: Tensor) -> Tensor:
    """Make a coefficient ready to be multiplied with a batch; it is computed in float64 and rounded once, there.

    Args:
        coefficient: one for all images, (), or one per image, (B,); on the CPU.
        like: (B, ...).

    Returns:
        () as (), on the CPU: such a number joins images on any device, and the device never waits for it.
        (B,) as (B, 1, ...), on the device of ``like``. Both of the type of ``like``.
    """
    if coefficient.ndim == 0:
        return coefficient.to(like.dtype)
    missing = like.ndim - coefficient.ndim
    return coefficient.reshape(*coefficient.shape, *(1,) * missing).to(like.device, like.dtype, non_blocking=True)
