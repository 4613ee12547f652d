import csv

import numpy as np
import pytest
from scipy.spatial import cKDTree

from restain.geometry import Mpp, Region
from restain.phantom import KIND_NAMES, CellTable, Phantom, bounds
from restain.phantom.kinds import EPITHELIUM, LYMPHOCYTE, STROMA
from restain.phantom.population import CHROMATIN, CHROMATIN_SPREAD, OVERLAP, RADIUS, RADIUS_SPREAD

MILLIMETRE = Region(-500, -500, 1000, 1000)
ONE = Mpp.square(1.0)


@pytest.fixture(scope="module")
def tables() -> list[CellTable]:
    """A square millimetre of each of twelve slides."""
    return [Phantom(seed).cells(MILLIMETRE, ONE) for seed in range(12)]


def pooled(tables: list[CellTable], name: str) -> np.ndarray:
    return np.concatenate([getattr(table, name) for table in tables])


def test_tissue_is_as_crowded_as_tissue(tables):
    for table in tables:
        assert 3500 < len(table) < 7500
    kind = pooled(tables, "kind")
    shares = np.bincount(kind) / len(kind)
    assert 0.40 < shares[EPITHELIUM] < 0.62
    assert 0.12 < shares[LYMPHOCYTE] < 0.35
    assert 0.15 < shares[STROMA] < 0.40


def test_nuclei_have_the_size_of_nuclei(tables):
    diameter, kind = 2 * pooled(tables, "radius"), pooled(tables, "kind")
    for k, low, high in ((EPITHELIUM, 6, 9), (LYMPHOCYTE, 4.5, 6.5), (STROMA, 4.5, 6.5)):
        assert low < np.median(diameter[kind == k]) < high
    assert diameter.min() > 3
    assert diameter.max() < 11


def test_ids_are_unique_and_in_order(tables):
    for table in tables:
        assert (np.diff(table.id) > 0).all()


def test_nuclei_keep_their_distance(tables):
    table = tables[0]
    pairs = cKDTree(np.stack([table.y, table.x], -1)).query_pairs(12.0, output_type="ndarray")
    one, two = pairs.T
    distance = np.hypot(table.y[one] - table.y[two], table.x[one] - table.x[two])
    assert (distance >= OVERLAP * (table.radius[one] + table.radius[two]) - 1e-9).all()


def test_look_follows_its_standardised_values(tables):
    kind, z_radius, z_chromatin = (pooled(tables, name) for name in ("kind", "z_radius", "z_chromatin"))
    np.testing.assert_allclose(pooled(tables, "radius"), np.take(RADIUS, kind) * (1 + RADIUS_SPREAD * z_radius))
    expected = np.log(np.take(CHROMATIN, kind)) + CHROMATIN_SPREAD * z_chromatin
    np.testing.assert_allclose(np.log(pooled(tables, "chromatin")), expected)


@pytest.mark.parametrize("marker", ["ki67", "cd3", "ck818"])
def test_markers_come_as_often_as_their_probability_says(tables, marker):
    p, positive = pooled(tables, f"{marker}_probability"), pooled(tables, marker)
    for low, high in ((0, 0.05), (0.05, 0.3), (0.3, 0.7), (0.7, 0.95), (0.95, 1)):
        cells = (p >= low) & (p <= high)
        deviation = np.sqrt((p[cells] * (1 - p[cells])).sum()) + 1
        assert abs(positive[cells].sum() - p[cells].sum()) < 4 * deviation


def test_her2_scores_come_as_often_as_their_probabilities_say(tables):
    p, score = pooled(tables, "her2_probability"), pooled(tables, "her2")
    for step in range(3):
        deviation = np.sqrt((p[:, step] * (1 - p[:, step])).sum())
        assert abs((score > step).sum() - p[:, step].sum()) < 4 * deviation
    assert (score[pooled(tables, "kind") != EPITHELIUM] == 0).all()
    assert (np.bincount(score[pooled(tables, "kind") == EPITHELIUM]) > 1000).all()


def test_ki67_is_as_frequent_as_stated(tables):
    kind, positive = pooled(tables, "kind"), pooled(tables, "ki67")
    assert 0.26 < positive[kind == EPITHELIUM].mean() < 0.35
    assert 0.03 < positive[kind == LYMPHOCYTE].mean() < 0.07
    assert 0.03 < positive[kind == STROMA].mean() < 0.07
    slides = [table.ki67[table.kind == EPITHELIUM].mean() for table in tables]
    assert max(slides) - min(slides) > 0.1


def test_ki67_can_be_told_from_the_look_and_never_quite(tables):
    best = bounds(pooled(tables, "ki67_probability"))
    assert 0.93 < best.balanced_accuracy < 0.96
    assert best.sampler_balanced_accuracy > 0.95 * best.balanced_accuracy


def test_cd3_is_hard_and_ck818_easy(tables):
    lymphocytes = pooled(tables, "kind") == LYMPHOCYTE
    assert 0.6 < bounds(pooled(tables, "cd3_probability")[lymphocytes]).balanced_accuracy < 0.75
    assert bounds(pooled(tables, "ck818_probability")).balanced_accuracy > 0.999


def test_the_table_is_written_with_all_its_columns(tables, tmp_path):
    table = tables[0].take(np.arange(50))
    table.to_csv(tmp_path / "cells.csv")
    with (tmp_path / "cells.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 50
    assert [int(row["id"]) for row in rows] == table.id.tolist()
    assert [float(row["x"]) for row in rows] == table.x.tolist()
    assert [row["kind"] for row in rows] == [KIND_NAMES[kind] for kind in table.kind]
    assert [row["ki67"] == "1" for row in rows] == table.ki67.tolist()
    assert [float(row["her2_probability_3"]) for row in rows] == table.her2_probability[:, 2].tolist()
