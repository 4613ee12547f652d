import math

import pytest
import torch
from torch.nn import functional

from restain.errors import DataError
from restain.nn import adaptive_patch_nce, feature_distance, gather_places, patch_nce


def features(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_orthonormal_features_lose_what_the_temperature_leaves():
    each = torch.eye(256, dtype=torch.float64)[None]
    expected = math.log1p(255 * math.exp(-1 / 0.07))
    assert expected == pytest.approx(1.593e-4, abs=1e-7)
    assert patch_nce(each, each).item() == pytest.approx(expected, abs=1e-9)


def test_collapsed_features_lose_the_log_of_their_number():
    same = features(1, 1, 64).expand(2, 256, 64)
    torch.testing.assert_close(patch_nce(same, same), torch.full((2,), math.log(256)).double(), rtol=0, atol=1e-6)


def test_the_loss_is_the_cross_entropy_of_places():
    query, key = features(3, 20, 8), features(3, 20, 8, seed=1)
    cosines = functional.cosine_similarity(query[:, :, None], key[:, None], dim=3)
    expected = functional.cross_entropy(
        cosines.transpose(1, 2) / 0.2, torch.arange(20).expand(3, 20), reduction="none"
    ).mean(1)
    torch.testing.assert_close(patch_nce(query, key, temperature=0.2), expected)


@pytest.mark.parametrize("loss", [patch_nce, feature_distance])
def test_a_map_is_the_list_of_all_its_places(loss):
    query, key = features(2, 8, 4, 5), features(2, 8, 4, 5, seed=1)
    places = torch.arange(20).expand(2, 20)
    torch.testing.assert_close(loss(query, key), loss(gather_places(query, places), gather_places(key, places)))


@pytest.mark.parametrize("loss", [patch_nce, feature_distance])
def test_lengths_of_features_do_not_matter_and_keys_receive_no_gradient(loss):
    query, key = features(2, 10, 8).requires_grad_(), features(2, 10, 8, seed=1).requires_grad_()
    torch.testing.assert_close(loss(query, key), loss(3 * query, key / 7))
    loss(query, key).sum().backward()
    assert query.grad is not None
    assert query.grad.any()
    assert key.grad is None


def test_distance_is_that_of_unit_vectors():
    query, key = features(2, 10, 8), features(2, 10, 8, seed=1)
    cosine = functional.cosine_similarity(query, key, dim=2)
    torch.testing.assert_close(feature_distance(query, key), ((2 - 2 * cosine) / 8).mean(1))
    assert feature_distance(query, -query).allclose(torch.tensor(4 / 8).double())


def test_features_are_gathered_at_their_places():
    each = features(2, 8, 4, 5)
    gathered = gather_places(each, torch.tensor([[7, 0, 19], [3, 3, 12]]))
    assert gathered.shape == (2, 3, 8)
    assert gathered[0, 0].equal(each[0, :, 1, 2])
    assert gathered[0, 2].equal(each[0, :, 3, 4])
    assert gathered[1, 1].equal(each[1, :, 0, 3])


def test_half_precision_features_are_compared_in_full():
    query, key = features(1, 30, 8), features(1, 30, 8, seed=1)
    lowered = patch_nce(query.bfloat16(), key.bfloat16())
    assert lowered.dtype == torch.float32
    torch.testing.assert_close(lowered, patch_nce(query.bfloat16().float(), key.bfloat16().float()))


def test_features_that_do_not_belong_together_are_refused():
    with pytest.raises(DataError, match="do not belong together"):
        patch_nce(features(1, 10, 8), features(1, 11, 8))


def test_with_full_trust_the_adaptive_loss_is_the_plain_one():
    q, k = torch.randn(2, 9, 4), torch.randn(2, 9, 4)
    torch.testing.assert_close(adaptive_patch_nce(q, k, trust=1.0), patch_nce(q, k))


def test_without_trust_only_places_that_agree_count():
    """Two places agree and one is opposite: only the two have weight, 3/2 each."""
    q = torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]])
    k = torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0, 0, -1]]])
    each = -torch.log_softmax(q[0] @ k[0].T / 0.5, dim=1).diagonal()
    expected = (1.5 * each[0] + 1.5 * each[1]) / 3
    torch.testing.assert_close(adaptive_patch_nce(q, k, trust=0.0, temperature=0.5), expected[None])


def test_where_nothing_agrees_and_nothing_is_trusted_there_is_no_loss():
    q = torch.randn(1, 5, 3)
    assert adaptive_patch_nce(q, -q, trust=0.0).item() == 0
