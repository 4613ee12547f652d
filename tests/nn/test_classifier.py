import pytest
import torch

from restain.errors import DataError
from restain.nn import NoiseClassifier, NoiseClassifierConfig


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return NoiseClassifier(NoiseClassifierConfig(), 3)


def test_features_are_a_map_and_logits_two_numbers(classifier):
    x, time = torch.randn(2, 3, 64, 48), torch.tensor([0.1, 0.9])
    assert classifier.multiple == 8
    assert classifier.features(x, time).shape == (2, 128, 8, 6)
    assert classifier(x, time).shape == (2, 2)


def test_it_is_small(classifier):
    assert 300_000 < sum(parameter.numel() for parameter in classifier.parameters()) < 1_000_000


def test_it_knows_the_time(classifier):
    with torch.no_grad():
        for parameter in classifier.parameters():  # fresh blocks answer zero
            parameter.add_(0.1 * torch.randn_like(parameter))
    x = torch.randn(1, 3, 32, 32).expand(2, -1, -1, -1)
    early, late = classifier.features(x, torch.tensor([0.1, 0.9]))
    assert not torch.allclose(early, late)


def test_sides_must_be_multiples(classifier):
    with pytest.raises(DataError, match="multiples of 8"):
        classifier(torch.zeros(1, 3, 60, 64), torch.zeros(1))


def test_widths_must_divide_into_groups():
    with pytest.raises(ValueError, match="divide by 4"):
        NoiseClassifierConfig(width=6)
