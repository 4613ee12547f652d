import pytest
import torch

from restain.diffusion import Ancestral, GaussianDenoiser, RandomNoise, Sampling, force_of, forward_step, sample
from restain.errors import ConfigError
from restain.methods import Batch, build_method
from restain.nn import low_pass

UNET = {"width": 8, "multipliers": [1], "blocks": 1, "attention": []}
CLASSIFIER = {"width": 16, "multipliers": [1, 2]}


def gaussian(kind="egsde", **options):
    """A method whose prior knows exactly that the pixels of its stain are N(0.3, 0.5^2)."""
    torch.manual_seed(0)
    method = build_method(kind, {"prior": {"unet": UNET}, **options}, source_channels=3, target_channels=3)
    method.prior.denoiser = GaussianDenoiser(method.prior.schedule, torch.tensor(0.3), torch.tensor(0.5))
    return method.eval().requires_grad_(False)


@pytest.fixture
def source():
    coarse = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=64, mode="bilinear")


def test_ancestral_steps_are_those_of_the_official_code(source):
    """mu' = mu - beta_t / sqrt(1 - beta_t) grad M_t(y_t), with x_t of the noise that made y_M."""
    method = gaussian(classifier=CLASSIFIER, factor=16)
    noise, schedule = RandomNoise(0), method.prior.schedule
    seen = method.stain(source, noise, Sampling(sampler="ancestral_small", steps=10))
    eps, start = noise(source, 0), schedule.level(500.0)
    y = start.alpha * source + start.sigma * eps
    for draw, t in enumerate(range(500, 0, -50), start=1):
        times, now = (float(t), t - 50.0), schedule.level(float(t))
        x_t = now.alpha * source + now.sigma * eps
        force = force_of(lambda y_t, level, x_t=x_t: method.energy(y_t, x_t, level))(y, now)
        alpha, beta = forward_step(schedule.level(t - 50.0), now)  # sqrt(1 - beta_t) and beta_t of a longer step
        y = sample(method.prior.denoiser, y, times, Ancestral("small"), _At(noise, draw)) + beta / alpha * force
    torch.testing.assert_close(seen, y, atol=1e-5, rtol=0)


class _At:
    """Noise whose every draw is one draw of another."""

    def __init__(self, noise, draw):
        self.noise, self.draw = noise, draw

    def __call__(self, like, draw):
        return self.noise(like, self.draw)


def test_without_energies_it_is_sdedit(source):
    options = {"start_step": 300}
    sampling = Sampling(steps=10)
    plain = gaussian("sdedit", **options).stain(source, RandomNoise(0), sampling)
    quiet = gaussian(classifier=CLASSIFIER, realism=0, faithfulness=0, factor=16, **options)
    assert torch.equal(quiet.stain(source, RandomNoise(0), sampling), plain)


@pytest.mark.parametrize("sampling", [Sampling(steps=20), Sampling(sampler="ddim", steps=25)])
def test_few_steps_follow_the_stiff_pull_to_coarse_structure(sampling, source):
    method = gaussian(classifier=CLASSIFIER, realism=0, factor=16)
    many = method.stain(source, RandomNoise(0), Sampling(steps=100))
    few = method.stain(source, RandomNoise(0), sampling)
    left = [(low_pass(stained - source, 16, "box")).square().mean().sqrt() for stained in (many, few)]
    assert float(left[1] / left[0]) == pytest.approx(1, abs=0.02)
    free = gaussian("sdedit", start_step=500).stain(source, RandomNoise(0), Sampling(steps=25))
    assert left[1] < 0.6 * low_pass(free - source, 16, "box").square().mean().sqrt()


def test_realism_takes_the_features_of_the_source_away(source):
    method = gaussian(classifier=CLASSIFIER, faithfulness=0, factor=16)
    level = method.prior.schedule.level(200.0)
    x_t = level.alpha * source + level.sigma * RandomNoise(0)(source, 0)
    y_t = x_t + 0.3 * RandomNoise(0)(source, 1)
    force = force_of(lambda y, t: method.energy(y, x_t, t))(y_t, level)
    step = 1e-3 / force.flatten(1).norm(dim=1)[:, None, None, None] * force
    assert (method.energy(y_t + step, x_t, level) < method.energy(y_t, x_t, level)).all()


def test_the_pull_on_a_pixel_does_not_depend_on_the_size_of_the_tile(source):
    method = gaussian(classifier=CLASSIFIER, faithfulness=0, factor=16)
    method.classifier.features = lambda image, time: image  # features without a border
    level, y_t = method.prior.schedule.level(200.0), source.flip(3)

    def force(x, y):
        return force_of(lambda y, t: method.energy(y, x, t))(y, level)

    whole, part = force(source, y_t), force(source[:, :, :32, :48], y_t[:, :, :32, :48])
    torch.testing.assert_close(part, whole[:, :, :32, :48])


def test_the_classifier_learns_to_tell_the_stains_apart_where_there_is_an_image_to_see():
    torch.manual_seed(0)
    method = build_method(
        "egsde", {"prior": {"unet": UNET}, "classifier": CLASSIFIER, "factor": 4}, source_channels=3, target_channels=3
    )
    pink, brown = torch.tensor([0.5, -0.2, 0.4]), torch.tensor([0.3, 0.1, -0.4])

    def batch(seed):
        shade = torch.rand(8, 1, 16, 16, generator=torch.Generator().manual_seed(seed)) - 0.5
        return Batch(shade + pink[:, None, None], shade + brown[:, None, None])

    optimiser = torch.optim.Adam(method.players()["model"], lr=3e-3)
    for step in range(150):
        loss = method.losses("model", batch(step), torch.Generator().manual_seed(step))["domain"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    curve = method.diagnostics(batch(1000), torch.Generator().manual_seed(1000))
    assert min(curve[f"accuracy.t={t:04d}"] for t in (1, 100, 300)) >= 0.9
    assert curve["accuracy.t=1000"] <= 0.85


def test_a_start_outside_the_schedule_is_refused():
    with pytest.raises(ConfigError, match="start_step is 1200"):
        gaussian(start_step=1200)
