import pytest
import torch

from restain.diffusion import (
    DDIM,
    Ancestral,
    Denoiser,
    DPMSolverMultistep,
    Guide,
    Heun,
    Kernel,
    NetworkDenoiser,
    RandomNoise,
    RectifiedFlow,
    UniPC,
    linear,
    lu,
    sample,
    steps,
    trailing,
)

SCHEDULE = linear()


def network(x_t, time, source):
    return torch.tanh(x_t + (0 if source is None else source)) * time.reshape(-1, 1, 1, 1)


KERNELS = [Ancestral("large"), DDIM(), DPMSolverMultistep(), DPMSolverMultistep(stochastic=True), UniPC(), Heun()]


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_samples_do_not_depend_on_the_batch(kernel):
    denoiser = NetworkDenoiser(network, SCHEDULE, "v")
    source, like = torch.randn(3, 2, 8, 8), torch.empty(3, 2, 8, 8)

    def sampled(images):
        noise = RandomNoise(5, images)
        x_t = noise(like[: len(images)], 0)
        return sample(denoiser, x_t, lu(SCHEDULE, 6), kernel, noise, source[list(images)])

    together = sampled([0, 1, 2])
    assert torch.equal(together, sampled([0, 1, 2]))
    torch.testing.assert_close(torch.cat([sampled([2]), sampled([0, 1])]), together[[2, 0, 1]], rtol=0, atol=1e-5)


def test_steps_are_the_sample_in_slices():
    denoiser, noise, times = NetworkDenoiser(network, SCHEDULE, "v"), RandomNoise(0), lu(SCHEDULE, 6)
    x_t = noise(torch.empty(1, 2, 8, 8), 0)
    trajectory = list(steps(denoiser, x_t, times, UniPC(), noise))
    assert [step.s.t for step in trajectory] == list(times[1:])
    assert [step.now.t.t for step in trajectory] == list(times[:-1])
    assert torch.equal(trajectory[-1].x_s, sample(denoiser, x_t, times, UniPC(), noise))


def test_the_source_reaches_the_network():
    denoiser, noise = NetworkDenoiser(network, SCHEDULE, "v"), RandomNoise(0)
    x_t = noise(torch.empty(1, 2, 8, 8), 0)
    one, other = (
        sample(denoiser, x_t, lu(SCHEDULE, 4), DDIM(), noise, torch.full_like(x_t, value)) for value in (0.0, 1.0)
    )
    assert not torch.equal(one, other)


def test_no_gradients_are_kept_and_the_callers_setting_is_left_alone():
    weight = torch.ones(1, requires_grad=True)
    denoiser = NetworkDenoiser(lambda x, time, source: weight * x, SCHEDULE, "v")
    grad_seen = []
    for step in steps(denoiser, torch.randn(1, 1, 4, 4), lu(SCHEDULE, 3), DDIM(), RandomNoise(0)):
        grad_seen.append(torch.is_grad_enabled())
        assert not step.x_s.requires_grad
    assert grad_seen == [True] * 3


@pytest.mark.parametrize(
    ("kernel", "calls"), [(DDIM(), 5), (DPMSolverMultistep(), 5), (UniPC(), 5), (Heun(), 9)], ids=repr
)
def test_calls_of_the_network_are_counted_as_promised(kernel, calls):
    count = []

    def counted(x_t, time, source):
        count.append(1)
        return x_t

    denoiser = NetworkDenoiser(counted, RectifiedFlow(), "flow")
    sample(denoiser, torch.randn(1, 1, 4, 4), trailing(RectifiedFlow(), 5), kernel, RandomNoise(0))
    assert len(count) == calls


def test_a_guide_may_change_the_network_between_steps():
    scale = torch.tensor(1.0)
    denoiser = NetworkDenoiser(lambda x, time, source: scale * x, SCHEDULE, "x0")

    class Doubling(Guide):
        def on_step_end(self, now, s):
            scale.mul_(2)

    x_t, hooks = torch.ones(1, 1, 2, 2), [Doubling()]
    trajectory = list(steps(denoiser, x_t, (3.0, 2.0, 1.0, 0.0), DDIM(), RandomNoise(0), hooks=hooks))
    ratios = [float((step.now.x0 / step.now.x_t).mean()) for step in trajectory]
    assert ratios == pytest.approx([1, 2, 4])


def test_memory_is_bounded_by_the_kernel():
    seen = []

    class Watching(Denoiser):
        schedule = SCHEDULE

        def __call__(self, x_t, t, source=None):
            return x_t

    class Remembering(Kernel):
        memory = 2

        def _transition(self, now, s, past, predict):
            seen.append([moment.t.t for moment in past])
            return DDIM()(now, s, past, predict)

    sample(Watching(), torch.zeros(1, 1, 2, 2), (5.0, 4.0, 3.0, 2.0, 1.0), Remembering(), RandomNoise(0))
    assert seen == [[], [5.0], [4.0, 5.0], [3.0, 4.0]]
