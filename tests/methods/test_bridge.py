import math

import pytest
import torch
from torch.nn import functional

from restain.diffusion import FLOW_SAMPLERS, BrownianBridge, Noise, RandomNoise, Sampling, SlideNoise
from restain.errors import ConfigError
from restain.geometry import Point
from restain.methods import Batch, build_method

UNET = {"width": 4, "multipliers": [1], "blocks": 1, "attention": [], "middle_attention": False}
AUTOENCODER = {"latent": {"width": 4, "multipliers": [1, 2], "blocks": 1, "fold": 2}}
BRIDGE = BrownianBridge()


def build(name="bridge", **options):
    if name == "latent_bridge":
        options = {"autoencoder": AUTOENCODER, **options}
    return build_method(name, {"unet": UNET, **options}, source_channels=3, target_channels=3).eval()


class Pointwise(torch.nn.Module):
    """Stands in for the network: x_0 is minus half of the source, or with ``rest`` only most of what x_t says."""

    def __init__(self, objective="grad", rest=0.0):
        super().__init__()
        self.objective, self.rest, self.seen = objective, rest, []

    def forward(self, seen, time):
        x_t, y = seen.chunk(2, dim=1)
        self.seen.append(x_t)
        alpha_t, sigma_t = (c.float()[:, None, None, None] for c in BRIDGE(1000 * time))
        x_0 = -0.5 * y + self.rest * x_t
        eps = (x_t - alpha_t * x_0 - (1 - alpha_t) * y) / sigma_t
        return {"grad": x_t - x_0, "ysubx": y - x_0, "noise": eps}[self.objective]


class Draws(Noise):
    """Notes which draws are asked for, and of what shape."""

    def __init__(self):
        self.asked = []

    def __call__(self, like, draw):
        self.asked.append(draw)
        return torch.full_like(like, 0.5)

    def of(self, image):
        return self


@pytest.mark.parametrize("objective", ["grad", "ysubx", "noise"])
def test_a_network_that_knows_the_answer_has_no_loss_and_samples_it(objective):
    y = torch.rand(2, 3, 8, 8) * 2 - 1
    method = build(objective=objective)
    method.walk.network = Pointwise(objective)
    loss = method.losses("model", Batch(y, -0.5 * y), torch.Generator().manual_seed(0))["bridge"]
    assert loss < 1e-5
    for sampler in ("bridge", "dpmpp_2m_sde", "dpmpp_2m", "ddim", "ancestral_small"):
        stained = method.stain(y, RandomNoise(0), Sampling(sampler=sampler, steps=6))
        torch.testing.assert_close(stained, -0.5 * y, atol=1e-3, rtol=0)


def test_the_loss_of_a_network_that_says_zero_is_the_size_of_its_goal():
    """Between equal ends the goal is sqrt(delta_t) eps, and E |eps| = sqrt(2 / pi)."""
    x = torch.zeros(256, 3, 8, 8)
    loss = build().losses("model", Batch(x, x), torch.Generator().manual_seed(0))["bridge"]
    _, sigma = BRIDGE(torch.arange(1, 1001))
    assert loss.item() == pytest.approx(math.sqrt(2 / math.pi) * float(sigma.mean()), rel=0.05)


@pytest.mark.parametrize("sampler", ["bridge", "dpmpp_2m_sde", "dpmpp_2m", "ddim"])
def test_a_walk_starts_at_the_source_and_counts_its_draws(sampler):
    """What follows the flow has no draws on its way, and gets the spread of x_T at once."""
    y, noise = torch.rand(1, 3, 8, 8), Draws()
    method = build()
    method.walk.network = Pointwise()
    method.stain(y, noise, Sampling(sampler=sampler, steps=5))
    spread = BRIDGE.level(1000.0).sigma * 0.5 if sampler in FLOW_SAMPLERS else 0.0
    torch.testing.assert_close(method.walk.network.seen[0], y + spread)
    assert noise.asked == ([0] if sampler in FLOW_SAMPLERS else [1, 2, 3, 4])


