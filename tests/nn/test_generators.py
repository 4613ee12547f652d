"""The networks of GANs: sizes as published, shapes, what a score sees, what features are."""

import pytest
import torch
from torch import nn

from restain.errors import DataError
from restain.nn import (
    PatchDiscriminator,
    PatchDiscriminatorConfig,
    PatchHeads,
    ResNetGenerator,
    ResNetGeneratorConfig,
    UNetGenerator,
    UNetGeneratorConfig,
    draw_places,
)
from restain.nn.convolution import fresh

CUT_LAYERS = (0, 4, 8, 12, 16)


def millions(network: nn.Module) -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


@pytest.mark.parametrize(
    ("build", "published"),
    [
        (lambda: UNetGenerator(UNetGeneratorConfig(), 3, 3), 54.414),  # unet_256
        (lambda: UNetGenerator(UNetGeneratorConfig(downs=7), 3, 3), 41.829),  # unet_128
        (lambda: ResNetGenerator(ResNetGeneratorConfig(), 3, 3), 11.378),  # resnet_9blocks of CycleGAN
        (lambda: ResNetGenerator(ResNetGeneratorConfig(antialias=True), 3, 3), 11.378),  # that of CUT
        (lambda: ResNetGenerator(ResNetGeneratorConfig(norm="batch"), 3, 3), 11.383),
        (lambda: ResNetGenerator(ResNetGeneratorConfig(blocks=6), 3, 3), 7.838),
        (lambda: PatchDiscriminator(PatchDiscriminatorConfig(norm="batch"), 6), 2.769),  # that of pix2pix
        (lambda: PatchDiscriminator(PatchDiscriminatorConfig(), 3), 2.765),  # that of CycleGAN and CUT
        (lambda: PatchHeads([3, 128, 256, 256, 256], 256), 0.560),  # netF of CUT
    ],
)
def test_parameters_are_as_many_as_published(build, published):
    with torch.device("meta"):
        assert round(millions(build()), 3) == published


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("spectral", [False, True])
def test_a_resnet_keeps_the_size_and_the_range(antialias, norm, spectral):
    config = ResNetGeneratorConfig(width=4, blocks=1, norm=norm, antialias=antialias, spectral=spectral)
    made = ResNetGenerator(config, 2, 3)(torch.randn(2, 2, 16, 28))
    assert made.shape == (2, 3, 16, 28)
    assert made.abs().max() <= 1


@pytest.mark.parametrize("downs", [2, 3, 6])
def test_a_unet_shrinks_to_one_pixel_and_grows_back(downs):
    network = UNetGenerator(UNetGeneratorConfig(width=4, downs=downs), 2, 3)
    deepest: list[torch.Size] = []
    network.down[-1].register_forward_hook(lambda module, args, out: deepest.append(out.shape[2:]))
    assert network(torch.randn(1, 2, 2**downs, 2**downs)).shape == (1, 3, 2**downs, 2**downs)
    assert deepest == [(1, 1)]


def test_dropout_acts_where_the_paper_has_it():
    """unet_256: three of eight levels; unet_128: two of seven."""
    for downs, expected in ((8, 3), (7, 2), (5, 0)):
        with torch.device("meta"):
            network = UNetGenerator(UNetGeneratorConfig(width=2, downs=downs), 3, 3)
        assert sum(isinstance(module, nn.Dropout) for module in network.modules()) == expected


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(DataError, match=r"24 x 16 px does not fit .* multiples of 16"):
        UNetGenerator(UNetGeneratorConfig(width=2, downs=4), 3, 3)(torch.zeros(1, 3, 16, 24))
    for shape in ((10, 16), (4, 16)):
        with pytest.raises(DataError, match="multiples of 4, and at least 8"):
            ResNetGenerator(ResNetGeneratorConfig(width=2, blocks=1), 3, 3)(torch.zeros(1, 3, *shape))
    with pytest.raises(DataError, match="at least 32 px"):
        PatchDiscriminator(PatchDiscriminatorConfig(width=2), 3)(torch.zeros(1, 3, 28, 40))


@pytest.mark.parametrize(("layers", "antialias"), [(1, False), (3, False), (3, True), (5, True)])
def test_the_smallest_image_a_discriminator_takes_gives_scores(layers, antialias):
    config = PatchDiscriminatorConfig(width=2, layers=layers, antialias=antialias)
    network = PatchDiscriminator(config, 3)
    assert min(network(torch.randn(1, 3, network.smallest, network.smallest)).shape[2:]) >= 1


@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70)])
def test_a_score_sees_a_patch_of_the_published_size(layers, patch):
    network = PatchDiscriminator(PatchDiscriminatorConfig(width=2, layers=layers, norm="none"), 1).double()
    image = torch.randn(1, 1, 128, 128, dtype=torch.float64, requires_grad=True)
    scores = network(image)
    scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
    rows = image.grad[0, 0].abs().sum(1).nonzero().flatten()
    assert rows.max() - rows.min() + 1 == patch


def test_features_are_what_the_layers_answer_on_the_way_to_the_image():
    network = ResNetGenerator(ResNetGeneratorConfig(width=4, blocks=5, antialias=True), 3, 3).eval()
    image, seen = torch.randn(1, 3, 16, 16), {}
    for number in CUT_LAYERS:
        network.layers[number].register_forward_hook(lambda m, args, out, number=number: seen.update({number: out}))
    features = network.features(image, CUT_LAYERS)
    assert len(seen) == len(CUT_LAYERS)
    network(image)
    assert all(torch.equal(found, seen[number]) for found, number in zip(features, CUT_LAYERS, strict=True))
    assert [found.shape[1] for found in features] == network.feature_widths(CUT_LAYERS) == [3, 8, 16, 16, 16]
    assert [found.shape[2] for found in features] == [22, 16, 8, 4, 4]


def test_spectral_norm_makes_the_largest_singular_value_one():
    layer = fresh(nn.Conv2d(3, 8, 3), spectral=True).train()
    for _ in range(50):
        layer(torch.randn(1, 3, 8, 8))
    assert torch.linalg.svdvals(layer.weight.flatten(1))[0].item() == pytest.approx(1, abs=1e-3)


def test_heads_look_at_the_same_places_of_all_images():
    heads, maps = PatchHeads([2, 3], 5), [torch.randn(2, 2, 4, 4), torch.randn(2, 3, 20, 20)]
    places = draw_places(maps, 100, torch.Generator().manual_seed(0))
    assert [len(at) for at in places] == [16, 100]
    assert all(len(set(at.tolist())) == len(at) for at in places)
    found = heads(maps, places)
    assert [f.shape for f in found] == [(2, 16, 5), (2, 100, 5)]
    row, column = divmod(int(places[1][7]), 20)
    torch.testing.assert_close(found[1][1, 7], heads.heads[1](maps[1][1, :, row, column]))
