import pytest
import torch

from restain.diffusion import (
    DDIM,
    Ancestral,
    EulerMaruyama,
    GaussianDenoiser,
    PathNoise,
    RandomNoise,
    Sampling,
    VariancePreserving,
    every_step,
    invert,
    linear,
    sample,
    steps,
    trailing,
)
from restain.errors import ConfigError

LINEAR = linear()
M, STD = 0.3, 0.5


@pytest.fixture(scope="module")
def denoiser():
    return GaussianDenoiser(LINEAR, torch.tensor(M, dtype=torch.float64), torch.tensor(STD, dtype=torch.float64))


@pytest.fixture(scope="module")
def images():
    z = torch.randn(1, 1, 200, 200, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return M + STD * (z - z.mean()) / z.std()


def trip(denoiser, images, times, kernel):
    z = invert(denoiser, images, times, kernel)
    back = sample(denoiser, z, times, kernel, RandomNoise(0))
    return float((back - images).square().mean().sqrt()), z


@pytest.mark.parametrize(("count", "rms"), [(1000, 0.004), (250, 0.015)])
def test_f26_there_and_back_along_the_flow(count, rms, denoiser, images):
    error, z = trip(denoiser, images, trailing(LINEAR, count), DDIM())
    assert error <= rms
    if count == 1000:
        assert abs(float(z.mean())) <= 0.01
        assert abs(float(z.std()) - 1) <= 0.01


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "unipc"])
def test_few_steps_of_second_order_do_what_a_thousand_of_ddim_do(sampler, denoiser, images):
    kernel, times = Sampling(sampler=sampler, steps=25).plan(LINEAR)
    error, z = trip(denoiser, images, times, kernel)
    assert error <= 0.005
    assert abs(float(z.std()) - 1) <= 0.01


def test_two_inversions_carry_one_law_into_another(denoiser, images):
    """DDIB: z = ODE_source(x), y = ODE_target(z) is the monotone map between the laws of pixels."""
    other = GaussianDenoiser(LINEAR, torch.tensor(-0.5, dtype=torch.float64), torch.tensor(0.2, dtype=torch.float64))
    kernel, times = Sampling(steps=50).plan(LINEAR)
    y = sample(other, invert(denoiser, images, times, kernel), times, kernel, RandomNoise(0))
    torch.testing.assert_close(y, -0.5 + 0.2 * (images - M) / STD, atol=0.01, rtol=0)


def test_what_draws_noise_or_takes_one_step_is_not_inverted(denoiser, images):
    with pytest.raises(ConfigError, match="more steps"):
        invert(denoiser, images, (1000.0, 0.0), DDIM())
    with pytest.raises(ConfigError, match="draws noise"):
        invert(denoiser, images, trailing(LINEAR, 10), _Noisy())


class _Noisy:
    """A kernel that draws, whichever way it goes."""

    memory = 0

    def __call__(self, now, s, past, predict):
        transition = DDIM()(now, s, past, predict)
        return type(transition)(transition.mean, 0.1, now)


KERNELS = {
    "ddim": (DDIM(0.1), 0.1),
    "small": (Ancestral("small"), 1.0),
    "large": (Ancestral("large"), 1.0),
    "euler_maruyama": (EulerMaruyama(), 1.0),
}


@pytest.mark.parametrize(("kernel", "eta"), KERNELS.values(), ids=KERNELS)
def test_f27_under_the_same_denoiser_the_path_is_followed(kernel, eta, denoiser, images):
    times = every_step(850)[::5]
    path = PathNoise(denoiser, images, times, kernel, eta, RandomNoise(0))
    for step in steps(denoiser, path.x_t, times, kernel, path):
        if step.s.t > 0:
            assert (step.x_s - path.x_t).abs().max() <= 1e-12
    # No noise is drawn in the last step, so the image itself is met up to what its last level hides.
    assert (step.x_s - images).abs().max() < 6 * LINEAR.level(times[-2]).sigma


def test_a_path_of_eta_1_has_the_law_of_the_forward_process(denoiser, images):
    """Its steps end where noising in one go ends: N(alpha_s x, sigma_s^2), uncorrelated with the image."""
    times = trailing(LINEAR, 20)
    path = PathNoise(denoiser, images, times, Ancestral("small"), 1.0, RandomNoise(0))
    for draw in range(1, 15):
        path(images, draw)
    s = LINEAR.level(times[14])
    eps = (path.x_t - s.alpha * images) / s.sigma
    assert abs(float(eps.mean())) < 0.02
    assert float(eps.std()) == pytest.approx(1, abs=0.02)
    assert abs(float(torch.corrcoef(torch.stack([eps.flatten(), images.flatten()]))[0, 1])) < 0.02


def test_draws_under_the_right_denoiser_are_standard_normal(denoiser, images):
    """In the limit of many steps; in few, the image itself is news to the denoiser and the draws carry it."""
    few = images[:, :, :50, :50]
    path = PathNoise(denoiser, few, every_step(1000), Ancestral("small"), 1.0, RandomNoise(0))
    z = torch.stack([path(few, draw) for draw in range(1, 1000)])
    assert float(z.mean()) == pytest.approx(0, abs=0.01)
    assert float(z.std()) == pytest.approx(1, abs=0.01)


def test_draws_are_asked_for_in_their_order(denoiser, images):
    path = PathNoise(denoiser, images, trailing(LINEAR, 10), Ancestral(), 1.0, RandomNoise(0))
    path(images, 1)
    with pytest.raises(ConfigError, match="draw 3 of a path was asked for in place of draw 2"):
        path(images, 3)


def test_the_path_of_one_image_of_a_batch_is_its_own(denoiser, images):
    batch = images.reshape(4, 1, 100, 100)
    times = trailing(LINEAR, 10)
    path = PathNoise(denoiser, batch, times, Ancestral(), 1.0, RandomNoise(0))
    alone = path.of(2)
    assert torch.equal(path(batch, 1)[[2]], alone(batch[[2]], 1))


def test_an_image_is_inverted_to_pure_noise_too(images):
    schedule = VariancePreserving(torch.cat([LINEAR.beta[:-1], torch.ones(1, dtype=torch.float64)]))
    exact = GaussianDenoiser(schedule, torch.tensor(M, dtype=torch.float64), torch.tensor(STD, dtype=torch.float64))
    error, z = trip(exact, images, trailing(schedule, 1000), DDIM())
    assert z.isfinite().all()
    assert error <= 0.004
