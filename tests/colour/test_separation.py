import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.color import rgb2hed, rgb_from_hed, separate_stains

from restain.colour import DAB, H_DAB_FIJI, HE, HE_FIJI, HED, compose, separate
from restain.errors import DataError

AMOUNTS = arrays(np.float64, (4, 5, 3), elements=st.floats(0, 2))
STAINS = pytest.mark.parametrize("stains", [HE, HED, HE_FIJI, H_DAB_FIJI], ids=lambda stains: "+".join(stains.names))


@STAINS
@settings(max_examples=30, deadline=None)
@given(amounts=AMOUNTS)
def test_separating_what_was_composed_gives_the_amounts_back(stains, amounts):
    np.testing.assert_allclose(separate(compose(amounts, stains), stains), amounts, atol=1e-9)


@STAINS
def test_one_stain_alone_has_the_colour_of_its_vector(stains):
    for k, vector in enumerate(stains.vectors):
        amounts = np.zeros(len(stains.names))
        amounts[k] = 0.7
        np.testing.assert_allclose(compose(amounts, stains), 0.7 * np.asarray(vector), rtol=1e-12)


def test_separation_agrees_with_scikit_image():
    # skimage divides by ln(1e6) where we take base 10, so its amounts are a sixth of ours.
    amounts = np.random.default_rng(0).uniform(0, 1, (16, 16, 3))
    density = compose(amounts, HED)
    theirs = separate_stains(10.0**-density, np.linalg.inv(HED.matrix()))
    np.testing.assert_allclose(theirs * 6, separate(density, HED), atol=1e-9)


def test_pure_dab_absorbance_reads_as_its_amount_in_scikit_image():
    # An absorbance c (natural logarithm) along skimage's own DAB row has the DAB channel c / ln(1e6).
    c = np.linspace(0.1, 2, 20)
    theirs = rgb2hed(np.exp(-c[None, :, None] * rgb_from_hed[2]))
    np.testing.assert_allclose(theirs[0, :, 2], c / np.log(1e6), rtol=1e-5)
    # The same pixels through our constants: DAB only, in units of the row's length.
    ours = separate(c[:, None] * rgb_from_hed[2] / np.log(10), HED)
    np.testing.assert_allclose(ours[:, 2], c * np.linalg.norm(rgb_from_hed[2]) / np.log(10), rtol=1e-12)
    np.testing.assert_allclose(ours[:, :2], 0, atol=1e-12)
    np.testing.assert_allclose(DAB, rgb_from_hed[2] / np.linalg.norm(rgb_from_hed[2]), rtol=1e-12)


def test_the_type_is_kept():
    assert compose(np.zeros((2, 3), np.float32), HED).dtype == np.float32
    assert separate(np.zeros((2, 3), np.float32), HED).dtype == np.float32


def test_wrong_numbers_of_channels_are_refused():
    with pytest.raises(DataError, match="4 amounts"):
        compose(np.zeros((2, 4)), HED)
    with pytest.raises(DataError, match="three channels"):
        separate(np.zeros((2, 2)), HED)
