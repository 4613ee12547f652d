import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler

from restain.diffusion import (
    DDIM,
    Ancestral,
    DPMSolverMultistep,
    EulerMaruyama,
    GaussianDenoiser,
    Heun,
    Noise,
    RectifiedFlow,
    UniPC,
    VarianceExploding,
    every_step,
    karras,
    linear,
    lu,
    nichol_dhariwal,
    sample,
    steps,
    zero_terminal_snr,
)
from restain.errors import ConfigError

# diffusers copies tensors into arrays in a way that NumPy is about to drop.
foreign = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

KERNELS = {
    "ancestral_large": Ancestral("large"),
    "ancestral_small": Ancestral("small"),
    "ddim": DDIM(),
    "ddim_eta": DDIM(0.5),
    "heun": Heun(),
    "dpmpp_2m": DPMSolverMultistep(),
    "dpmpp_2m_sde": DPMSolverMultistep(stochastic=True),
    "unipc": UniPC(),
}
SCHEDULES = {
    "linear": linear(),
    "zero_snr": zero_terminal_snr(linear()),
    "nichol_dhariwal": nichol_dhariwal(),
    "flow": RectifiedFlow(),
    "exploding": VarianceExploding(),
}
WITH_SIGNAL = ["linear", "nichol_dhariwal", "exploding"]

every_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)


class FixedNoise(Noise):
    def __init__(self, draws):
        self.draws = draws

    def __call__(self, like, draw):
        return self.draws[draw].to(like)

    def of(self, image):
        raise NotImplementedError


@pytest.fixture
def draws():
    return torch.randn(60, 2, 4, 3, 3, generator=torch.Generator().manual_seed(0))


def check_trajectory(denoiser, kernel, draws):
    schedule = denoiser.schedule
    x_t = draws[0] * schedule.level(schedule.t_max).sigma
    trajectory = list(steps(denoiser, x_t, lu(schedule, 8), kernel, FixedNoise(draws)))
    assert all(step.x_s.isfinite().all() and step.x_s.dtype == torch.float32 for step in trajectory)
    assert torch.equal(trajectory[-1].x_s, trajectory[-1].now.x0)


@every_schedule
@every_kernel
def test_trajectories_are_finite_and_end_in_the_last_x0(kernel, schedule, draws, denoiser_of):
    check_trajectory(denoiser_of(schedule), kernel, draws)


@pytest.mark.parametrize("name", WITH_SIGNAL)
def test_euler_maruyama_runs_wherever_there_is_some_signal(name, draws, denoiser_of):
    check_trajectory(denoiser_of(SCHEDULES[name]), EulerMaruyama(), draws)


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - set(WITH_SIGNAL)))
def test_euler_maruyama_refuses_a_start_without_signal(name, draws, denoiser_of):
    with pytest.raises(ConfigError, match=r"infinite there.*ancestral"):
        check_trajectory(denoiser_of(SCHEDULES[name]), EulerMaruyama(), draws)


@every_schedule
@pytest.mark.parametrize("name", sorted(set(KERNELS) - {"ancestral_large"}))
def test_a_single_image_is_known_from_the_start(name, schedule, law_of, law):
    """With one image in the world x_t = alpha_t x0 + sigma_t eps at every time, however few the steps."""
    single = GaussianDenoiser(schedule, torch.tensor(0.7, dtype=torch.float64), torch.tensor(0.0))
    times = lu(schedule, 5)[:-1]
    first, last = schedule.level(times[0]), schedule.level(times[-1])
    found = law_of(single, times, KERNELS[name], law([0.7 * first.alpha], [first.sigma]))
    assert float(found.mean) == pytest.approx(0.7 * last.alpha, rel=1e-9)
    assert float(found.std) == pytest.approx(last.sigma, rel=1e-9)


def test_data_of_unit_variance_keep_it_under_the_large_variance(law_of, law):
    unit = GaussianDenoiser(linear(), torch.tensor(0.0), torch.tensor(1.0))
    found = law_of(unit, every_step(1000)[:500], Ancestral("large"), law([0.0], [1.0]))
    assert float(found.std) == pytest.approx(1, rel=1e-12)


def test_ddim_of_eta_1_is_ancestral_sampling_with_the_small_variance(draws, denoiser_of):
    denoiser, times, noise = denoiser_of(linear()), lu(linear(), 12), FixedNoise(draws.double())
    by_ddim, by_ancestral = (sample(denoiser, noise.draws[0], times, k, noise) for k in (DDIM(1.0), Ancestral("small")))
    torch.testing.assert_close(by_ddim, by_ancestral, rtol=0, atol=1e-12)


