import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from restain.nn import discriminator_loss, frozen, generator_loss


def test_bce_is_the_cross_entropy_of_the_labels():
    real, made = torch.randn(2, 1, 4, 4), torch.randn(2, 1, 4, 4)
    ones, zeros = torch.ones_like(real), torch.zeros_like(real)
    expected = (binary_cross_entropy_with_logits(real, ones) + binary_cross_entropy_with_logits(made, zeros)) / 2
    torch.testing.assert_close(discriminator_loss(real, made, "bce"), expected)
    torch.testing.assert_close(generator_loss(made, "bce"), binary_cross_entropy_with_logits(made, ones))


@pytest.mark.parametrize(("objective", "score", "loss"), [("bce", 0.0, math.log(2)), ("lsgan", 0.5, 0.25)])
def test_where_real_and_made_look_alike_the_best_score_is_the_even_one(objective, score, loss):
    scores = torch.linspace(-2, 2, 401)
    losses = torch.stack([discriminator_loss(s, s, objective) for s in scores])
    assert scores[losses.argmin()].item() == pytest.approx(score, abs=0.01)
    assert losses.min().item() == pytest.approx(loss, abs=1e-4)


def test_least_squares_has_its_optimum_at_the_share_of_real_images():
    """D*(x) = p_real / (p_real + p_made) for labels 1 and 0 (Mao et al. 2017, eq. 5)."""
    real, made = 3, 1  # three real images for one made, all of one look
    scores = torch.linspace(0, 1, 1001)
    total = torch.stack([real * (s - 1) ** 2 + made * s**2 for s in scores])
    balanced = torch.stack([real * 2 * discriminator_loss(s, torch.zeros(()), "lsgan") + made * s**2 for s in scores])
    assert scores[balanced.argmin()].item() == pytest.approx(real / (real + made))
    torch.testing.assert_close(total, balanced)


@pytest.mark.parametrize("objective", ["bce", "lsgan"])
def test_the_generator_wants_higher_scores_even_of_images_that_are_seen_through(objective):
    made = torch.tensor(-5.0, requires_grad=True)
    generator_loss(made, objective).backward()
    assert made.grad < -0.9


def test_a_frozen_network_passes_gradients_on_and_takes_none():
    network, x = torch.nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    network.bias.requires_grad_(False)
    with frozen(network):
        score = network(x).sum()
    score.backward()
    assert network.weight.grad is None
    torch.testing.assert_close(x.grad, network.weight.detach())
    assert network.weight.requires_grad
    assert not network.bias.requires_grad
