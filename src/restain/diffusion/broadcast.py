"""The one place where a number per image meets a batch of images."""

from torch import Tensor


def expand(coefficient: Tensor, like: Tensor) -> Tensor:
    """Bring one number, or one per image, to the type, device and number of axes of a batch.

    Coefficients are computed in float64 and rounded once, here.

    Args:
        coefficient: () or (B,).
        like: (B, ...).

    Returns:
        The coefficient as (1, 1, ...) or (B, 1, ...).
    """
    missing = like.ndim - coefficient.ndim
    return coefficient.reshape(*coefficient.shape, *(1,) * missing).to(like.device, like.dtype)