@pytest.mark.parametrize(("name", "default"), [("bridge", 6), ("latent_bridge", 3)])
def test_the_source_is_shown_where_asked(name, default):
    x = torch.rand(1, 3, 16, 16)

    def channels_seen(method):
        seen = []
        method.walk.network.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
        method.losses("model", Batch(x, x), torch.Generator())
        return seen

    assert channels_seen(build(name)) == [default]
    assert channels_seen(build(name, show_source=True)) == [6]
    assert channels_seen(build(name, show_source=False)) == [3]


class Pool(torch.nn.Module):
    """An encoder that averages squares of four pixels."""

    def forward(self, image):
        return functional.avg_pool2d(image, 4), None


class Spread(torch.nn.Module):
    """Its decoder."""

    def forward(self, latent):
        return functional.interpolate(latent, scale_factor=4.0)


def exact(name, rest=0.0):
    """A bridge whose network, encoder and decoder are known and look at one place only."""
    method = build(name, show_source=True)
    method.walk.network = Pointwise(rest=rest)
    if name == "latent_bridge":
        method.autoencoder.encoder, method.autoencoder.decoder = Pool(), Spread()
    return method


def test_a_latent_bridge_walks_between_latents():
    y = torch.rand(2, 3, 16, 16)
    stained = exact("latent_bridge").stain(y, RandomNoise(0), Sampling(sampler="bridge", steps=6))
    torch.testing.assert_close(stained, -0.5 * Spread()(Pool()(y)[0]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["bridge", "latent_bridge"])
@pytest.mark.parametrize("sampler", ["bridge", "dpmpp_2m"])
def test_tiles_agree_where_they_overlap(name, sampler):
    slide = torch.rand(1, 3, 64, 96) * 0.2
    tiles = torch.cat([slide[..., :64], slide[..., 32:]])
    noise = SlideNoise(3, [Point(128, -16), Point(160, -16)])
    method, sampling = exact(name, rest=0.7), Sampling(sampler=sampler, steps=8)
    left, right = method.stain(tiles, noise, sampling)
    torch.testing.assert_close(left[..., 32:], right[..., :32], atol=1e-5, rtol=0)
    other = method.stain(tiles, SlideNoise(4, [Point(128, -16), Point(160, -16)]), sampling)
    assert (other[0] - left).abs().mean() > 0.01


def test_the_autoencoder_stays_as_it_is():
    torch.manual_seed(0)
    method, x = build("latent_bridge").train(), torch.rand(2, 3, 16, 16)
    method.losses("model", Batch(x, -x), torch.Generator().manual_seed(0))["bridge"].backward()
    assert all(parameter.grad is None for parameter in method.autoencoder.parameters())
    assert any(parameter.grad is not None for parameter in method.walk.parameters())
    assert not method.autoencoder.training
    own = {id(parameter) for parameter in method.players()["model"]}
    assert own == {id(parameter) for parameter in method.walk.parameters()}


def test_latents_are_not_clipped_and_pixels_are():
    y = torch.full((1, 3, 16, 16), 5.0)
    sampling = Sampling(sampler="bridge", steps=3)
    assert float(exact("latent_bridge").stain(y, RandomNoise(0), sampling).mean()) == pytest.approx(-2.5, abs=1e-4)
    assert float(exact("bridge").stain(y, RandomNoise(0), sampling).mean()) == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "x0"}, "objective"),
        ({"steps": 1}, "steps"),
        ({"variance": 0}, "variance"),
        ({"show_sorce": True}, "did you mean 'show_source'"),
    ],
)
def test_options_that_make_no_bridge_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build(**options)


@pytest.mark.parametrize("name", ["bridge", "latent_bridge"])
def test_ends_of_different_channels_are_refused(name):
    with pytest.raises(ConfigError, match="they have 26 and 3 channels"):
        build_method(name, {"unet": UNET}, source_channels=26, target_channels=3)
