"""The histogram of DAB, against the statistics of all pixels at once."""

import numpy as np
import pytest

from restain.colour import H_DAB_FIJI, compose, rgb_from_od
from restain.errors import DataError
from restain.tissue import DabHistogram, dab_density


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    amounts = np.stack([np.full((80, 100), 0.1), rng.uniform(0, 0.9, (80, 100))], axis=-1)
    return rgb_from_od(compose(amounts, H_DAB_FIJI))


def test_the_density_is_the_amount_of_dab():
    amounts = np.stack([np.full(9, 0.1), np.linspace(0, 0.8, 9)], axis=-1)[None]
    assert dab_density(rgb_from_od(compose(amounts, H_DAB_FIJI)))[0] == pytest.approx(amounts[0, :, 1], abs=0.01)


def test_mean_deviation_and_quantiles_are_those_of_the_pixels(image):
    histogram, dab = DabHistogram(), dab_density(image)
    histogram.add(image)
    assert histogram.pixels == dab.size
    assert histogram.mean == pytest.approx(dab.mean(), abs=5e-4)
    assert histogram.deviation == pytest.approx(dab.std(), abs=5e-4)
    assert histogram.quantile(0.5) == pytest.approx(np.median(dab), abs=0.003)
    assert histogram.share_above(0.3) == pytest.approx((dab > 0.3).mean(), abs=0.01)


def test_images_in_parts_count_like_the_whole(image):
    whole, parts = DabHistogram(tissue_only=False), DabHistogram(tissue_only=False)
    whole.add(image)
    parts.add(image[:30])
    parts.add(image[30:])
    assert (whole.counts == parts.counts).all()


def test_glass_counts_only_where_asked(image):
    half = image.copy()
    half[:, :50] = 250
    tissue, everything = DabHistogram(), DabHistogram(tissue_only=False)
    tissue.add(half)
    everything.add(half)
    assert everything.pixels == half[..., 0].size
    assert 0.48 < tissue.pixels / everything.pixels < 0.54  # a pixel or two beside the edge are smoothed into tissue


def test_what_is_beyond_the_ends_counts_at_the_ends():
    histogram = DabHistogram()
    histogram.add_densities(np.array([-5.0, 5.0]))
    assert histogram.counts[0] == histogram.counts[-1] == 1


def test_an_image_without_colour_is_refused():
    with pytest.raises(DataError, match=r"shape \(8, 8, 1\)"):
        DabHistogram().add(np.zeros((8, 8, 1), np.uint8))
