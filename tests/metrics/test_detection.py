from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restain.errors import DataError
from restain.metrics import Detection, Matches, match_points

NONE = np.zeros((0, 2))


def pairs(matches: Matches) -> set[tuple[int, int]]:
    return set(zip(matches.found.tolist(), matches.truth.tolist(), strict=True))


def best(found, truth, radius):
    """Number of pairs and total distance of the best matching, by trying all."""
    distance = np.linalg.norm(found[:, None] - truth, axis=2)
    for size in range(min(distance.shape), 0, -1):
        totals = [
            distance[rows, columns].sum()
            for rows in combinations(range(len(found)), size)
            for columns in permutations(range(len(truth)), size)
            if (distance[rows, columns] <= radius).all()
        ]
        if totals:
            return size, min(totals)
    return 0, 0.0


def test_each_point_is_matched_once_with_the_nearest_that_lets_most_match():
    truth = np.array([[0.0, 0.0], [0.0, 2.0]])
    found = np.array([[0.0, 1.1], [0.0, 2.5], [9.0, 9.0]])
    assert pairs(match_points(found, truth, 1.5)) == {(0, 0), (1, 1)}  # 0 is nearer to 1, but 1 has no other


def test_a_point_at_the_radius_matches_and_one_beyond_does_not():
    assert len(match_points(np.array([[0.0, 3.0]]), np.zeros((1, 2)), 3.0)) == 1
    assert len(match_points(np.array([[0.0, 3.001]]), np.zeros((1, 2)), 3.0)) == 0


@pytest.mark.parametrize(("found", "truth"), [(NONE, NONE), (NONE, np.zeros((1, 2))), (np.zeros((1, 2)), NONE)])
def test_without_points_nothing_matches(found, truth):
    assert len(match_points(found, truth, 1)) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 5), st.floats(0, 2))
def test_the_matching_is_the_best_of_all(seed, found_count, truth_count, radius):
    rng = np.random.default_rng(seed)
    found, truth = rng.uniform(0, 2, (found_count, 2)), rng.uniform(0, 2, (truth_count, 2))
    matches = match_points(found, truth, radius)
    total = np.linalg.norm(found[matches.found] - truth[matches.truth], axis=1).sum()
    assert (len(matches), total) == pytest.approx(best(found, truth, radius))


def test_the_matching_does_not_depend_on_the_order_of_points():
    rng = np.random.default_rng(0)
    found, truth = rng.uniform(0, 30, (2, 300, 2))
    one, two = rng.permutation(300), rng.permutation(300)
    straight = match_points(found, truth, 2.0)
    shuffled = match_points(found[one], truth[two], 2.0)
    assert 200 < len(straight) < 300
    assert pairs(straight) == {(int(one[i]), int(two[j])) for i, j in pairs(shuffled)}


def test_tallies_are_counts_and_scores_follow_from_them():
    calls = Detection.of_calls(np.array([1, 1, 1, 0, 0, 0], bool), np.array([1, 1, 0, 1, 0, 0], bool))
    assert calls == Detection(2, 1, 1)
    assert Detection(6, 2, 4).precision == 6 / 8
    assert Detection(6, 2, 4).recall == 6 / 10
    assert Detection(6, 2, 4).f1 == 2 / (8 / 6 + 10 / 6)


def test_tallies_of_images_add_up():
    assert sum([Detection(1, 2, 3), Detection(10, 20, 30)], Detection()) == Detection(11, 22, 33)


def test_where_nothing_is_and_nothing_was_found_all_is_right():
    empty, blind, dreaming = Detection(), Detection(false_negatives=3), Detection(false_positives=3)
    assert (empty.precision, empty.recall, empty.f1) == (1, 1, 1)
    assert (blind.precision, blind.recall, blind.f1) == (1, 0, 0)
    assert (dreaming.precision, dreaming.recall, dreaming.f1) == (0, 1, 0)


def test_points_that_do_not_count_excuse_their_partners_but_are_not_tallied():
    matches = Matches(np.array([0, 1, 2]), np.array([0, 1, 2]))
    found = np.array([True, True, False, True, False])  # 3 and 4 match nothing
    truth = np.array([True, False, True, True, False])  # 3 and 4 are matched by nothing
    assert Detection.of_matches(matches, found, truth) == Detection(2, 1, 1)


def test_what_is_no_set_of_points_is_refused():
    with pytest.raises(DataError, match="two coordinates"):
        match_points(np.zeros((3, 3)), np.zeros((3, 2)), 1)
    with pytest.raises(DataError, match="positive"):
        match_points(np.zeros((3, 2)), np.zeros((3, 2)), float("nan"))
    with pytest.raises(DataError, match="once"):
        Detection.of_calls(np.ones(2, bool), np.ones(3, bool))
