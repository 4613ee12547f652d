import csv

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation, gaussian_filter

from restain.errors import DataError
from restain.geometry import Mpp, Region
from restain.phantom import CLASS_NAMES, Extent, Phantom
from restain.tissue import tissue_mask

HEMATOXYLIN, EOSIN, DAB = (0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78)
every_stain = pytest.mark.parametrize("stain", [HEMATOXYLIN, EOSIN, DAB], ids=["hematoxylin", "eosin", "DAB"])


def disc(side: int = 200, radius: float = 50) -> NDArray[np.bool_]:
    y, x = np.mgrid[:side, :side] - side / 2 + 0.5
    return np.hypot(x, y) < radius


def stained(where: NDArray, stain: tuple[float, ...], amount: float, glass: tuple[float, ...], noise: float = 1.0):
    """Textured stain on flat glass, seen by a noisy camera."""
    rng = np.random.default_rng(0)
    texture = 1 + 0.3 * gaussian_filter(rng.normal(size=where.shape), 1) * 3.5
    density = (where * amount * texture.clip(0))[..., None] * np.array(stain)
    image = np.array(glass) * 10**-density
    return np.rint(image + rng.normal(0, noise, image.shape)).clip(0, 255).astype(np.uint8)


def glowing(where: NDArray, level: float, black: float, noise: float, channels: int, dtype: type):
    """Textured light on a dark background."""
    rng = np.random.default_rng(0)
    texture = 1 + 0.3 * gaussian_filter(rng.normal(size=(*where.shape, channels)), (1, 1, 0)) * 3.5
    image = black + where[..., None] * level * texture.clip(0)
    return np.rint(image + rng.normal(0, noise, image.shape)).clip(0, np.iinfo(dtype).max).astype(dtype)


def is_disc(mask: NDArray, truth: NDArray, margin: int) -> bool:
    """Nothing lost, and no more gained than the margin and two pixels of blur."""
    return bool((mask >= truth).all() and (mask <= binary_dilation(truth, iterations=margin + 3)).all())


@every_stain
@pytest.mark.parametrize("amount", [0.15, 0.5, 1.5])
@pytest.mark.parametrize("glass", [(255, 255, 255), (244, 244, 244), (245, 240, 236), (180, 180, 180)])
def test_stained_tissue_is_found_on_any_glass(stain, amount, glass):
    truth = disc()
    assert is_disc(tissue_mask(stained(truth, stain, amount, glass), margin=2), truth, 2)


@pytest.mark.parametrize("level", [40, 100, 200])
@pytest.mark.parametrize("black", [0, 12])
def test_dark_field_tissue_is_found(level, black):
    truth = disc()
    assert is_disc(tissue_mask(glowing(truth, level, black, 1, 3, np.uint8)), truth, 2)


@pytest.mark.parametrize("channels", [1, 4, 26])
@pytest.mark.parametrize(("level", "black"), [(600, 100), (20000, 2000)])
def test_fluorescence_of_any_channels_and_camera_is_found(channels, level, black):
    truth = disc()
    assert is_disc(tissue_mask(glowing(truth, level, black, 4, channels, np.uint16)), truth, 2)


@pytest.mark.parametrize("level", [165, 200, 230, 245, 255])
@pytest.mark.parametrize("noise", [0, 1, 2])
def test_a_slide_of_glass_only_has_no_tissue(level, noise):
    assert not tissue_mask(stained(disc(radius=0), EOSIN, 0, (level, level - 3, level - 5), noise)).any()


def test_glass_that_is_lit_unevenly_has_no_tissue():
    light = np.linspace(232, 246, 300)[None, :, None] * np.ones((200, 1, 3))
    assert not tissue_mask(np.rint(light).astype(np.uint8)).any()


@pytest.mark.parametrize(("dtype", "black", "noise"), [(np.uint8, 0, 1), (np.uint8, 10, 1.5), (np.uint16, 110, 6)])
def test_a_dark_slide_without_tissue_has_none(dtype, black, noise):
    assert not tissue_mask(glowing(disc(radius=0), 0, black, noise, 3, dtype)).any()


@every_stain
@pytest.mark.parametrize("amount", [0.15, 0.5, 1.5])
@pytest.mark.parametrize("side", [16, 200])
def test_a_slide_of_tissue_only_is_tissue(stain, amount, side):
    everywhere = np.ones((side, side), bool)
    assert tissue_mask(stained(everywhere, stain, amount, (244, 244, 244))).mean() > 0.99


def test_a_dark_slide_of_tissue_only_is_tissue():
    everywhere = np.ones((200, 200), bool)
    assert tissue_mask(glowing(everywhere, 90, 3, 1, 3, np.uint8)).mean() > 0.99


