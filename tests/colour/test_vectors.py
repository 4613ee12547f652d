import numpy as np
import pytest
from skimage.color import rgb_from_hed

from restain import colour
from restain.colour import H_DAB_FIJI, HE, HE_FIJI, HED, StainVectors, unit_vector
from restain.errors import DataError


@pytest.mark.parametrize("stains", [HE, HED, HE_FIJI, H_DAB_FIJI], ids=lambda stains: "+".join(stains.names))
def test_published_vectors_have_length_one(stains):
    np.testing.assert_allclose(np.linalg.norm(stains.matrix(), axis=1), 1, rtol=1e-12)


def test_ruifrok_vectors_are_the_rows_of_scikit_image_brought_to_length_one():
    norms = np.linalg.norm(rgb_from_hed, axis=1)
    np.testing.assert_allclose(norms, [0.998, 0.9985, 1.003], atol=5e-3)
    np.testing.assert_allclose(HED.matrix(), rgb_from_hed / norms[:, None], rtol=1e-12)


def test_fiji_h_dab_vectors_point_where_the_plugin_says():
    np.testing.assert_allclose(np.cross(colour.HEMATOXYLIN_FIJI, (0.650, 0.704, 0.286)), 0, atol=1e-12)
    np.testing.assert_allclose(np.cross(colour.DAB_FIJI, (0.268, 0.570, 0.776)), 0, atol=1e-12)


def test_two_stains_are_completed_by_a_residual_at_right_angles():
    hematoxylin, dab, residual = H_DAB_FIJI.matrix()
    assert abs(residual @ hematoxylin) < 1e-12
    assert abs(residual @ dab) < 1e-12


@pytest.mark.parametrize("vector", [(0, 0, 0), (1, 2), (1, np.nan, 0)])
def test_what_has_no_direction_is_refused(vector):
    with pytest.raises(DataError, match="direction"):
        unit_vector(vector)


def test_stains_that_cannot_be_told_apart_are_refused():
    h = colour.HEMATOXYLIN
    with pytest.raises(DataError, match="same colour"):
        StainVectors(("one", "two"), (h, h))
    with pytest.raises(DataError, match="length one"):
        StainVectors(("one", "two"), (h, (1.0, 1.0, 0.0)))
    with pytest.raises(DataError, match="two or three"):
        StainVectors(("one",), (h,))
