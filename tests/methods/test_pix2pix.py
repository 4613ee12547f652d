import pytest
import torch

from restain.config import parse_config
from restain.diffusion import RandomNoise, Sampling
from restain.errors import ConfigError
from restain.methods import Batch, build_method
from restain.methods.pix2pix import Pix2PixConfig
from restain.nn import ResNetGenerator, ResNetGeneratorConfig, UNetGenerator, UNetGeneratorConfig

TINY = {"generator": {"width": 2, "downs": 2}, "discriminator": {"width": 2, "layers": 1}}


def test_the_presets_are_the_official_numbers():
    plain, pyramid = Pix2PixConfig(), Pix2PixConfig(preset="pyramid_pix2pix")
    assert isinstance(plain.generator, UNetGeneratorConfig)
    assert (plain.generator.width, plain.generator.downs, plain.generator.dropout) == (64, 8, 0.5)
    assert (plain.objective, plain.pixel) == ("bce", (100.0,))
    assert isinstance(pyramid.generator, ResNetGeneratorConfig)
    assert (pyramid.generator.blocks, pyramid.generator.norm, pyramid.generator.dropout) == (9, "batch", 0.5)
    assert (pyramid.objective, pyramid.pixel) == ("bce", (25.0, 25.0, 25.0, 25.0))
    for config in (plain, pyramid):
        assert config.discriminator.model_dump() == {
            "width": 64, "layers": 3, "norm": "batch", "antialias": False, "spectral": False,
        }  # fmt: skip


def test_explicit_options_win_over_a_preset_one_by_one():
    config = parse_config(Pix2PixConfig, {"preset": "pyramid_pix2pix", "generator": {"width": 8}}, "test")
    assert config.generator == ResNetGeneratorConfig(width=8, norm="batch", dropout=0.5)
    assert parse_config(Pix2PixConfig, config.model_dump(mode="json"), "a card") == config


def test_a_generator_of_another_kind_takes_the_place_of_the_presets():
    options = {"preset": "pyramid_pix2pix", "generator": {"kind": "unet", "downs": 5}}
    assert parse_config(Pix2PixConfig, options, "test").generator == UNetGeneratorConfig(downs=5)


def test_an_option_of_the_other_generator_is_refused():
    with pytest.raises(ConfigError, match=r"unknown key 'generator\.resnet\.downs'"):
        parse_config(Pix2PixConfig, {"preset": "pyramid_pix2pix", "generator": {"downs": 8}}, "test")


@pytest.mark.parametrize(
    ("generator", "network"),
    [({"kind": "unet", "downs": 3}, UNetGenerator), ({"kind": "resnet", "blocks": 1}, ResNetGenerator)],
)
def test_the_kind_chooses_the_network(generator, network):
    options = {"generator": {**generator, "width": 2}, "discriminator": {"width": 2}}
    assert isinstance(build_method("pix2pix", options, source_channels=5, target_channels=3).network, network)


def test_the_distance_of_constants_is_the_sum_of_the_weights():
    method = build_method("pix2pix", {**TINY, "pixel": [4.0, 2.0, 1.0, 0.5]}, source_channels=3, target_channels=3)
    assert method.pixel_distance(torch.full((1, 3, 32, 32), -0.1)).item() == pytest.approx(0.75)


def test_coarse_scales_forgive_a_small_shift():
    """White noise and the same noise two pixels away: the finest scale sees other images, the coarsest hardly."""
    noise = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    shifted = noise.roll(2, 3)
    relative = []
    for scale in range(4):
        weights = [0.0] * scale + [1.0]
        method = build_method("pix2pix", {**TINY, "pixel": weights}, source_channels=1, target_channels=1)
        relative.append((method.pixel_distance(noise - shifted) / method.pixel_distance(noise)).item())
    assert relative[0] == pytest.approx(2**0.5, rel=0.02)
    assert relative == sorted(relative, reverse=True)
    assert relative[3] < 0.4


def test_the_discriminator_judges_pairs():
    """The same target is judged anew beside another source."""
    method = build_method("pix2pix", TINY, source_channels=4, target_channels=3).eval()
    target = torch.randn(1, 3, 16, 16)
    sources = torch.randn(2, 1, 4, 16, 16)
    real = [method.losses("discriminator", Batch(s, target), torch.Generator())["adversarial"] for s in sources]
    assert real[0] != real[1]


def test_a_perfect_generator_has_no_pixel_loss():
    method = build_method("pix2pix", TINY, source_channels=3, target_channels=3)
    method.network = torch.nn.Identity()
    image = torch.rand(1, 3, 16, 16)
    assert method.losses("generator", Batch(image, image), torch.Generator())["pixel"].item() == 0


def test_images_are_stained_by_their_own_statistics_or_by_those_of_training():
    torch.manual_seed(0)
    options = {"generator": {"width": 4, "downs": 3}, "discriminator": {"width": 4, "layers": 1}}
    own = build_method("pix2pix", options, source_channels=3, target_channels=3).eval()
    trained = build_method(
        "pix2pix", {**options, "statistics": "training"}, source_channels=3, target_channels=3
    ).eval()
    trained.load_state_dict(own.state_dict())
    before = {name: value.clone() for name, value in own.state_dict().items()}
    source = torch.rand(2, 3, 32, 32) * 2 - 1
    both = own.stain(source, RandomNoise(0), Sampling())
    assert torch.allclose(both[1:], own.stain(source[1:], RandomNoise(0), Sampling()), atol=1e-6)  # no neighbours
    assert (both - trained.stain(source, RandomNoise(0), Sampling())).abs().max() > 1e-3
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())  # averages stay
