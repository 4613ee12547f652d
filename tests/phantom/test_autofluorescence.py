import numpy as np
import pytest

from restain.geometry import Mpp, Region
from restain.phantom import CHANNEL_NAMES, Phantom
from restain.phantom.autofluorescence import (
    AVERAGE,
    BLUR,
    CHANNELS,
    FLUOROPHORES,
    LEVEL,
    OFFSET,
    PHOTONS_PER_COUNT,
    READ_NOISE,
    blood,
    concentrations,
    hemoglobin,
    mixing,
)
from restain.phantom.optics import exposed, halo, pooled


@pytest.fixture(scope="module")
def scene():
    return Phantom(3).scene(Region(0, 0, 160, 160), Mpp.square(1.0))


def test_mixing_is_the_stated_sum_of_gaussians():
    matrix = mixing()
    assert matrix.shape == (26, 6)
    for channel, (excitation, emission) in enumerate(CHANNELS):
        plain = np.array(
            [
                f.yield_
                * np.exp(-((excitation - f.excitation) ** 2) / (2 * f.excitation_width**2))
                * np.exp(-((emission - f.emission) ** 2) / (2 * f.emission_width**2))
                for f in FLUOROPHORES
            ]
        )
        np.testing.assert_allclose(matrix[channel], plain * LEVEL / (plain @ AVERAGE), rtol=1e-12)
    np.testing.assert_allclose(matrix @ AVERAGE, LEVEL)


def test_channels_emit_at_longer_wavelengths_than_they_excite():
    assert len(CHANNEL_NAMES) == len(set(CHANNEL_NAMES)) == len(set(CHANNELS)) == 26
    assert all(emission >= excitation + 45 for excitation, emission in CHANNELS)


def test_hemoglobin_absorbs_most_in_its_soret_band():
    wavelengths = np.arange(350.0, 700)
    assert wavelengths[hemoglobin(wavelengths).argmax()] == 415
    assert hemoglobin(np.array([650.0]))[0] < 1e-3


def test_pictures_have_26_channels_of_16_bits_that_differ(scene):
    image = scene.image("autofluorescence")
    assert image.shape == (160, 160, 26)
    assert image.dtype == np.uint16
    assert (image == 65535).mean() < 1e-3
    assert 1500 < image.mean() < 15000
    correlation = np.corrcoef(image.reshape(-1, 26).T.astype(float))
    assert correlation[np.triu_indices(26, 1)].max() < 0.999


def test_concentrations_can_be_unmixed(scene):
    specimen, frame = scene._specimen, scene._frame
    matrix = mixing()
    image = scene.image("autofluorescence").reshape(-1, 26).astype(float) - OFFSET
    absorber = pooled(frame.cut(blood(specimen), 0, 0), frame.samples).ravel()
    bands = hemoglobin(np.asarray(CHANNELS, float)).sum(axis=1)
    image *= 10 ** (absorber[:, None] * bands)
    found = np.linalg.lstsq(matrix / LEVEL, image.T / LEVEL, rcond=None)[0]
    for f, plane, estimate in zip(FLUOROPHORES, concentrations(specimen), found, strict=True):
        truth = pooled(frame.cut(plane, 0, 0), frame.samples).ravel()
        assert np.corrcoef(truth, estimate)[0, 1] > 0.9, f.name
        # Blur takes some of the contrast, most of it where the substance comes in grains.
        assert 0.7 < np.polyfit(truth, estimate, 1)[0] < 1.1, f.name


def test_noise_is_shot_noise(scene):
    specimen, frame = scene._specimen, scene._frame
    margin = halo(BLUR, frame)
    planes = [exposed(frame.cut(plane, *margin), BLUR, frame).astype(float) for plane in concentrations(specimen)]
    absorber = exposed(frame.cut(blood(specimen), *margin), BLUR, frame).astype(float)
    bands = hemoglobin(np.asarray(CHANNELS, float)).sum(axis=1)
    image = scene.image("autofluorescence").astype(float)
    for channel in (0, 9, 25):
        signal = sum(plane * weight for plane, weight in zip(planes, mixing()[channel], strict=True))
        signal = signal * 10 ** -(absorber * bands[channel])
        deviation = np.sqrt(signal / PHOTONS_PER_COUNT) + READ_NOISE
        residual = (image[..., channel] - OFFSET - signal) / deviation
        inside = (image[..., channel] > 0) & (image[..., channel] < 65535)
        assert abs(residual[inside].mean()) < 0.03
        assert abs(residual[inside].std() - 1) < 0.03


def test_nuclei_are_dark_and_stroma_shines_blue(scene):
    image = scene.image("autofluorescence").astype(float)
    nucleus = scene.classes >= 4
    cytoplasm, stroma = scene.classes == 2, scene.classes == 1
    nadh = CHANNELS.index((365, 450))
    assert image[nucleus][:, nadh].mean() < 0.5 * image[cytoplasm][:, nadh].mean()
    collagen, flavin = CHANNELS.index((340, 400)), CHANNELS.index((450, 535))
    assert image[stroma][:, collagen].mean() > 2 * image[cytoplasm][:, collagen].mean()
    assert image[cytoplasm][:, flavin].mean() > 2 * image[stroma][:, flavin].mean()


def test_overviews_are_as_bright_as_what_they_stand_for():
    overview = Phantom(2).render("autofluorescence", Region(0, 0, 32, 32), Mpp.square(8.0)).astype(float)
    exact = Phantom(2).render("autofluorescence", Region(0, 0, 256, 256), Mpp.square(1.0)).astype(float)
    np.testing.assert_allclose(overview.mean(axis=(0, 1)), exact.mean(axis=(0, 1)), rtol=0.25)
