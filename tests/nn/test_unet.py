import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from restain.errors import DataError
from restain.nn import UNet, UNetConfig, footprint
from restain.nn.layers import ResidualBlock, SelfAttention, TimeEmbedding

SMALL = UNetConfig(width=8, multipliers=(1, 2), blocks=1, attention=(1,), heads=2)


def lively(network: UNet) -> UNet:
    """Undo the zero start, so that every path carries signal."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return network.eval()


@settings(deadline=None, max_examples=15)
@given(
    levels=st.integers(1, 3),
    blocks=st.integers(1, 2),
    fold=st.sampled_from([1, 2]),
    time=st.booleans(),
    in_channels=st.sampled_from([1, 3, 29]),
)
def test_any_shape_of_network_maps_images_to_images_of_the_same_size(levels, blocks, fold, time, in_channels):
    config = UNetConfig(width=8, multipliers=(1, 2, 2)[:levels], blocks=blocks, attention=(levels - 1,), fold=fold)
    network = UNet(config, in_channels, 3, time=time)
    side = 2 * network.multiple
    x = torch.randn(2, in_channels, side, side + network.multiple)
    assert network(x, torch.rand(2) if time else None).shape == (2, 3, side, side + network.multiple)


def test_features_are_one_map_per_level_finest_first():
    network = UNet(UNetConfig(width=8, multipliers=(1, 2, 3), blocks=2, attention=()), 3, 3, time=True)
    shapes = [tuple(f.shape) for f in network.features(torch.zeros(1, 3, 32, 32), torch.zeros(1))]
    assert shapes == [(1, 8, 32, 32), (1, 16, 16, 16), (1, 24, 8, 8)]


def test_parameters_and_operations_agree_with_a_count_by_hand():
    # entrance 3x3 1->4; one level: block(4->4), middle two blocks(4->4), up two blocks(8->4); exit 3x3 4->1; no time
    config = UNetConfig(width=4, multipliers=(1,), blocks=1, attention=(), middle_attention=False)
    conv = lambda i, o, k=3: k * k * i * o + o  # noqa: E731
    block = lambda i: 2 * i + conv(i, 4) + 2 * 4 + conv(4, 4) + (conv(i, 4, 1) if i != 4 else 0)  # noqa: E731
    parameters = conv(1, 4) + 3 * block(4) + 2 * block(8) + 2 * 4 + conv(4, 1)
    multiply_adds = 9 * 4 + 3 * (2 * 9 * 16) + 2 * (9 * 32 + 9 * 16 + 32) + 9 * 4
    counted = footprint(UNet(config, 1, 1, time=False), side=16)
    assert counted.parameters == parameters
    assert counted.flops_per_pixel == 2 * multiply_adds
    assert str(footprint(UNet(SMALL, 3, 3, time=True))).endswith("kFLOP per pixel")


def test_a_fresh_network_answers_zero_and_fresh_branches_are_the_identity():
    x = torch.randn(1, 8, 8, 8)
    assert torch.equal(SelfAttention(8, 2)(x), x)
    assert torch.equal(ResidualBlock(8, 8, embedding=0, dropout=0.0)(x, None), x)
    assert not UNet(SMALL, 3, 3, time=True)(torch.randn(1, 3, 16, 16), torch.rand(1)).any()


def test_attention_equals_the_formula():
    attention = SelfAttention(8, 2)
    torch.nn.init.normal_(attention.out.weight)
    x = torch.randn(1, 8, 3, 3)
    q, k, v = attention.qkv(attention.norm(x)).reshape(3, 2, 4, 9).transpose(2, 3)
    expected = ((q @ k.transpose(1, 2)) / 2).softmax(-1) @ v  # softmax(q k^T / sqrt(4)) v
    expected = x + attention.out(expected.transpose(1, 2).reshape(1, 8, 3, 3))
    torch.testing.assert_close(attention(x), expected, atol=1e-5, rtol=1e-5)


def test_time_matters_and_is_told_apart_at_one_step_in_a_thousand():
    network = lively(UNet(SMALL, 3, 3, time=True))
    x = torch.randn(1, 3, 16, 16)
    assert not torch.allclose(network(x, torch.tensor([0.5])), network(x, torch.tensor([0.501])))
    embedding = TimeEmbedding(16, 8)
    angle = 1000 * 0.25 * torch.exp(-torch.log(torch.tensor(10_000.0)) * torch.arange(8) / 8)
    expected = embedding.net(torch.cat([angle.cos(), angle.sin()])[None])
    torch.testing.assert_close(embedding(torch.tensor([0.25])), expected)


def test_images_of_a_batch_do_not_touch_each_other():
    network = lively(UNet(SMALL, 3, 3, time=True))
    x, time = torch.randn(4, 3, 16, 16), torch.rand(4)
    together = network(x, time)
    alone = torch.cat([network(x[i : i + 1], time[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_bfloat16_stays_near_float32():
    network = lively(UNet(UNetConfig(width=16, multipliers=(1, 2), attention=(1,)), 3, 3, time=True))
    x, time = torch.randn(1, 3, 32, 32), torch.rand(1)
    with torch.no_grad():
        exact = network(x, time)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = network(x, time).float()
    assert (rough - exact).norm() / exact.norm() < 0.05


def test_a_size_that_cannot_be_halved_is_refused():
    with pytest.raises(DataError, match=r"18 x 16 px .* multiples of 4"):
        UNet(UNetConfig(width=8, multipliers=(1, 2, 2), attention=()), 3, 3, time=False)(torch.zeros(1, 3, 16, 18))


@pytest.mark.parametrize("wrong", [{"attention": (7,)}, {"width": 6}, {"widht": 8}, {"heads": 3}])
def test_a_shape_that_cannot_be_built_is_refused(wrong):
    with pytest.raises(ValidationError):
        UNetConfig(**wrong)
