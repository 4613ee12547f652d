"""What two networks that play against each other minimise: one makes images, the other tells them from real ones.

Sources: Goodfellow et al., "Generative adversarial nets" (2014), with the objective of its section 3 that does not
saturate (`bce`); Mao et al., "Least squares generative adversarial networks" (2017), eq. 9 (`lsgan`).

Equations, with the scores D of real and made images and their means over places and images::

    bce      discriminator  1/2 E softplus(-D(real)) + 1/2 E softplus(D(made))      generator  E softplus(-D(made))
    lsgan    discriminator  1/2 E (D(real) - 1)^2    + 1/2 E D(made)^2              generator  E (D(made) - 1)^2

softplus(-D) = -log sigmoid(D). Where D cannot tell them apart, its best scores are 0 (`bce`, loss log 2) and 1/2
(`lsgan`, loss 1/4). The factor 1/2 is that of the official codes: it slows the discriminator down.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

Objective = Literal["bce", "lsgan"]
"""How scores become losses."""


def discriminator_loss(real: Tensor, made: Tensor, objective: Objective) -> Tensor:
    """Return the loss of the discriminator, a scalar, from its scores of real and of made images (any shapes)."""
    return (_distance(real, 1.0, objective) + _distance(made, 0.0, objective)) / 2


def generator_loss(made: Tensor, objective: Objective) -> Tensor:
    """Return the loss of the generator, a scalar, from the discriminator's scores of what it made (any shape)."""
    return _distance(made, 1.0, objective)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Let gradients pass through a network, but not into its weights: it is judged by, not taught.

    Only what is computed inside counts; the gradient may be taken afterwards.
    """
    own = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in own:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in own:
            parameter.requires_grad_(True)


def _distance(scores: Tensor, label: float, objective: Objective) -> Tensor:
    scores = scores.float()
    if objective == "lsgan":
        return (scores - label).square().mean()  # E (D - label)^2
    return functional.softplus(scores * (1 - 2 * label)).mean()  # -log sigmoid(D) or -log(1 - sigmoid(D))
