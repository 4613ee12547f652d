import math

import pytest
import torch
from torch import nn

from restain.nn import MarginalAverage, donsker_varadhan, infonce, jensen_shannon, smile


def scores(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussians(rho: float, count: int, generator: torch.Generator, dimensions: int = 1) -> torch.Tensor:
    """Return pairs (count, 2 dimensions) whose halves correlate place by place; I = -d/2 log(1 - rho^2)."""
    x, e = torch.randn(2, count, dimensions, generator=generator)
    return torch.cat([x, rho * x + math.sqrt(1 - rho**2) * e], dim=1)


def shuffled(pairs: torch.Tensor, offset: int) -> torch.Tensor:
    x, y = pairs.chunk(2, dim=1)
    return torch.cat([x, y.roll(offset, 0)], dim=1)


def train(rho: float, dimensions: int, steps: int = 2000, batch: int = 512) -> tuple[nn.Module, torch.Generator]:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    width = 128
    critic = nn.Sequential(
        nn.Linear(2 * dimensions, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1)
    )
    average = MarginalAverage()
    optimiser = torch.optim.Adam(critic.parameters(), lr=1e-3)
    for _ in range(steps):
        pairs = gaussians(rho, batch, generator, dimensions)
        joint, marginal = critic(torch.cat([pairs, shuffled(pairs, 1)]))[:, 0].chunk(2)
        optimiser.zero_grad()
        (-average(joint, marginal)).backward()
        optimiser.step()
    return critic, generator


@torch.no_grad()
def value(critic: nn.Module, pairs: torch.Tensor) -> float:
    return donsker_varadhan(critic(pairs)[:, 0], critic(shuffled(pairs, 1))[:, 0]).item()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rho", "truth"), [(0, 0), (0.3, 0.0472), (0.5, 0.1438), (0.8, 0.5108), (0.9, 0.8304), (0.95, 1.164)]
)
def test_a_trained_critic_finds_the_information_of_correlated_gaussians(rho, truth):
    critic, generator = train(rho, dimensions=1)
    assert value(critic, gaussians(rho, 50_000, generator)) == pytest.approx(truth, abs=0.04 if rho else 0.02)
    assert value(critic, shuffled(gaussians(rho, 50_000, generator), 7)) <= 0.02


@pytest.mark.slow
def test_a_trained_critic_finds_the_information_of_five_correlated_pairs():
    critic, generator = train(0.8, dimensions=5)
    assert value(critic, gaussians(0.8, 50_000, generator, 5)) == pytest.approx(2.554, abs=0.2)


def test_the_best_critic_reaches_the_information_of_correlated_gaussians():
    rho = 0.7
    truth = -0.5 * math.log(1 - rho**2)
    pairs = gaussians(rho, 400_000, torch.Generator().manual_seed(0)).double()

    def log_ratio(pairs):  # log p(x, y) / p(x) p(y)
        x, y = pairs.unbind(1)
        return truth - (rho**2 * (x**2 + y**2) - 2 * rho * x * y) / (2 * (1 - rho**2))

    joint = log_ratio(pairs)
    marginal = torch.stack([log_ratio(shuffled(pairs, k)) for k in range(1, 16)])
    assert donsker_varadhan(joint, marginal[0]).item() == pytest.approx(truth, abs=0.01)
    assert smile(joint, marginal[0]).item() == pytest.approx(truth, abs=0.01)
    assert truth - 0.03 < infonce(joint, marginal).item() < truth


def test_donsker_varadhan_is_its_formula():
    joint, marginal = scores(4, 10), scores(4, 30, seed=1)
    naive = joint.mean(1) - marginal.exp().mean(1).log()
    torch.testing.assert_close(donsker_varadhan(joint, marginal), naive, rtol=0, atol=1e-14)


def test_huge_scores_do_not_overflow():
    joint, marginal = scores(10) + 3000, 5000 + scores(10, seed=1)
    for bound in (donsker_varadhan, smile, jensen_shannon, MarginalAverage()):
        assert bound(joint, marginal).isfinite()
    assert infonce(joint, marginal[None]).isfinite()