def test_holes_are_filled_specks_dropped_and_edges_kept():
    truth = disc() & ~disc(radius=20)
    speck = np.zeros_like(truth)
    speck[10:12, 10:12] = True
    mask = tissue_mask(stained(truth | speck, EOSIN, 1, (244, 244, 244)), speck=40, margin=0)
    assert is_disc(mask, disc(), 0)
    assert tissue_mask(stained(truth | speck, EOSIN, 1, (244, 244, 244)), speck=1)[11, 11]


def test_the_margin_grows_the_mask_by_that_many_pixels():
    image = stained(disc(), DAB, 0.5, (244, 244, 244))
    grown = binary_dilation(tissue_mask(image, margin=0), iterations=5)
    np.testing.assert_array_equal(tissue_mask(image, margin=5), grown)


@pytest.mark.parametrize(
    "image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32), np.zeros((0, 9, 3), np.uint8)]
)
def test_what_is_no_overview_is_refused(image):
    with pytest.raises(DataError, match="overview"):
        tissue_mask(image)


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (1, 300)])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiny_overviews_work(size, channels):
    assert tissue_mask(np.full((*size, channels), 128, np.uint8)).shape == size


def read(path, reduce=1):
    return np.asarray(Image.open(path).convert("RGB").reduce(reduce))


@pytest.mark.parametrize(
    "folder",
    ["he_her2_mist/he", "he_contiguous_tiles", "darkfield_he_paired/he", "darkfield_he_paired/darkfield",
     "darkfield_he_unpaired/he", "he_masson_liver_unpaired/masson", "he_orion_crc/C04"],
)  # fmt: skip
def test_real_tiles_full_of_tissue_are_nearly_all_tissue(shared_data, folder):
    paths = sorted((shared_data / folder).iterdir())[:12]
    shares = [tissue_mask(read(path, 8)).mean() for path in paths]
    assert np.median(shares) == 1
    assert np.mean(shares) > 0.95  # a few do show glass


def landmarks(path):
    with path.open() as file:
        return [(int(float(row["Y"])), int(float(row["X"]))) for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("lesions_5pc/Izd2-29-041-w35_HE", 0.7, 0.97), ("lesions_5pc/Izd2-29-041-w35_proSPC", 0.5, 0.9),
     ("rat-kidney_5pc/Rat-Kidney_HE", 0.6, 0.7), ("rat-kidney_5pc/Rat-Kidney_PanCytokeratin", 0.58, 0.7)],
)  # fmt: skip
def test_landmarks_that_experts_set_on_tissue_lie_on_tissue(shared_data, name, low, high):
    path = shared_data / "serial_cima" / name
    mask = tissue_mask(read(path.with_suffix(".jpg")))
    hits = [mask[at] for at in landmarks(path.with_suffix(".csv"))]
    assert np.mean(hits) > 0.95
    assert low < mask.mean() < high


def test_a_real_scan_is_parted_from_its_glass(shared_data):
    import openslide

    with openslide.OpenSlide(shared_data / "wsi" / "CMU-1-Small-Region.svs") as slide:
        overview = np.asarray(slide.get_thumbnail((400, 400)).convert("RGB"))
    mask = tissue_mask(overview)
    assert 0.36 < mask.mean() < 0.48
    assert mask[overview.min(axis=2) < 180].mean() > 0.999  # what is clearly stained, but for dust
    assert not mask[250:, :60].any()  # the lower left corner is glass, as one sees


def test_real_fluorescence_is_parted_from_the_dark(shared_data):
    import tifffile

    overview = tifffile.imread(shared_data / "wsi" / "small_vectra.qptiff").transpose(1, 2, 0)[::8, ::8]
    mask = tissue_mask(overview)
    assert 0.4 < mask.mean() < 0.6
    assert not mask[:, 200:].any()  # the core ends before, as one sees


@pytest.mark.parametrize("stain", ["he", "ki67", "autofluorescence"])
def test_the_tissue_of_the_phantom_is_found_in_every_stain(stain):
    scene = Phantom(1, Extent(1200, 800)).scene(Region(0, 0, 600, 400), Mpp.square(2))
    by_four = (100, 4, 150, 4)
    image = scene.image(stain)
    overview = np.rint(image.reshape(*by_four, -1).mean(axis=(1, 3))).astype(image.dtype)
    glass = (scene.classes == CLASS_NAMES.index("glass")).reshape(by_four).mean(axis=(1, 3))
    mask = tissue_mask(overview)
    assert mask[glass < 0.5].mean() > 0.99  # lumina that open to the outside are classes of tissue and look like glass
    assert not mask[binary_dilation(glass < 1, iterations=6) == 0].any()
