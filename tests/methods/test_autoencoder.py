import pytest
import torch

from restain.diffusion import RandomNoise, Sampling
from restain.errors import ConfigError, DataError
from restain.methods import Batch, build_method

LATENT = {"width": 8, "multipliers": [1, 2], "blocks": 1, "fold": 2}


def build(**options):
    torch.manual_seed(0)
    options = {"latent": LATENT, **options}
    return build_method("autoencoder", options, source_channels=3, target_channels=3).eval()


def images(count=4):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_the_divergence_is_that_of_normal_laws():
    method, x = build(kl=0.5), images()
    mean, log_variance = method.encoder(torch.cat([x, -x]))
    law = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    divergence = torch.distributions.kl_divergence(law, torch.distributions.Normal(0.0, 1.0)).sum()
    losses = method.losses("model", Batch(x, -x), torch.Generator().manual_seed(0))
    torch.testing.assert_close(losses["kl"], 0.5 * divergence / (2 * x.numel()))


def test_latents_have_zero_mean_and_unit_variance_once_measured():
    method, x = build(), images()
    before = method.stain(x, RandomNoise(0), Sampling())
    method.calibrate(Batch(x, -x), torch.Generator())
    z = method.encode(torch.cat([x, -x]))
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(method.stain(x, RandomNoise(0), Sampling()), before, atol=1e-4, rtol=0)


def test_measured_constants_travel_with_the_weights():
    method, x = build(), images()
    method.calibrate(Batch(x, -x), torch.Generator())
    other = build()
    other.load_state_dict(method.shipped())
    torch.testing.assert_close(other.encode(x), method.encode(x))


@pytest.mark.parametrize(("latent", "factor"), [(LATENT, 4), ({"width": 4, "multipliers": [1, 1, 1]}, 4)])
def test_latents_are_smaller_by_the_factor(latent, factor):
    method = build(latent={**latent, "channels": 5})
    assert method.multiple == method.factor == factor
    z = method.encode(images())
    assert z.shape == (4, 5, 32 // factor, 32 // factor)
    assert method.decode(z).shape == (4, 3, 32, 32)


def test_sides_that_do_not_divide_are_refused():
    with pytest.raises(DataError, match="an image of 30 x 32 px does not fit an encoder that shrinks it by 4"):
        build().encode(images()[..., :30])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kl": -1}, "kl"),
        ({"latent": {"width": 6}}, "divide by 4"),
        ({"latent": {"multipliers": []}}, "divide by 4"),
        ({"latent": {"channels": 0}}, "channels"),
    ],
)
def test_options_that_make_no_autoencoder_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build(**options)


def test_stains_of_different_channels_are_refused():
    with pytest.raises(ConfigError, match="they have 26 and 3 channels"):
        build_method("autoencoder", {"latent": LATENT}, source_channels=26, target_channels=3)
