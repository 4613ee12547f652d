import pytest
import torch

from restain.diffusion import (
    ClassifierFree,
    GaussianDenoiser,
    NetworkDenoiser,
    RectifiedFlow,
    VarianceExploding,
    linear,
    target,
    zero_terminal_snr,
)

PREDICTIONS = ["eps", "x0", "v", "flow"]


def oracle(schedule, prediction, exact):
    """A network that knows the exact denoiser and says it in the words it was trained to use."""

    def network(x_t, time, source):
        t = time.double() * schedule.t_max
        alpha_t, sigma_t = schedule(t)
        x0 = exact(x_t, t, source)
        eps = (x_t - alpha_t.reshape(-1, 1, 1, 1) * x0) / sigma_t.reshape(-1, 1, 1, 1)
        return target(prediction, x0, eps, alpha_t, sigma_t)

    return network


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("t", [torch.tensor(700.0), torch.tensor([1, 300, 1000])], ids=["one", "each"])
def test_a_network_is_a_denoiser_whatever_it_predicts(prediction, t):
    schedule = linear()
    exact = GaussianDenoiser(schedule, torch.tensor(0.3), torch.tensor(0.5))
    denoiser = NetworkDenoiser(oracle(schedule, prediction, exact), schedule, prediction)
    x_t = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(denoiser(x_t, t), exact(x_t, t), rtol=1e-4, atol=1e-4)  # the time travels as float32


@pytest.mark.parametrize("prediction", ["x0", "v", "flow"])
def test_everything_is_finite_where_there_is_only_noise(prediction):
    schedule = zero_terminal_snr(linear())
    denoiser = NetworkDenoiser(lambda x, t, source: x.bfloat16(), schedule, prediction)
    x0 = denoiser(torch.randn(2, 3, 4, 4), torch.tensor(1000))
    assert x0.dtype == torch.float32
    assert x0.isfinite().all()


def test_the_network_gets_its_time_in_0_to_1_and_its_source():
    seen = []

    def network(x_t, time, source):
        seen.append((time, source))
        return x_t

    source = torch.ones(2, 1, 4, 4)
    denoiser = NetworkDenoiser(network, linear(), "eps")
    denoiser(torch.zeros(2, 3, 4, 4), torch.tensor(250.0, dtype=torch.float64), source)
    denoiser(torch.zeros(2, 3, 4, 4), torch.tensor([1, 1000]), source)
    assert torch.equal(seen[0][0], torch.tensor([0.25, 0.25]))
    assert torch.equal(seen[1][0], torch.tensor([0.001, 1.0]))
    assert all(source_seen is source for _, source_seen in seen)


def test_clipping_holds_images_where_images_live():
    def network(x_t, time, source):
        return 3 * x_t

    x_t, t = torch.randn(1, 3, 8, 8), torch.tensor(500)
    free = NetworkDenoiser(network, linear(), "x0")(x_t, t)
    held = NetworkDenoiser(network, linear(), "x0", clip=True)(x_t, t)
    assert torch.equal(held, free.clamp(-1, 1))
    assert not torch.equal(held, free)


@pytest.mark.parametrize("schedule", [linear(), RectifiedFlow(), VarianceExploding(0.002, 2)], ids=type)
def test_the_gaussian_denoiser_is_the_regression_of_x0_on_x_t(schedule):
    generator = torch.Generator().manual_seed(0)
    x0 = 0.3 + 0.5 * torch.randn(1, 1, 1000, 1000, generator=generator)
    t = torch.tensor(0.4 * schedule.t_max, dtype=torch.float64)
    x_t = schedule.add_noise(x0, torch.randn(x0.shape, generator=generator), t)
    exact = GaussianDenoiser(schedule, torch.tensor(0.3), torch.tensor(0.5))
    at_0, at_1 = exact(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1), t).flatten().tolist()
    moments = torch.cov(torch.stack([x_t.flatten(), x0.flatten()]).double())
    slope = float(moments[0, 1] / moments[0, 0])
    assert at_1 - at_0 == pytest.approx(slope, abs=3e-3)
    assert at_0 == pytest.approx(float(x0.mean()) - slope * float(x_t.mean()), abs=3e-3)


@pytest.fixture
def conditional():
    def network(x_t, time, source):
        return torch.tanh(x_t) if source is None else torch.sin(x_t + source)

    return NetworkDenoiser(network, linear(), "v")


def test_f16_free_guidance_of_weight_1_and_0_is_bit_equal(conditional):
    x_t, source, t = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8), torch.tensor([400, 900])
    assert torch.equal(ClassifierFree(conditional, 1.0)(x_t, t, source), conditional(x_t, t, source))
    assert torch.equal(ClassifierFree(conditional, 0.0)(x_t, t, source), conditional(x_t, t, None))


@pytest.mark.parametrize(("weight", "sources"), [(1.0, ["source"]), (0.0, [None]), (1.5, [None, "source"])])
def test_free_guidance_asks_no_more_than_it_must(weight, sources):
    asked = []

    def network(x_t, time, source):
        asked.append(source)
        return x_t

    ClassifierFree(NetworkDenoiser(network, linear(), "v"), weight)(torch.zeros(1, 1, 2, 2), torch.tensor(5), "source")
    assert asked == sources


def test_free_guidance_in_x0_is_free_guidance_in_eps(conditional):
    x_t, source, t = torch.randn(2, 3, 8, 8).double(), torch.randn(2, 3, 8, 8).double(), torch.tensor(400)
    alpha_t, sigma_t = linear()(t)

    def eps(x0):
        return (x_t - alpha_t * x0) / sigma_t

    with_source, without = eps(conditional(x_t, t, source)), eps(conditional(x_t, t, None))
    guided = eps(ClassifierFree(conditional, 1.7)(x_t, t, source))
    torch.testing.assert_close(guided, without + 1.7 * (with_source - without), rtol=0, atol=1e-12)
