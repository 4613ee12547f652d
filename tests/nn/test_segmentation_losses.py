"""Losses of noisy labels, against closed forms, torch and torchmetrics."""

import pytest
import torch
from torch.nn import functional
from torchmetrics.functional import f1_score

from restain.nn import generalised_cross_entropy, smoothed_cross_entropy, soft_dice


@pytest.fixture
def logits():
    return 3 * torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def labels():
    return (torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1)) < 0.3).double()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_cross_entropy_is_that_of_torch_for_two_classes(logits, labels, smoothing):
    two = torch.cat([torch.zeros_like(logits), logits], dim=1)  # softmax of (0, z) is the sigmoid of z
    expected = functional.cross_entropy(two, labels[:, 0].long(), label_smoothing=smoothing)
    torch.testing.assert_close(smoothed_cross_entropy(logits, labels, smoothing), expected)


def test_the_best_answer_to_a_smoothed_label_is_not_quite_sure():
    z = torch.linspace(-6, 6, 1201, dtype=torch.float64)
    losses = torch.stack([smoothed_cross_entropy(each, torch.ones(()).double(), 0.1) for each in z])
    assert torch.sigmoid(z[losses.argmin()]).item() == pytest.approx(0.95, abs=0.001)


def test_dice_of_sure_answers_is_the_score_of_torchmetrics(logits, labels):
    answers = (logits > 0).int()
    expected = 1 - f1_score(answers.flatten(), labels.int().flatten(), task="binary").item()
    assert soft_dice(1e3 * logits, labels).item() == pytest.approx(expected, abs=0.01)  # one pixel of about 90


def test_dice_is_zero_where_nothing_is_and_nothing_is_found(labels):
    assert soft_dice(torch.full_like(labels, -1e3), torch.zeros_like(labels)).item() == 0
    assert soft_dice(torch.full_like(labels, 1e3), torch.ones_like(labels)).item() == 0


def test_generalised_cross_entropy_is_its_formula(logits, labels):
    p = torch.where(labels > 0, torch.sigmoid(logits), 1 - torch.sigmoid(logits))
    torch.testing.assert_close(generalised_cross_entropy(logits, labels, 0.7), ((1 - p**0.7) / 0.7).mean())


def test_generalised_cross_entropy_lies_between_cross_entropy_and_absolute_error(logits, labels):
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(generalised_cross_entropy(logits, labels, 1e-8), cross_entropy)
    absolute = (torch.sigmoid(logits) - labels).abs().mean()
    torch.testing.assert_close(generalised_cross_entropy(logits, labels, 1.0), absolute)


def test_generalised_cross_entropy_hardly_follows_labels_that_it_finds_unlikely():
    z = torch.tensor([-6.0], requires_grad=True)
    label = torch.ones(1)
    pulls = [
        torch.autograd.grad(loss, z)[0].abs().item()
        for loss in (smoothed_cross_entropy(z, label, 0.0), generalised_cross_entropy(z, label, 0.7))
    ]
    assert pulls[1] == pytest.approx(pulls[0] * torch.sigmoid(z).item() ** 0.7, rel=1e-4)


def test_extreme_logits_give_finite_losses_and_gradients(labels):
    z = torch.full_like(labels, 200.0).requires_grad_()
    loss = generalised_cross_entropy(z, labels, 0.7) + smoothed_cross_entropy(z, labels, 0.1) + soft_dice(z, labels)
    assert torch.autograd.grad(loss, z)[0].isfinite().all()
