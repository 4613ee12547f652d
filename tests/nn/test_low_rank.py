import itertools

import pytest
import torch
from torch import nn

from restain.errors import ConfigError
from restain.nn import UNet, UNetConfig, low_rank, patch_nce, restored

SMALL = UNetConfig(width=16, multipliers=(1, 2), blocks=1, attention=(1,), heads=2)


def network(seed: int = 0) -> UNet:
    """Return a small UNet whose every path carries signal, with minus zeros among its weights."""
    generator = torch.Generator().manual_seed(seed)
    unet = UNet(SMALL, 3, 3, time=True)
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
            parameter.flatten()[0] = -0.0
    return unet.eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)), torch.tensor([0.3])


def fingerprint(module: nn.Module) -> list[tuple[object, ...]]:
    """Return everything that must come back: names, order, objects, bits, layout, flags and gradients."""
    values = module.state_dict()
    parameters = [(name, id(p), p.requires_grad, id(p.grad), p.stride()) for name, p in module.named_parameters()]
    return (
        [(name, value.numpy().tobytes()) for name, value in values.items()]
        + parameters
        + [(name, type(each)) for name, each in module.named_modules()]
    )


def gen() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def take_steps(parameters: list[nn.Parameter], unet: UNet, steps: int = 3, lr: float = 1e-2) -> list[float]:
    """Fit the features of the output to those of a target, as a test-time update does; return the losses."""
    x, time = inputs()
    key = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(2)).unfold(2, 4, 4).unfold(3, 4, 4)
    optimiser = torch.optim.Adam(parameters, lr=lr)
    losses = []
    for _ in range(steps):
        with torch.enable_grad():
            query = unet(x, time).unfold(2, 4, 4).unfold(3, 4, 4)
            loss = patch_nce(*(each.permute(0, 2, 3, 1, 4, 5).reshape(1, 64, 48) for each in (query, key))).sum()
            optimiser.zero_grad()
            loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("frozen", [True, False])
@torch.no_grad()
def test_adapters_change_nothing_at_the_start_and_nothing_afterwards(frozen):
    unet = network().requires_grad_(not frozen)
    unet.down.entrance.weight.grad = torch.ones_like(unet.down.entrance.weight)
    before, output = fingerprint(unet), unet(*inputs())
    with low_rank(unet, 4, gen()) as parameters:
        assert unet(*inputs()).equal(output)
        take_steps(parameters, unet)
        assert not unet(*inputs()).equal(output)
    assert fingerprint(unet) == before
    assert unet(*inputs()).equal(output)


@pytest.mark.parametrize("frozen", [True, False])
@torch.no_grad()
def test_a_loan_of_the_weights_is_given_back_bit_by_bit(frozen):
    unet = network().requires_grad_(not frozen)
    unet.down.entrance.weight.grad = torch.ones_like(unet.down.entrance.weight)
    before, output = fingerprint(unet), unet(*inputs())
    with restored(unet) as parameters:
        assert all(parameter.requires_grad for parameter in parameters)
        take_steps(parameters, unet)
        assert not unet(*inputs()).equal(output)
    assert fingerprint(unet) == before
    assert unet(*inputs()).equal(output)


@pytest.mark.parametrize("lend", [lambda unet: low_rank(unet, 2, gen()), restored])
def test_an_error_inside_gives_the_weights_back_too(lend):
    unet = network()
    before = fingerprint(unet)
    with pytest.raises(KeyError), lend(unet) as parameters:  # noqa: PT012
        take_steps(parameters, unet, steps=1)
        raise KeyError
    assert fingerprint(unet) == before


@pytest.mark.parametrize("lend", [lambda unet: low_rank(unet, 4, gen()), restored])
@torch.no_grad()
def test_the_contrastive_loss_falls_over_ten_steps_on_a_fixed_input(lend):
    unet = network()
    with lend(unet) as parameters:
        losses = take_steps(parameters, unet, steps=10, lr=1e-3)
    assert all(later < earlier for earlier, later in itertools.pairwise(losses))


def test_only_the_adapters_are_trained():
    unet = network()
    with low_rank(unet, 4, gen()) as parameters:
        wanted = {id(parameter) for parameter in unet.parameters() if parameter.requires_grad}
        assert wanted == {id(parameter) for parameter in parameters}
        layers = [each for each in unet.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
        assert len(parameters) == 2 * len(layers)


def test_an_adapted_weight_differs_by_a_matrix_of_the_rank():
    layer = nn.Conv2d(6, 10, 3)
    before = layer.weight.detach().clone()
    with low_rank(layer, 2, gen()) as (a, b), torch.no_grad():
        assert (a.shape, b.shape) == ((2, 54), (10, 2))
        b.normal_(generator=gen())
        delta = (layer.weight - before).reshape(10, 54)
        torch.testing.assert_close(delta, b @ a)
        assert torch.linalg.matrix_rank(delta, atol=1e-4) == 2


def test_layers_are_selected_by_name_and_grouped_convolutions_fit_too():
    pair = nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.Flatten(), nn.Linear(8, 2, bias=False))
    with low_rank(pair, 1, gen(), select=lambda name: name == "0") as parameters:
        assert [tuple(each.shape) for each in parameters] == [(1, 18), (8, 1)]
        assert pair(torch.ones(1, 4, 3, 3)).shape == (1, 2)
    with low_rank(pair, 1, gen()) as parameters:
        assert len(parameters) == 4


def test_the_generator_alone_decides_the_adapters():
    drawn = []
    for _ in range(2):
        torch.rand(3)
        with low_rank(network(), 2, gen()) as parameters:
            drawn.append([each.detach().clone() for each in parameters])
    assert all(one.equal(other) for one, other in zip(*drawn, strict=True))


def test_adapters_of_nothing_are_refused():
    with pytest.raises(ConfigError, match="adapts nothing"), low_rank(network(), 0, gen()):
        pass
    with pytest.raises(ConfigError, match="adapts nothing"), low_rank(network(), 4, gen(), lambda _: False):
        pass
