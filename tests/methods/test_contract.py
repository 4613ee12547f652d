"""Every method of the catalogue keeps the contract of ``Method``."""

import pytest
import torch

from restain.diffusion import RandomNoise, Sampling, SlideNoise
from restain.errors import ConfigError
from restain.geometry import Point
from restain.methods import METHODS, Batch, Method, build_method, find_method

pytestmark = pytest.mark.filterwarnings("ignore:the critic finds no information")  # it is not trained here

GENERATOR = {"width": 4, "blocks": 1}
DISCRIMINATOR = {"width": 4, "layers": 1}
UNET = {"width": 8, "multipliers": [1, 2], "blocks": 1, "attention": [], "middle_attention": False}
PRIOR = {"prior": {"unet": UNET}}
AUTOENCODER = {"latent": {"width": 8, "multipliers": [1, 2], "blocks": 1, "fold": 2}}
BOTH = {**PRIOR, "source_prior": {"unet": UNET}}
TINY = {
    "autoencoder": AUTOENCODER,
    "bridge": {"unet": UNET},
    "conditional": {"unet": UNET},
    "cycle_diffusion": BOTH,
    "cut": {"generator": GENERATOR, "discriminator": DISCRIMINATOR, "layers": [0, 4, 8, 12]},
    "cyclegan": {"generator": GENERATOR, "discriminator": DISCRIMINATOR},
    "ddib": {**BOTH, "noise_step": 100},
    "egsde": {**PRIOR, "classifier": {"width": 8, "multipliers": [1, 2]}, "factor": 4},
    "ilvr": {**PRIOR, "factor": 4},
    "latent_bridge": {"unet": UNET, "autoencoder": AUTOENCODER},
    "miu_diff": {**PRIOR, "critic": {"patch": 8, "widths": [8, 16]}},
    "pix2pix": {"generator": {"width": 4, "downs": 3}, "discriminator": DISCRIMINATOR},
    "prior": {"unet": UNET},
    "regression": {"unet": UNET},
    "sdedit": PRIOR,
    "segmentation": {"unet": UNET},
    "stain_diffuser": {"unet": UNET, "auxiliary": None, "modulation": {"window": 4}},
}
FEW = {name: Sampling(sampler="ddim" if name == "cycle_diffusion" else "dpmpp_2m", steps=3) for name in METHODS}

CONDITIONED = {"conditional", "pix2pix", "prior", "regression", "segmentation", "stain_diffuser"}
"""Methods that take sources of any number of channels; the others take the source for a noisy target."""
ASSEMBLED = {"cycle_diffusion", "ddib", "ilvr", "sdedit"}
"""Methods with nothing of their own to learn."""
EXACT = {"autoencoder", "bridge", "conditional", "prior", "regression", "stain_diffuser"}
"""Methods whose loss is zero for a perfect network."""


def tiny(name: str, source_channels: int = 3) -> Method:
    torch.manual_seed(0)
    method = build_method(name, TINY[name], source_channels=source_channels, target_channels=3)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # fresh networks answer zero; give every path something to say
        for parameter in method.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return method


def pairs(count: int, channels: int = 3, side: int = 16) -> Batch:
    """Smooth random images; the target is the inverted mean of the source."""
    generator = torch.Generator().manual_seed(2)
    source = torch.nn.functional.interpolate(
        torch.rand(count, channels, 4, 4, generator=generator) * 2 - 1, size=side, mode="bilinear"
    )
    return Batch(source, -source.mean(1, keepdim=True).expand(-1, 3, -1, -1).contiguous())


