import pytest
import torch

from restain.config import parse_config
from restain.diffusion import RandomNoise, Sampling
from restain.errors import ConfigError
from restain.methods import Batch, build_method
from restain.methods.pix2pix import Pix2PixConfig
from restain.methods.rotated import OPPONENT, opponent_distance, turned_distance
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


def test_rotated_colour_sees_an_error_of_lightness_once_and_a_turn_keeps_the_length():
    error = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    grey = error.mean(dim=1, keepdim=True).expand_as(error)
    # Q (d, d, d) = (sqrt 3 d, 0, 0), so the mean over three channels is |d| / sqrt 3
    torch.testing.assert_close(opponent_distance(grey), grey.abs().mean() / 3**0.5)
    red_green = torch.stack([error[:, 0], -error[:, 0], torch.zeros_like(error[:, 0])], dim=1)
    torch.testing.assert_close(opponent_distance(red_green), error[:, 0].abs().mean() * 2**0.5 / 3)
    matrix = torch.tensor(OPPONENT)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(3), atol=1e-6, rtol=0)


def test_what_turns_with_the_image_has_no_distance_after_turns_and_a_gradient_has():
    source = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    x = torch.linspace(0, 1, 8).expand(2, 1, 8, 8)

    def generator():
        return torch.Generator().manual_seed(0)

    def squared(image):
        return image.square()

    def leaning(image):
        return image + x

    assert turned_distance(squared, source, squared(source), generator()).item() < 1e-7
    assert turned_distance(leaning, source, leaning(source), generator()).item() > 0.1


RIVENSON = {
    "preset": "rivenson",
    "generator": {"width": 2, "downs": 2},
    "discriminator": {"width": 2, "layers": 1},
    "unconditional": {"discriminator": {"width": 2, "layers": 1}},
}


@pytest.mark.parametrize("reading", ["opponent", "turns"])
def test_rivenson_has_two_judges_two_distances_and_ships_the_generator_alone(reading):
    options = {**RIVENSON, "rotated": {"reading": reading}}
    assert Pix2PixConfig(**options).rotated.weight == 100
    method = build_method("pix2pix", options, source_channels=26, target_channels=3)
    batch = Batch(torch.rand(2, 26, 32, 32), torch.rand(2, 3, 32, 32))
    judges = method.losses("discriminator", batch, torch.Generator().manual_seed(0))
    assert judges.keys() == {"adversarial", "unconditional"}
    losses = method.losses("generator", batch, torch.Generator().manual_seed(0))
    assert losses.keys() == {"adversarial", "pixel", "unconditional", "rotated"}
    torch.stack(list(losses.values())).sum().backward()
    assert all(parameter.grad is not None for parameter in method.network.parameters())
    assert all(parameter.grad is None for parameter in method.players()["discriminator"])
    assert {name.split(".")[0] for name in method.shipped()} == {"network"}
    assert method.dismantle().stain(batch.source, RandomNoise(0), Sampling()).shape == (2, 3, 32, 32)


def test_the_second_judge_never_sees_the_source():
    method = build_method("pix2pix", RIVENSON, source_channels=4, target_channels=3).eval()
    target = torch.rand(2, 3, 32, 32)
    method.network = torch.nn.Conv2d(4, 3, 1, bias=False)
    torch.nn.init.zeros_(method.network.weight)  # what is made depends on no source either
    found = [
        method.losses("discriminator", Batch(source, target), torch.Generator())
        for source in (torch.zeros(2, 4, 32, 32), torch.ones(2, 4, 32, 32))
    ]
    assert found[0]["unconditional"] == found[1]["unconditional"]
    assert found[0]["adversarial"] != found[1]["adversarial"]


def test_colour_axes_of_another_number_of_channels_are_refused():
    with pytest.raises(ConfigError, match="the target has 1"):
        build_method("pix2pix", RIVENSON, source_channels=4, target_channels=1)