def test_smile_clips_the_marginal_alone_and_is_donsker_varadhan_without_limit():
    joint, marginal = 4 * scores(500), 4 * scores(500, seed=1)
    clipped = joint.mean() - marginal.exp().clamp(math.exp(-5), math.exp(5)).mean().log()
    torch.testing.assert_close(smile(joint, marginal), clipped)
    torch.testing.assert_close(smile(joint, marginal, clip=100.0), donsker_varadhan(joint, marginal))


def test_infonce_is_a_cross_entropy_and_stays_below_the_log_of_its_candidates():
    joint, marginal = scores(2, 10), scores(2, 7, 10, seed=1)
    logits = torch.cat([joint[:, None], marginal], dim=1)
    entropy = nn.functional.cross_entropy(logits, torch.zeros(2, 10, dtype=torch.long), reduction="none")
    torch.testing.assert_close(infonce(joint, marginal), math.log(8) - entropy.mean(1))
    assert infonce(joint + 100, marginal).sub(math.log(8)).abs().max() < 1e-12


def test_jensen_shannon_is_twice_the_divergence_less_its_ceiling_at_the_best_critic():
    p, q = torch.tensor([0.7, 0.2, 0.1]).double(), torch.tensor([0.1, 0.3, 0.6]).double()
    best = (p / q).log()
    times = 10  # every outcome as often as its probability says
    joint, marginal = (
        best.repeat_interleave((times * p).round().long()),
        best.repeat_interleave((times * q).round().long()),
    )
    middle = (p + q) / 2
    divergence = ((p * (p / middle).log()).sum() + (q * (q / middle).log()).sum()) / 2
    torch.testing.assert_close(jensen_shannon(joint, marginal), 2 * divergence - 2 * math.log(2))


def test_the_corrected_gradient_is_the_naive_one_when_the_average_is_the_batch_mean():
    critic = nn.Linear(3, 1).double()
    joint_pairs, marginal_pairs = scores(20, 3), scores(20, 3, seed=1)
    (naive,) = torch.autograd.grad(
        donsker_varadhan(critic(joint_pairs)[:, 0], critic(marginal_pairs)[:, 0]), critic.weight
    )
    average = MarginalAverage().double()
    (ours,) = torch.autograd.grad(average(critic(joint_pairs)[:, 0], critic(marginal_pairs)[:, 0]), critic.weight)
    torch.testing.assert_close(ours, naive, rtol=0, atol=1e-12)


def test_the_corrected_gradient_divides_by_the_moving_average():
    average = MarginalAverage(rate=0.1).double()
    first, second = scores(20), scores(20, seed=1) + 2
    average(first, first)
    second.requires_grad_()
    average(torch.zeros(1).double(), second).backward()
    moved = 0.9 * first.exp().mean() + 0.1 * second.detach().exp().mean()
    torch.testing.assert_close(second.grad, -second.detach().exp() / 20 / moved, rtol=1e-12, atol=0)
    torch.testing.assert_close(average.log_average.exp(), moved)


def test_the_value_with_corrected_gradient_is_the_plain_one():
    average = MarginalAverage().double()
    average(scores(10), scores(10, seed=1))
    joint, marginal = scores(10, seed=2), scores(10, seed=3)
    torch.testing.assert_close(average(joint, marginal), donsker_varadhan(joint, marginal))


def test_only_training_moves_the_average_and_a_copy_of_it_goes_on_the_same():
    average = MarginalAverage()
    average(scores(10).float(), scores(10, seed=1).float())
    before = average.log_average.clone()
    average.eval()(scores(10), 5 + scores(10, seed=1))
    assert average.log_average.equal(before)
    copy = MarginalAverage()
    copy.load_state_dict(average.state_dict())
    for each in (average.train(), copy):
        each(scores(10).float(), 5 + scores(10, seed=1).float())
    assert copy.log_average.equal(average.log_average)
    assert not copy.log_average.equal(before)
