"""Autofluorescence of the unstained section in 26 channels.

Mixing model: channel ``c`` excites at ``x_c`` and detects at ``m_c``; fluorophores ``f`` of concentration ``C_f``
give::

    S_c = gain_c * A_c * sum_f  q_f C_f exp(-(x_c - x_f)^2 / 2 w_f^2) exp(-(m_c - m_f)^2 / 2 v_f^2)
    A_c = 10^-(blood * (h(x_c) + h(m_c)))

with Gaussian excitation and emission spectra, and ``h`` the relative absorption of hemoglobin (Soret band and the two
beta and alpha bands). ``gain_c`` brings the mean stroma and epithelium of every channel to the same level, as exposure
times do. The signal is blurred, integrated over pixels, and counted with shot and read noise.

Nuclei are dark, as they hold none of the fluorophores; which of them are Ki67 positive shows only in size.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.phantom.blending import blended, fibrous, into_nuclei
from restain.phantom.grid import Frame
from restain.phantom.lattice import hashed, key_of, noise_at, normal
from restain.phantom.matrix import smooth_plane
from restain.phantom.optics import exposed, halo, quantiles, sensor_words
from restain.phantom.overview import NUCLEI
from restain.phantom.specimen import Specimen

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Fluorophore:
    """One fluorescent substance; wavelengths in nanometres.

    Args:
        name: of the substance.
        excitation: peak.
        excitation_width: standard deviation.
        emission: peak.
        emission_width: standard deviation.
        yield_: relative brightness.
    """

    name: str
    excitation: float
    excitation_width: float
    emission: float
    emission_width: float
    yield_: float


FLUOROPHORES = (
    Fluorophore("collagen", 335, 30, 400, 40, 1.0),
    Fluorophore("elastin", 365, 40, 460, 55, 0.9),
    Fluorophore("NADH", 345, 28, 462, 42, 0.8),
    Fluorophore("FAD", 448, 32, 530, 35, 0.6),
    Fluorophore("lipofuscin", 400, 70, 590, 70, 0.7),
    Fluorophore("porphyrin", 405, 18, 635, 16, 0.5),
)
"""Endogenous fluorophores, in the order of ``concentrations``; peaks as commonly tabulated, widths rounded."""

CHANNELS = tuple(
    (excitation, emission)
    for excitation, emissions in (
        (340, (400, 430, 460, 490, 520, 550, 590)),
        (365, (420, 450, 480, 510, 540, 580, 620)),
        (405, (450, 480, 515, 550, 590, 635)),
        (450, (510, 535, 565, 600)),
        (490, (540, 600)),
    )
    for emission in emissions
)
"""Excitation and emission of the 26 channels in nanometres."""

CHANNEL_NAMES = tuple(f"AF{number:02d}" for number in range(1, len(CHANNELS) + 1))
"""Names of the channels."""

LEVEL = 9000.0
"""Counts of an average channel in average tissue."""

PHOTONS_PER_COUNT = 0.06
"""Photons behind one count: a signal of ``LEVEL`` counts has shot noise of about 4 %."""

READ_NOISE = 60.0
"""Standard deviation of the dark signal in counts."""

OFFSET = 400.0
"""Dark level in counts."""

BLUR = 0.45
"""Standard deviation of the point spread function in micrometres."""

AVERAGE = (0.55, 0.30, 0.45, 0.45, 0.15, 0.10)
"""Concentrations to which ``gain`` is set."""


def hemoglobin(wavelength: Floats) -> Floats:
    """Return the relative absorption of oxygenated hemoglobin: bands at 415, 542 and 577 nanometres."""
    absorption: Floats = (
        np.exp(-(((wavelength - 415) / 18) ** 2) / 2)
        + 0.11 * np.exp(-(((wavelength - 542) / 14) ** 2) / 2)
        + 0.12 * np.exp(-(((wavelength - 577) / 9) ** 2) / 2)
    )
    return absorption


def mixing() -> Floats:
    """Return the (26, 6) matrix from concentrations to counts, gain included, without blood."""
    wavelengths = np.asarray(CHANNELS, np.float64)
    x, m = wavelengths[:, :1], wavelengths[:, 1:]
    table = np.asarray(
        [(f.excitation, f.excitation_width, f.emission, f.emission_width, f.yield_) for f in FLUOROPHORES]
    ).T
    x_f, w_f, m_f, v_f, q_f = table[:, None, :]
    # q_f exp(-(x_c - x_f)^2 / 2 w_f^2) exp(-(m_c - m_f)^2 / 2 v_f^2)
    spectra = q_f * np.exp(-(((x - x_f) / w_f) ** 2) / 2) * np.exp(-(((m - m_f) / v_f) ** 2) / 2)
    gain = LEVEL / (spectra * np.asarray(AVERAGE)).sum(axis=1, keepdims=True)
    matrix: Floats = gain * spectra
    return matrix


def concentrations(specimen: Specimen) -> tuple[Singles, ...]:
    """Return the concentration of each fluorophore, (H, W) float32 each, in the order of ``FLUOROPHORES``."""
    matrix, nuclei = specimen.matrix, specimen.nuclei
    metabolism = normal(key_of(specimen.seed, "metabolism"), np.arange(3), limit=2)

    def plane(stroma: Singles, cytoplasm: float, coarse: float, fine: float, lumen: float, nucleus: float) -> Singles:
        inside = matrix.coarse * np.float32(coarse)
        inside += matrix.fine * np.float32(fine)
        inside += np.float32(cytoplasm)
        whole = blended(matrix, stroma, inside, lumen)
        into_nuclei(whole, nuclei, np.full(len(nuclei.flat), nucleus, np.float32))
        np.maximum(whole, 0, out=whole)
        return whole

    collagen = plane(fibrous(matrix, 1.0, 0.30, 0.95), 0.03, 0.0, 0.0, 0.01, 0.04)
    collagen += matrix.wall * matrix.tissue * np.float32(0.5)
    elastin = plane(fibrous(matrix, 0.22, 0.12, 0.9), 0.02, 0.0, 0.0, 0.01, 0.03)
    elastin += matrix.wall * matrix.tissue * np.float32(0.25)
    nadh = plane(fibrous(matrix, 0.10, 0.02, 0.9), 0.9 * float(np.exp(0.15 * metabolism[0])), 0.10, 0.07, 0.02, 0.18)
    fad = plane(fibrous(matrix, 0.08, 0.02, 0.9), 0.9 * float(np.exp(0.15 * metabolism[1])), 0.06, 0.09, 0.02, 0.10)
    porphyrin = plane(fibrous(matrix, 0.06, 0.01, 0.9), 0.12, 0.05, 0.0, 0.05, 0.02)
    # Lipofuscin: the brightest grains of the finest texture, most of them in epithelium.
    grains = matrix.fine * np.float32(0.8) + matrix.coarse * np.float32(0.5)
    grains -= np.float32(1.5)
    np.clip(grains, 0, 0.6, out=grains)
    lipofuscin = blended(matrix, grains * np.float32(0.35) + np.float32(0.04), grains + np.float32(0.08), 0.01)
    into_nuclei(lipofuscin, nuclei, np.full(len(nuclei.flat), 0.03, np.float32))
    return collagen, elastin, nadh, fad, lipofuscin, porphyrin


def blood(specimen: Specimen) -> Singles:
    """Return the optical density of blood at the Soret band: a slow field of congestion in the stroma."""

    def congestion(y: Floats, x: Floats) -> Floats:
        field = noise_at(key_of(specimen.seed, "congestion"), y, x, 90)
        return 0.18 * np.clip(field - 0.4, 0, 2)

    plane = smooth_plane(specimen.tissue, specimen.section, specimen.grid, congestion)
    plane *= specimen.matrix.tissue * (1 - np.float32(0.8) * specimen.matrix.epithelium)
    return plane


def autofluorescence(specimen: Specimen, frame: Frame, noise: np.uint64) -> NDArray[np.uint16]:
    """Return the counts of all channels, (H, W, 26) uint16.

    Args:
        specimen: on the frame's grid.
        frame: of the picture.
        noise: key of the sensor noise.
    """
    margin = halo(BLUR, frame)
    dark = NUCLEI.plane(specimen) if frame.grid.overview else np.zeros(frame.grid.shape, np.float32)

    def seen(plane: Singles) -> Singles:
        return exposed(frame.cut(plane * (1 - dark), *margin), BLUR, frame)

    # Mixing is linear, so each fluorophore is blurred once; blood varies slowly enough to stand before the blur.
    planes = [seen(plane) for plane in concentrations(specimen)]
    absorber = exposed(frame.cut(blood(specimen), *margin), BLUR, frame)
    matrix = mixing()
    image = np.empty((*planes[0].shape, len(CHANNELS)), np.uint16)
    words = sensor_words(frame, noise)
    for channel, (excitation, emission) in enumerate(CHANNELS):
        if channel % 4 == 0:
            words = sensor_words(frame, hashed(noise, channel)[0])
        signal = np.zeros(planes[0].shape, np.float32)
        for plane, weight in zip(planes, matrix[channel], strict=True):
            if weight > 1e-4 * matrix[channel].max():
                signal += plane * np.float32(weight)
        # A_c = 10^-(blood (h(x_c) + h(m_c)))
        both = float(hemoglobin(np.asarray([excitation, emission], np.float64)).sum())
        signal *= np.exp(absorber * np.float32(-np.log(10) * both))
        deviation = np.sqrt(signal)  # of the count: photons are Poisson, their number nearly normal
        deviation *= np.float32(PHOTONS_PER_COUNT**-0.5)
        deviation += np.float32(READ_NOISE)
        deviation *= quantiles()[words[..., channel % 4]]
        signal += deviation
        signal += np.float32(OFFSET + 0.5)
        np.clip(signal, 0, 65535, out=signal)
        image[..., channel] = signal
    return image
