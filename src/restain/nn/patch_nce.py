"""Contrastive losses of patches: features at one place of two images should resemble each other.

Sources: Park et al., "Contrastive learning for unpaired image-to-image translation" (CUT, 2020), eq. 3 and 4; Li et
al., "Adaptive supervised PatchNCE loss for learning H&E-to-IHC stain translation with inconsistent groundtruth image
pairs" (ASP, 2023), for the weights of places.

Equations, with features q^n of one image and k^n of another at places n = 1 .. N, scaled to length one::

    InfoNCE    mean_n -log( exp(q^n . k^n / tau) / sum_m exp(q^n . k^m / tau) )
    distance   mean_n mean_c (q^n_c - k^n_c)^2
    adaptive   mean_n w^n InfoNCE^n,    w^n proportional to p + (1 - p) relu(q^n . k^n), of mean one

The false partners of a place are the other places of the same image; the keys receive no gradient.
"""

import torch
from torch import Tensor
from torch.nn import functional

from restain.errors import DataError


def patch_nce(query: Tensor, key: Tensor, temperature: float = 0.07) -> Tensor:
    """Return the InfoNCE loss of features at the same places of two images.

    Args:
        query: features (B, N, C) at N places, or a map (B, C, H, W) for all its places.
        key: the same shape; held constant.
        temperature: tau; 0.07 is that of CUT, at which a cosine of 0.3 more makes a partner 70 times likelier.

    Returns:
        (B,) nats; log N where all features are equal.

    Raises:
        DataError: shapes that differ.
    """
    return _info_nce(*_unit(query, key), temperature).mean(dim=1)


def adaptive_patch_nce(query: Tensor, key: Tensor, trust: float, temperature: float = 0.07) -> Tensor:
    """Return the InfoNCE loss in which places count by how well they agree, since the key may show other tissue.

    Args:
        query: features (B, N, C) at N places, or a map (B, C, H, W) for all its places.
        key: the same shape; held constant.
        trust: p; at 1 all places count the same, at 0 a place counts as the cosine of its features, if positive.
        temperature: tau.

    Returns:
        (B,) nats; 0 where no cosine is positive and p is 0.

    Raises:
        DataError: shapes that differ.
    """
    q, k = _unit(query, key)
    w = trust + (1 - trust) * functional.relu((q.detach() * k).sum(dim=2))  # p + (1 - p) relu(q . k)
    w = w / w.mean(dim=1, keepdim=True).clamp_min(torch.finfo(w.dtype).tiny)
    return (w * _info_nce(q, k, temperature)).mean(dim=1)


def feature_distance(query: Tensor, key: Tensor) -> Tensor:
    """Return the mean squared distance of features at the same places of two images, over places and channels.

    Args:
        query: features (B, N, C) at N places, or a map (B, C, H, W) for all its places.
        key: the same shape; held constant.

    Returns:
        (B,), between 0 and 4 / C.

    Raises:
        DataError: shapes that differ.
    """
    q, k = _unit(query, key)
    return (q - k).square().mean(dim=(1, 2))


def gather_places(features: Tensor, places: Tensor) -> Tensor:
    """Return the features at some places of a map.

    Args:
        features: (B, C, H, W).
        places: (B, N) integers, row times W plus column.

    Returns:
        (B, N, C).
    """
    everywhere = features.flatten(2)
    return everywhere.gather(2, places[:, None].expand(-1, everywhere.shape[1], -1)).transpose(1, 2)


def _info_nce(q: Tensor, k: Tensor, temperature: float) -> Tensor:
    """Return -log of the share of the true partner, (B, N), from vectors of length one."""
    with torch.autocast(q.device.type, enabled=False):  # cosines divided by a small temperature need their digits
        logits = q @ k.transpose(1, 2) / temperature
    # The diagonal holds the true partners: cross-entropy with the place as class.
    return torch.logsumexp(logits, dim=2) - logits.diagonal(dim1=1, dim2=2)


def _unit(query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    """Return both as (B, N, C) vectors of length one, in float32 at least; the key detached."""
    if query.shape != key.shape or query.ndim not in (3, 4):
        raise DataError(
            f"features of shapes {tuple(query.shape)} and {tuple(key.shape)} do not belong together",
            fix="take both from the same places of images of one size",
        )
    if query.ndim == 4:
        query, key = query.flatten(2).transpose(1, 2), key.flatten(2).transpose(1, 2)
    dtype = torch.promote_types(query.dtype, torch.float32)
    return functional.normalize(query.to(dtype), dim=2), functional.normalize(key.detach().to(dtype), dim=2)
