"""Weights that are changed for a while: low-rank adapters, and a loan of the weights themselves.

Source: Hu et al., "LoRA: low-rank adaptation of large language models" (2021), eq. 3, with alpha equal to the rank::

    W' = W + B A,   B = 0 at the start, A ~ N(0, 1 / columns)

A convolution's weight (out, in, kh, kw) is taken as a matrix of ``out`` rows.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from restain.errors import ConfigError


def everything(name: str) -> bool:
    """Select every submodule, whatever its name."""
    return True


@contextmanager
def low_rank(
    module: nn.Module, rank: int, generator: torch.Generator, select: Callable[[str], bool] = everything
) -> Iterator[list[nn.Parameter]]:
    """Lend a network low-rank adapters on its convolutions and linear layers.

    At the start outputs are what they were, bit by bit. Meanwhile the network's own parameters need no gradient and
    must not be edited; afterwards, by whatever way, they are the same objects under the same names, unchanged.

    Args:
        module: the network.
        rank: columns of B and rows of A; 4 suffices for the edit of one image.
        generator: of A.
        select: which submodules, by their dotted names in ``module``.

    Yields:
        The adapters' parameters, A and B of each layer, which need gradients.

    Raises:
        ConfigError: a rank below one, or no convolution or linear layer is selected.
    """
    layers = [
        layer for name, layer in module.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear) and select(name)
    ]
    if rank < 1 or not layers:
        raise ConfigError(f"rank {rank} on {len(layers)} layers adapts nothing", fix="select layers, and a rank from 1")
    with _as_before(module), ExitStack() as stack:
        module.requires_grad_(False)
        adapters = [stack.enter_context(_adapted(layer, rank, generator)) for layer in layers]
        yield [parameter for adapter in adapters for parameter in adapter.parameters()]


@contextmanager
def restored(module: nn.Module) -> Iterator[list[nn.Parameter]]:
    """Lend a network's parameters for editing, and put the values of all its weights and buffers back afterwards.

    Yields:
        The parameters, which need gradients meanwhile.
    """
    state = {name: value.clone() for name, value in module.state_dict().items()}
    with _as_before(module):
        module.requires_grad_(True)
        try:
            yield list(module.parameters())
        finally:
            module.load_state_dict(state)


@final
class _Adapter(nn.Module):
    """The map W -> W + B A of one weight."""

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        rows, columns = weight.shape[0], weight[0].numel()
        a = torch.randn(rank, columns, generator=generator, device=generator.device) / columns**0.5
        self.a = nn.Parameter(a.to(weight))
        self.b = nn.Parameter(weight.new_zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """Return W + B A, laid out in memory as W is, so that the same kernels run."""
        return weight + (self.b @ self.a).reshape(weight.shape)


@contextmanager
def _adapted(layer: nn.Module, rank: int, generator: torch.Generator) -> Iterator[_Adapter]:
    names = [name for name, _ in layer.named_parameters(recurse=False)]
    adapter = _Adapter(layer.get_parameter("weight"), rank, generator)
    parametrize.register_parametrization(layer, "weight", adapter)
    try:
        yield adapter
    finally:
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
        for name in names:  # the weight came back behind the bias; optimisers go by the order
            parameter = layer.get_parameter(name)
            delattr(layer, name)
            layer.register_parameter(name, parameter)


@contextmanager
def _as_before(module: nn.Module) -> Iterator[None]:
    """Start without gradients; put back those that parameters held, and which parameters need them."""
    before = [(parameter, parameter.requires_grad, parameter.grad) for parameter in module.parameters()]
    module.zero_grad(set_to_none=True)
    torch.clear_autocast_cache()  # autocast keeps copies of weights, and does not see them edited
    try:
        yield
    finally:
        torch.clear_autocast_cache()
        for parameter, requires_grad, grad in before:
            parameter.requires_grad_(requires_grad)
            parameter.grad = grad
