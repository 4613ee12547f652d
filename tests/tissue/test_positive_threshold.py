"""From which density a pixel is positive: the law of mu + 2 sigma, known mixtures, and the phantom."""

import numpy as np
import pytest
from scipy.stats import norm
from skimage.filters import threshold_otsu

from restain.errors import ConfigError, DataError
from restain.geometry import Mpp, Region
from restain.phantom import Phantom
from restain.tissue import DabHistogram, choose_threshold, dab_density, parse_rule

NEGATIVE, POSITIVE = (0.1, 0.05), (0.6, 0.1)
"""Mean and deviation of the densities of pixels, for which mu + 2 sigma loses what it is known to lose."""


def mixed(prevalence, negative=NEGATIVE, positive=POSITIVE, n=200_000):
    """Return a histogram of pixels, the negative and the positive ones."""
    rng = np.random.default_rng(0)
    count = round(prevalence * n)
    low, high = rng.normal(*negative, n - count), rng.normal(*positive, count)
    histogram = DabHistogram()
    histogram.add_densities(low)
    histogram.add_densities(high)
    return histogram, low, high


def dice(low, high, threshold):
    """Return the Dice score of what is above a threshold, against what is positive."""
    found = (high > threshold).sum()
    return 2 * found / (len(high) + found + (low > threshold).sum())


@pytest.mark.parametrize(
    ("prevalence", "recall"), [(0.01, 1.0), (0.05, 0.996), (0.10, 0.91), (0.20, 0.43), (0.30, 0.10), (0.50, 0.003)]
)
def test_mu_plus_two_sigma_loses_the_positives_as_they_become_common(prevalence, recall):
    histogram, _, high = mixed(prevalence)
    assert (high > choose_threshold(histogram, "musigma").density).mean() == pytest.approx(recall, abs=0.03)


def test_otsu_is_that_of_scikit_image():
    histogram, low, high = mixed(0.2)
    expected = threshold_otsu(np.concatenate([low, high]), nbins=500)
    # Their classes end at a bin's middle, and in a gap they take its lower end.
    values = np.concatenate([low, high])
    ours = choose_threshold(histogram, "otsu").density
    assert ((values > ours) != (values > expected)).mean() < 2e-3


def test_the_mixture_is_cut_where_both_gaussians_are_equally_likely():
    histogram, _, _ = mixed(0.2)
    x = np.linspace(*(NEGATIVE[0], POSITIVE[0]), 10_000)
    likelier = 0.2 * norm.pdf(x, *POSITIVE) > 0.8 * norm.pdf(x, *NEGATIVE)
    assert choose_threshold(histogram, "mixture").density == pytest.approx(x[likelier][0], abs=0.005)


@pytest.mark.parametrize("positive", [POSITIVE, (0.4, 0.08)])
@pytest.mark.parametrize("prevalence", [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5])
def test_auto_is_near_the_best_threshold_at_every_prevalence(prevalence, positive):
    histogram, low, high = mixed(prevalence, positive=positive)
    best = max(dice(low, high, threshold) for threshold in np.arange(0.1, 0.8, 0.01))
    assert dice(low, high, choose_threshold(histogram).density) > best - 0.06


def test_auto_takes_mu_plus_two_sigma_for_sparse_markers_and_otsu_for_others():
    assert [choose_threshold(mixed(p)[0]).rule for p in (0.0, 0.01, 0.04, 0.06, 0.3)] == [
        *["musigma"] * 3,
        *["otsu"] * 2,
    ]


def test_auto_finds_nothing_where_nothing_is():
    histogram, low, _ = mixed(0.0)
    assert (low > choose_threshold(histogram).density).mean() < 1e-3
    assert (low > choose_threshold(histogram, "otsu").density).mean() > 0.3  # which is why auto does not trust it


def truth_of(scene, stain):
    """Return the pixels of the phantom that carry a marker, from its cells."""
    cells = scene.cells
    match stain:
        case "ck818":
            return scene.classes == 2
        case "ki67":
            return np.append(False, cells.ki67)[scene.instances]
        case "her2":
            return np.append(False, cells.her2 >= 2)[scene.membranes]


@pytest.mark.parametrize("stain", ["ck818", "ki67", "her2"])
def test_auto_is_near_the_best_threshold_on_the_phantom(stain):
    histogram, low, high = DabHistogram(), [], []
    for seed in (201, 202, 203):
        scene = Phantom(seed).scene(Region(0, 0, 384, 384), Mpp.square(0.5))
        image, truth = scene.image(stain), truth_of(scene, stain)
        histogram.add(image)
        dab = dab_density(image)
        low, high = [*low, dab[~truth]], [*high, dab[truth]]
    low, high = np.concatenate(low), np.concatenate(high)
    best = max(dice(low, high, threshold) for threshold in np.arange(0.1, 0.7, 0.02))
    assert dice(low, high, choose_threshold(histogram).density) > best - 0.03


def test_a_given_density_is_taken():
    given = choose_threshold(mixed(0.2)[0], 0.35)
    assert (given.density, given.rule) == (0.35, "given")
    assert given.prevalence == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("rule", ["auto", "musigma", "otsu", "mixture"])
def test_the_reason_tells_the_threshold_and_the_prevalence(rule):
    chosen = choose_threshold(mixed(0.2)[0], rule)
    assert f"{chosen.density:.3f}" in chosen.reason
    assert f"{chosen.prevalence:.1%}" in chosen.reason


def test_nothing_counted_is_refused_unless_the_density_is_given():
    with pytest.raises(DataError, match="no tissue"):
        choose_threshold(DabHistogram())
    assert choose_threshold(DabHistogram(), 0.3).density == 0.3


def test_words_are_rules_or_densities():
    assert [parse_rule(word) for word in ("auto", "otsu", "0.25")] == ["auto", "otsu", 0.25]


@pytest.mark.parametrize("word", ["mean", "nan", "inf", ""])
def test_other_words_are_refused(word):
    with pytest.raises(ConfigError, match="no optical density"):
        parse_rule(word)
