"""Brownian bridges against their closed forms."""

import math

import pytest
import torch

from restain.diffusion import (
    Ancestral,
    BridgeDenoiser,
    BrownianBridge,
    CoarseNoise,
    GaussianDenoiser,
    RandomNoise,
    Sampling,
    SlideNoise,
    bridge_target,
    every_step,
    sample,
    steps,
    to_the_last,
)
from restain.diffusion.kernels import Moment
from restain.errors import ConfigError
from restain.geometry import Point

BRIDGE = BrownianBridge()
T = torch.arange(1, 1001)
M = torch.linspace(0.001, 0.999, 1000, dtype=torch.float64)
X0, Y = -0.4, 0.7


class UnitDraws:
    """A unit of noise at the k-th draw in image k, none elsewhere."""

    def __call__(self, like, draw):
        noise = torch.zeros_like(like)
        noise[draw] = 1
        return noise


def test_f25_the_schedule_is_the_published_one():
    alpha, sigma = BRIDGE(T)
    torch.testing.assert_close(1 - alpha, M)
    torch.testing.assert_close(sigma**2, 2 * (M - M**2))
    assert float((sigma**2).max()) == pytest.approx(0.5, abs=1e-5)
    assert float((BrownianBridge(variance=0.25)(T)[1] ** 2).max()) == pytest.approx(0.125, abs=1e-5)


def test_f25_with_the_exact_image_the_sampler_walks_the_law_of_the_bridge():
    """From exactly y: mean (1 - m_n) x_0 + m_n y and variance delta_n, which is late only near y."""
    times = every_step(1000)
    u_t = torch.full((1001, 1, 1, 1), BRIDGE.level(1000.0).alpha * Y, dtype=torch.float64)
    exact = GaussianDenoiser(BRIDGE, torch.tensor(X0, dtype=torch.float64), torch.tensor(0.0))
    seen = 0
    for step in steps(exact, u_t, times, Ancestral("small"), UnitDraws()):
        if step.s.t == 0:
            torch.testing.assert_close(step.x_s, torch.full_like(step.x_s, X0))
            continue
        m_n = float(BRIDGE.m(torch.tensor(step.s.t)))
        x_n = step.x_s.flatten() + m_n * Y
        mean, variance = float(x_n[0]), float(((x_n - x_n[0]) ** 2).sum())
        assert mean == pytest.approx((1 - m_n) * X0 + m_n * Y, abs=2e-3)
        if step.s.t <= 500:
            assert variance == pytest.approx(2 * (m_n - m_n**2), rel=0.01)
        if step.s.t == 999:  # y has no spread, x_T had some
            assert variance < 0.6 * 2 * (m_n - m_n**2)
        seen += 1
    assert seen == 999


@pytest.mark.parametrize(("t", "s"), [(1000.0, 995.0), (600.0, 595.0), (500.0, 20.0), (5.0, 2.0)])
def test_a_step_is_that_of_li_et_al(t, s):
    """The update as printed, of x, against the kernel of u = x - m y."""
    m_t, m_s = (float(BRIDGE.m(torch.tensor(time))) for time in (t, s))
    delta_t, delta_s = (2 * (m - m**2) for m in (m_t, m_s))
    x_t, x_0, y = torch.randn(3, 1, 2, 4, 4, dtype=torch.float64)
    variance = (delta_t - delta_s * (1 - m_t) ** 2 / (1 - m_s) ** 2) * delta_s / delta_t
    drift = x_t - (1 - m_t) * x_0 - m_t * y
    mean = (1 - m_s) * x_0 + m_s * y + math.sqrt((delta_s - variance) / delta_t) * drift
    now = Moment(BRIDGE.level(t), x_t - m_t * y, x_0)
    found = Ancestral("small")(now, BRIDGE.level(s), (), lambda x, level: x)
    torch.testing.assert_close(found.mean + m_s * y, mean)
    assert found.std**2 == pytest.approx(variance)


@pytest.mark.parametrize("objective", ["grad", "noise", "ysubx"])
def test_a_network_that_says_its_goal_is_a_denoiser_that_knows_the_image(objective):
    x0, y, eps = torch.randn(3, 2, 3, 4, 4, dtype=torch.float64)
    t = torch.tensor([10.0, 700.0])
    u_t = BRIDGE.add_noise(x0, eps, t)
    x_t = BRIDGE.add_drift(u_t, y, t)
    m_t = BRIDGE.m(t)[:, None, None, None]
    grad = m_t * (y - x0) + (2 * (m_t - m_t**2)).sqrt() * eps  # as printed
    torch.testing.assert_close(bridge_target("grad", x0, y, eps, x_t), grad)

    def network(seen, time, source):
        torch.testing.assert_close(seen, x_t)
        torch.testing.assert_close(time, (t / 1000).float())
        return bridge_target(objective, x0, source, eps, x_t)

    found = BridgeDenoiser(network, BRIDGE, objective, clip=False)(u_t, t, y)
    torch.testing.assert_close(found, x0)
    assert BridgeDenoiser(network, BRIDGE, objective, clip=True)(u_t, t, y).abs().max() <= 1