@pytest.fixture(params=METHODS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_facts_are_stated(name):
    kind = find_method(name)
    assert kind.summary.endswith(".")
    assert kind.citation.startswith("@")


@pytest.mark.parametrize("channels", [1, 3, 26])
def test_any_number_of_source_channels_goes_in_and_three_come_out(name, channels):
    if name not in CONDITIONED and channels != 3:
        with pytest.raises(ConfigError, match="channels"):
            tiny(name, channels)
        return
    stained = tiny(name, channels).stain(pairs(2, channels).source, RandomNoise(0), FEW[name])
    assert stained.shape == (2, 3, 16, 16)
    assert stained.dtype == torch.float32
    assert stained.isfinite().all()


def test_losses_depend_on_the_generator_alone(name):
    method, batch = tiny(name), pairs(2)
    assert bool(method.players()) is (name not in ASSEMBLED)
    for player in method.players():
        losses = [method.losses(player, batch, torch.Generator().manual_seed(seed)) for seed in (5, 5)]
        assert losses[0].keys() == losses[1].keys()
        assert all(torch.equal(losses[0][term], losses[1][term]) for term in losses[0])
        assert all(value.ndim == 0 and value.requires_grad for value in losses[0].values())


def test_every_parameter_belongs_to_one_player_or_to_a_part(name):
    method = tiny(name)
    parts = [getattr(method, part) for part in method.parts]
    owners = [*method.players().values(), *(part.parameters() for part in parts)]
    owned = [id(parameter) for parameters in owners for parameter in parameters]
    assert sorted(owned) == sorted(id(parameter) for parameter in method.parameters())


def test_parts_are_methods_that_options_of_their_name_rebuild(name):
    method = tiny(name)
    for part in method.parts:
        held = getattr(method, part)
        assert isinstance(held, Method)
        assert isinstance(getattr(method.config, part), held.config_type)


def test_staining_one_by_one_equals_staining_a_batch(name):
    method, source = tiny(name).eval(), pairs(4).source
    places = [Point(64 * i, -8 * i) for i in range(4)]
    with torch.no_grad():
        together = method.stain(source, SlideNoise(3, places), FEW[name])
        alone = [method.stain(source[i : i + 1], SlideNoise(3, places[i : i + 1]), FEW[name]) for i in range(4)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)


def test_the_seed_decides_a_sample_and_nothing_else_does(name):
    method, source = tiny(name).eval(), pairs(1).source
    with torch.no_grad():
        first, again, other = (method.stain(source, RandomNoise(seed), FEW[name]) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert torch.equal(first, other) is not find_method(name).samples


def test_draws_in_one_pass_are_the_stains_of_each_noise(name):
    method, source = tiny(name).eval(), pairs(2).source
    noises = [SlideNoise(3, [Point(0, 0), Point(64, 8)], sample) for sample in range(3)]
    with torch.no_grad():
        drawn = method.draws(source, noises, FEW[name])
        alone = torch.stack([method.stain(source, noise, FEW[name]) for noise in noises])
    torch.testing.assert_close(drawn, alone, atol=1e-5, rtol=0)
    assert (drawn[0] != drawn[1]).any() == find_method(name).samples


@pytest.mark.parametrize("name", sorted(EXACT))
def test_overfits_four_pairs(name):
    """The loss falls below a tenth of its start on four pairs in 500 steps."""
    torch.manual_seed(0)
    wide = {"unet": {**UNET, "width": 16}}
    options = {"latent": {**AUTOENCODER["latent"], "width": 16}} if name == "autoencoder" else {**TINY[name], **wide}
    method, batch = build_method(name, options, source_channels=3, target_channels=3), pairs(4)
    optimiser = torch.optim.Adam(method.parameters(), lr=4e-3)
    seen: list[float] = []
    for step in range(500):
        loss = method.losses("model", batch, torch.Generator().manual_seed(step))
        total = torch.stack(list(loss.values())).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        seen.append(total.item())
    assert sum(seen[-25:]) < 0.1 * sum(seen[:5]) * 5
    if name == "regression":
        with torch.no_grad():
            error = method.stain(batch.source, RandomNoise(0), FEW[name]) - batch.target
        psnr = -10 * torch.log10((error / 2).square().mean())
        assert psnr > 30


def test_an_unknown_method_names_the_known_ones():
    with pytest.raises(ConfigError, match="choose one of autoencoder, "):
        find_method("palette")


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'prediction'"):
        build_method("conditional", {"predicton": "v"}, source_channels=3, target_channels=3)