@pytest.mark.parametrize("schedule", [RectifiedFlow(), VarianceExploding()], ids=["flow", "exploding"])
def test_ddim_is_euler_on_straight_lines_and_under_exploding_variance(schedule, draws, denoiser_of):
    denoiser, (t, s), x_t = denoiser_of(schedule), (0.7 * schedule.t_max, 0.4 * schedule.t_max), draws[0].double()
    velocity = (x_t - denoiser(x_t, torch.tensor(t, dtype=torch.float64))) / t  # dx / dt on both
    by_ddim = sample(denoiser, x_t, (t, s), DDIM(), FixedNoise(draws))
    torch.testing.assert_close(by_ddim, x_t + (s - t) * velocity, rtol=1e-12, atol=1e-12)


def test_ddim_runs_backwards(draws, denoiser_of):
    denoiser, times = denoiser_of(linear()), every_step(1000)[:-1]
    x_1 = 0.3 + 0.5 * draws[0].double()
    latent = sample(denoiser, x_1, times[::-1], DDIM(), FixedNoise(draws))
    back = sample(denoiser, latent, times, DDIM(), FixedNoise(draws))
    assert (back - x_1)[:, 1].square().mean().sqrt() <= 0.004
    assert (latent - x_1).abs().max() > 0.1


def eps_at(denoiser, x_t, sigma_ratio):
    """The exact noise at a level that diffusers names by sigma / alpha, not by time."""
    t = torch.tensor(denoiser.schedule.time(float(sigma_ratio)), dtype=torch.float64)
    alpha_t, sigma_t = denoiser.schedule(t)
    return (x_t - alpha_t * denoiser(x_t, t)) / sigma_t


OPTIONS = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
FOREIGN_SOLVERS = {
    "dpmpp_2m": (DPMSolverMultistep(), lu, DPMSolverMultistepScheduler(**OPTIONS, use_lu_lambdas=True)),
    "dpmpp_2m_sde": (
        DPMSolverMultistep(stochastic=True),
        lu,
        DPMSolverMultistepScheduler(**OPTIONS, use_lu_lambdas=True, algorithm_type="sde-dpmsolver++"),
    ),
    "unipc": (UniPC(), karras, UniPCMultistepScheduler(**OPTIONS, use_karras_sigmas=True)),
}


@foreign
@pytest.mark.parametrize("count", [4, 12])
@pytest.mark.parametrize(("kernel", "grid", "theirs"), FOREIGN_SOLVERS.values(), ids=FOREIGN_SOLVERS)
def test_multistep_trajectories_are_those_of_diffusers(kernel, grid, theirs, count, draws, denoiser_of):
    denoiser = denoiser_of(linear())
    theirs.set_timesteps(count)
    x_t = draws[0]
    trajectory = steps(denoiser, x_t, grid(linear(), count), kernel, FixedNoise(draws))
    for k, (step, t) in enumerate(zip(trajectory, theirs.timesteps, strict=True), start=1):
        drawn = {"variance_noise": draws[k]} if kernel == KERNELS["dpmpp_2m_sde"] else {}
        x_t = theirs.step(eps_at(denoiser, x_t, theirs.sigmas[k - 1]), t, x_t, **drawn).prev_sample
        torch.testing.assert_close(step.x_s, x_t, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("eta", [0.0, 0.6])
def test_ddim_steps_are_those_of_diffusers(eta, draws, denoiser_of):
    theirs = DDIMScheduler(**OPTIONS, clip_sample=False, timestep_spacing="trailing")
    theirs.set_timesteps(10)
    denoiser, x_t = denoiser_of(linear()), draws[0]
    times = [*(float(t) + 1 for t in theirs.timesteps), 0.0]  # they count from 0
    for k, step in enumerate(steps(denoiser, x_t, times[:-1], DDIM(eta), FixedNoise(draws)), start=1):
        eps = step.now.eps if k == 1 else eps_at(denoiser, x_t, step.now.t.sigma / step.now.t.alpha)
        drawn = {"eta": eta, "variance_noise": draws[k]} if eta else {}
        x_t = theirs.step(eps, theirs.timesteps[k - 1], x_t, **drawn).prev_sample
        torch.testing.assert_close(step.x_s, x_t, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("variance", ["small", "large"])
@pytest.mark.parametrize("t", [2, 300, 1000])
def test_ancestral_steps_are_those_of_diffusers(variance, t, draws, denoiser_of):
    theirs = DDPMScheduler(**OPTIONS, variance_type=f"fixed_{variance}", clip_sample=False)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(draws[0].shape, generator=torch.Generator().manual_seed(0))
    denoiser, x_t = denoiser_of(linear()), draws[0]
    eps = eps_at(denoiser, x_t, linear().level(t).sigma / linear().level(t).alpha)
    wanted = theirs.step(eps, t - 1, x_t, generator=generator).prev_sample
    ours = sample(denoiser, x_t, (t, t - 1), Ancestral(variance), FixedNoise({1: drawn}))
    torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-4)