def law(sampling, noised, denoiser, y):
    """Mean and deviation per channel of what a sampler makes from y, without any Monte-Carlo error."""
    kernel, times = sampling.plan(BRIDGE)
    start = BRIDGE.level(times[0])
    u_t = (start.alpha * y).reshape(1, -1, 1, 1).repeat(len(times) + 1, 1, 1, 1)
    u_t[-1] += noised * start.sigma
    made = sample(denoiser, u_t, times, kernel, UnitDraws()).flatten(1)
    return made[0], ((made[1:] - made[0]) ** 2).sum(0).sqrt()


LAWS = {
    "bridge_200": (Sampling(sampler="bridge", steps=200), 0, (3, 6, 17, 45)),
    "dpmpp_2m_sde_20": (Sampling(sampler="dpmpp_2m_sde", steps=20), 0, (2, 2, 3, 30)),
    "dpmpp_2m_20": (Sampling(sampler="dpmpp_2m", steps=20), 1, (2, 2, 3, 30)),
}


@pytest.mark.parametrize(("sampling", "noised", "percent"), LAWS.values(), ids=LAWS)
def test_fast_samplers_make_the_right_law_too(sampling, noised, percent, denoiser_of, truth):
    """The last column, deviation 0.05, is bounded by the lowest level of the bridge, whose noise is 0.045."""
    mean, std = law(sampling, noised, denoiser_of(BRIDGE), torch.tensor([0.3, -0.3, 0.5, 0.9], dtype=torch.float64))
    assert (mean - truth.mean).abs().max() <= 0.01
    assert (100 * (std / truth.std - 1).abs() <= torch.tensor(percent)).all(), 100 * (std / truth.std - 1)


def test_from_exactly_y_a_flow_makes_one_image_only(denoiser_of):
    _, std = law(Sampling(sampler="ddim", steps=20), 0, denoiser_of(BRIDGE), torch.zeros(4, dtype=torch.float64))
    assert float(std.max()) == 0


def test_the_grid_of_the_paper_looks_at_the_lowest_level_last():
    times = to_the_last(BRIDGE, 200)
    assert (len(times), times[0], times[-2], times[-1]) == (201, 1000.0, 1.0, 0.0)
    assert to_the_last(BRIDGE, 1000) == pytest.approx(every_step(1000))
    assert to_the_last(BRIDGE, 1, 300.0) == (300.0, 0.0)


@pytest.mark.parametrize("t", [0.0, 0.5, 1.0, 250.25, 1000.0])
def test_time_inverts_the_levels(t):
    level = BRIDGE.level(t)
    assert BRIDGE.time(level.sigma / level.alpha) == pytest.approx(t, abs=1e-6)
    assert BRIDGE.time(math.inf) == 1000


@pytest.mark.parametrize(("steps", "variance"), [(1, 1.0), (1000, 0.0)])
def test_a_bridge_to_nowhere_is_refused(steps, variance):
    with pytest.raises(ConfigError, match="leads nowhere"):
        BrownianBridge(steps, variance)
    with pytest.raises(ConfigError, match=r"a time outside 0 \.\. 1000"):
        BRIDGE.level(1000.5)


def test_coarse_noise_is_standard_normal():
    z = CoarseNoise(RandomNoise(0), 4)(torch.empty(1, 1, 256, 256), 1)
    assert float(z.mean()) == pytest.approx(0, abs=0.02)
    assert float(z.std()) == pytest.approx(1, abs=0.02)
    neighbours = torch.corrcoef(torch.stack([z[..., :-1].flatten(), z[..., 1:].flatten()]))[0, 1]
    assert float(neighbours) == pytest.approx(0, abs=0.02)


def test_coarse_noise_belongs_to_its_place_on_the_slide():
    at = [Point(-16, 32), Point(48, 32), Point(50, 32)]
    left, right, askew = CoarseNoise(SlideNoise(7, at), 4)(torch.empty(3, 3, 32, 32), 2)
    torch.testing.assert_close(left[..., 16:], right[..., :16])  # the tiles overlap by half
    overlap = torch.corrcoef(torch.stack([right[..., :-1].flatten(), askew[..., :-1].flatten()]))[0, 1]
    assert float(overlap) == pytest.approx(0.5, abs=0.05)  # squares that share half of their pixels
    alone = CoarseNoise(SlideNoise(7, at), 4).of(1)(torch.empty(1, 3, 32, 32), 2)[0]
    assert torch.equal(alone, right)
