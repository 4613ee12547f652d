import math

import pytest
import torch

from restain.config import parse_config
from restain.errors import ConfigError, DataError
from restain.methods import Batch, build_method
from restain.methods.cut import LEVELS, CUTConfig, pyramid_distance

TINY = {
    "generator": {"width": 4, "blocks": 1},
    "discriminator": {"width": 4, "layers": 1},
    "layers": [0, 4, 8, 12],
    "head_width": 8,
}


def tiny(**options):
    torch.manual_seed(0)
    return build_method("cut", {**TINY, **options}, source_channels=3, target_channels=3)


def batch(side=16):
    generator = torch.Generator().manual_seed(0)
    return Batch(*(torch.rand(1, 3, side, side, generator=generator) * 2 - 1 for _ in range(2)))


def test_the_presets_are_the_official_numbers():
    cut, fastcut = CUTConfig(), CUTConfig(preset="fastcut")
    asp = CUTConfig(preset="asp", schedule_images=100)
    assert (cut.nce, cut.identity, cut.flip, cut.generator.blocks) == (1, True, False, 9)
    assert (fastcut.nce, fastcut.identity, fastcut.flip, fastcut.generator.blocks) == (10, False, True, 9)
    assert (asp.nce, asp.identity, asp.flip, asp.generator.blocks) == (10, False, False, 6)
    assert (asp.supervised, asp.pyramid, asp.generator.spectral, asp.discriminator.spectral) == (10, 10, True, True)
    assert (asp.discriminator.layers, asp.discriminator.width) == (5, 32)
    for config in (cut, fastcut, asp):
        assert (config.layers, config.places, config.temperature) == ((0, 4, 8, 12, 16), 256, 0.07)
        assert config.generator.antialias
        assert config.discriminator.antialias
        assert parse_config(CUTConfig, config.model_dump(mode="json"), "a card") == config


def test_asp_asks_for_the_length_of_its_schedule():
    with pytest.raises(ConfigError, match="schedule_images is null"):
        parse_config(CUTConfig, {"preset": "asp"}, "test")


@pytest.mark.parametrize(
    ("preset", "terms"),
    [
        ("cut", {"adversarial", "nce", "identity"}),
        ("fastcut", {"adversarial", "nce"}),
        ("asp", {"adversarial", "nce", "supervised", "pyramid"}),
    ],
)
def test_each_preset_has_its_terms_and_asp_alone_needs_pairs(preset, terms):
    method = tiny(preset=preset, **({"schedule_images": 10} if preset == "asp" else {}))
    assert method.losses("generator", batch(64), torch.Generator()).keys() == terms
    assert method.paired is (preset == "asp")


def test_features_that_are_all_equal_lose_the_logarithm_of_the_places():
    """NCE of flat images is log N in every layer: nothing tells one place from another; the weight is lambda / 2."""
    method = tiny(places=16, nce=4.0)
    flat = torch.zeros(1, 3, 16, 16)
    method.network.forward = torch.zeros_like
    losses = method.losses("generator", Batch(flat, flat), torch.Generator())
    assert losses["nce"].item() == pytest.approx(2 * math.log(16), rel=1e-4)


def test_a_network_that_leaves_images_alone_contrasts_best():
    method = tiny(places=64, head_width=64)
    method.network.forward = lambda image: image
    kept = method.losses("generator", batch(), torch.Generator().manual_seed(0))["nce"]
    method.network.forward = lambda image: image.roll(5, 2)
    moved = method.losses("generator", batch(), torch.Generator().manual_seed(0))["nce"]
    assert kept < moved - 0.3


def test_what_is_mirrored_for_the_generator_is_mirrored_back_for_the_contrast():
    """Pixels of a generator that leaves images alone find their own places, whether the source was mirrored or not."""
    method = tiny(preset="fastcut", layers=[0], head_width=64, temperature=0.01)
    shown: list[torch.Tensor] = []

    def unchanged(image):
        shown.append(image)
        return image

    method.network.forward = unchanged
    found: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(20):
        shown.clear()
        loss = method.losses("generator", batch(), torch.Generator().manual_seed(seed))["nce"]
        found[torch.equal(shown[0], batch().source.flip(3))].append(loss.item())
    assert min(len(losses) for losses in found.values()) > 4
    assert sum(found[True]) / len(found[True]) == pytest.approx(sum(found[False]) / len(found[False]), rel=0.1)
    method.network.forward = lambda image: image.flip(3)  # and one that mirrors them does not
    wrong = method.losses("generator", batch(), torch.Generator().manual_seed(0))["nce"].item()
    assert wrong > 1.5 * max(found[True] + found[False])


def test_trust_in_pairs_is_whole_for_three_quarters_and_then_falls_to_nothing():
    method = tiny(preset="asp", schedule_images=100)
    trusts = []
    for seen in (0, 50, 75, 80, 90, 100, 300):
        method.seen.fill_(seen)
        trusts.append(method.trust())
    assert trusts == pytest.approx([1, 1, 1, 0.8, 0.4, 0, 0])


def test_images_are_counted_in_training_only_and_once_per_step():
    method = tiny()
    for player in method.players():
        method.losses(player, batch(), torch.Generator())
    assert method.seen.item() == 1
    method.eval().losses("generator", batch(), torch.Generator())
    assert method.seen.item() == 1


def test_the_pyramid_of_a_constant_is_the_mean_of_the_weights():
    assert pyramid_distance(torch.full((1, 3, 64, 64), 0.5)).item() == pytest.approx(0.5 * sum(LEVELS) / len(LEVELS))
    assert LEVELS == (0.015625, 0.03125, 0.0625, 0.125, 0.25, 1.0)


def test_images_too_small_for_the_pyramid_are_named():
    pyramid_distance(torch.zeros(1, 3, 48, 48))
    with pytest.raises(DataError, match="too small for a blur"):
        pyramid_distance(torch.zeros(1, 3, 32, 32))


def test_layers_that_are_not_there_or_do_not_rise_are_refused():
    with pytest.raises(ConfigError, match="layers 0 to"):
        tiny(layers=[0, 99])
    with pytest.raises(ConfigError, match="do not rise"):
        tiny(layers=[4, 0])
