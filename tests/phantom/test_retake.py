"""Retakes keep what their source shows, and draw everything else from its law."""

import numpy as np
import pytest

from restain.errors import DataError
from restain.geometry import Mpp, Region
from restain.phantom import Phantom, Retake
from restain.phantom.kinds import EPITHELIUM, FIRST_NUCLEUS

FIELD, HALF = Region(-20, 40, 160, 160), Mpp.square(0.5)


def scenes(source, count=3, seed=3):
    return [Phantom(seed, retake=Retake(number, source)).scene(FIELD, HALF) for number in range(count)]


@pytest.mark.parametrize("source", ["he", "autofluorescence"])
def test_the_source_stays_to_the_bit_and_targets_differ(source):
    first = Phantom(3).scene(FIELD, HALF)
    others = scenes(source)
    for scene in others:
        np.testing.assert_array_equal(scene.image(source), first.image(source))
        np.testing.assert_array_equal(scene.instances, first.instances)
    stain = "ki67" if source == "he" else "he"
    one, two = (scene.image(stain).astype(float) for scene in others[:2])
    assert np.abs(one - two).mean() > 1
    assert (scenes(source)[1].image(stain) == two).all()


def test_h_and_e_shows_the_look_of_cells_and_not_their_markers():
    first, again = Phantom(3).scene(FIELD, HALF).cells, scenes("he")[1].cells
    np.testing.assert_array_equal(first.z_chromatin, again.z_chromatin)
    np.testing.assert_array_equal(first.ki67_probability, again.ki67_probability)
    assert (first.ki67 != again.ki67).any()


def test_markers_of_retakes_have_the_probability_of_the_look():
    region = Region(0, 0, 240, 240)
    cells = [Phantom(3, retake=Retake(number, "he")).cells(region, HALF) for number in range(20)]
    share = np.mean([each.ki67 for each in cells], axis=0)
    p = cells[0].ki67_probability
    assert np.abs(share - p).max() < 5 * 0.5 / np.sqrt(20)
    assert share.mean() == pytest.approx(p.mean(), abs=0.03)


def test_chromatin_is_drawn_anew_given_the_size():
    """Whether a nucleus is large and dark is drawn by Bayes' rule, so sizes and chromatin correlate as before."""
    region = Region(0, 0, 1600, 1600)
    first = Phantom(3).cells(region, HALF)
    again = Phantom(3, retake=Retake(1, "autofluorescence")).cells(region, HALF)
    np.testing.assert_array_equal(first.radius, again.radius)
    inside = first.kind == EPITHELIUM
    before, after = (np.corrcoef(each.z_radius[inside], each.z_chromatin[inside])[0, 1] for each in (first, again))
    assert after == pytest.approx(before, abs=0.06)
    for statistic in (np.mean, np.std):
        assert statistic(again.z_chromatin[inside]) == pytest.approx(statistic(first.z_chromatin[inside]), abs=0.05)
    both = np.corrcoef(first.z_chromatin[inside], again.z_chromatin[inside])[0, 1]
    assert before**2 < both < 0.7  # they share what the size tells


def test_nuclei_are_where_h_and_e_is_least_known_from_autofluorescence():
    takes = scenes("autofluorescence", 8)
    spread = np.std([scene.image("he")[..., 0].astype(float) for scene in takes], axis=0)
    nuclei = takes[0].classes >= FIRST_NUCLEUS
    assert spread[nuclei].mean() > 1.3 * spread[~nuclei].mean()


def test_other_sources_are_refused():
    with pytest.raises(DataError, match="choose he or autofluorescence"):
        Retake(0, "ki67")
