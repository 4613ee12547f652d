"""What is true of a cell can be read off its pictures."""

import numpy as np
import pytest
from scipy.ndimage import mean

from restain.colour import H_DAB_FIJI, HE_FIJI, od_from_rgb, separate
from restain.errors import DataError
from restain.geometry import Mpp, Region
from restain.phantom import CLASS_NAMES, Extent, Morphology, Phantom, Section
from restain.phantom.kinds import EPITHELIUM, FIRST_NUCLEUS, LYMPHOCYTE


def amounts(scene, stain):
    """Return the two dyes that a picture shows, (H, W, 2)."""
    return separate(od_from_rgb(scene.image(stain)), HE_FIJI if stain == "he" else H_DAB_FIJI)[..., :2]


def whole_cells(scene, smallest=40):
    """Return rows of cells that lie inside the region and are seen nearly whole."""
    cells, region = scene.cells, scene.region
    area = np.bincount(scene.instances.ravel(), minlength=len(cells) + 1)[1:]
    x, y = cells.x / scene.mpp.x - region.x, cells.y / scene.mpp.y - region.y
    inside = (x > 12) & (y > 12) & (x < region.width - 12) & (y < region.height - 12)
    return np.flatnonzero(inside & (area > smallest)), area


def in_nuclei(plane, scene, rows):
    return mean(plane, scene.instances, rows + 1)


def test_pictures_are_8_bit_colour_and_masks_what_they_say(scenes):
    scene = scenes[0]
    for stain in ("he", "ki67"):
        image = scene.image(stain)
        assert image.shape == (600, 600, 3)
        assert image.dtype == np.uint8
    assert scene.instances.dtype == np.int32
    assert scene.classes.max() < len(CLASS_NAMES)
    nucleus = scene.instances > 0
    np.testing.assert_array_equal(scene.classes >= FIRST_NUCLEUS, nucleus)
    np.testing.assert_array_equal(
        scene.classes[nucleus] - FIRST_NUCLEUS, scene.cells.kind[scene.instances[nucleus] - 1]
    )


def test_nuclei_cover_their_centres_and_their_area(scenes):
    for scene in scenes:
        rows, area = whole_cells(scene)
        cells = scene.cells
        x = np.floor(cells.x[rows] / 0.5).astype(int) - scene.region.x
        y = np.floor(cells.y[rows] / 0.5).astype(int) - scene.region.y
        assert (scene.instances[y, x] == rows + 1).mean() > 0.99
        expected = np.pi * cells.radius[rows] ** 2 / 0.25
        assert 0.9 < np.median(area[rows] / expected) < 1.1


def test_membranes_carry_the_dab_of_their_cell_score_by_score(scenes):
    for scene in scenes:
        rows = np.unique(scene.membranes)[1:] - 1
        assert len(rows) > 50
        assert (scene.cells.kind[rows] == EPITHELIUM).all()
        dab = mean(amounts(scene, "her2")[..., 1], scene.membranes, rows + 1)
        medians = [np.median(dab[scene.cells.her2[rows] == score]) for score in range(4)]
        assert (np.diff(medians) > 0.02).all()
        assert np.median(amounts(scene, "her2")[..., 1][scene.membranes == 0]) < medians[1]


def test_the_look_of_a_cell_is_seen_in_h_and_e(scenes):
    for scene in scenes:
        rows, area = whole_cells(scene)
        hematoxylin = in_nuclei(amounts(scene, "he")[..., 0], scene, rows)
        kind, chromatin, radius = (getattr(scene.cells, name)[rows] for name in ("kind", "chromatin", "radius"))
        assert np.corrcoef(hematoxylin, chromatin)[0, 1] > 0.8
        assert np.corrcoef(np.sqrt(area[rows]), radius)[0, 1] > 0.8
        epithelium = kind == EPITHELIUM
        assert np.corrcoef(hematoxylin[epithelium], chromatin[epithelium])[0, 1] > 0.8
        assert np.corrcoef(np.sqrt(area[rows])[epithelium], radius[epithelium])[0, 1] > 0.8


def test_ki67_is_read_off_dab_in_the_nucleus(scenes):
    right, differences = [], []
    for scene in scenes:
        rows, _ = whole_cells(scene, smallest=12)
        dab = in_nuclei(amounts(scene, "ki67")[..., 1], scene, rows)
        truth = scene.cells.ki67[rows]
        right.append((dab > 0.25) == truth)
        differences.append(dab[truth].mean() - dab[~truth].mean())
    assert np.concatenate(right).mean() > 0.99
    assert min(differences) > 0.3


def test_cd3_is_read_off_dab_around_the_nucleus(scenes):
    right = []
    for scene in scenes:
        rows, _ = whole_cells(scene, smallest=12)
        rows = rows[scene.cells.kind[rows] == LYMPHOCYTE]
        right.append((in_nuclei(amounts(scene, "cd3")[..., 1], scene, rows) > 0.22) == scene.cells.cd3[rows])
    assert np.concatenate(right).mean() > 0.99


def test_ck818_fills_the_cytoplasm_of_epithelium_only(scenes):
    for scene in scenes:
        dab = amounts(scene, "ck818")[..., 1]
        names = {CLASS_NAMES[number]: dab[scene.classes == number].mean() for number in np.unique(scene.classes)}
        assert names["epithelium"] > 0.4
        assert max(names["stroma"], names["lumen"], names["lymphocyte nucleus"]) < 0.12
        assert names["epithelial nucleus"] < 0.5 * names["epithelium"]


def test_her2_membranes_are_darker_for_higher_scores(scenes):
    by_score = [[], [], [], []]
    for scene in scenes:
        dab = amounts(scene, "her2")[..., 1]
        owner = scene._specimen.territories
        cell = scene._frame.centres(owner.cell)
        edge = (scene._frame.centres(owner.lead) < 0.6) & (scene.classes == CLASS_NAMES.index("epithelium"))
        score = np.append(scene._specimen.neighbourhood.her2, -1)[cell]
        for step in range(4):
            by_score[step].append(dab[edge & (score == step)].mean())
    means = np.mean(by_score, axis=1)
    assert (np.diff(means) > 0.06).all()
    assert means[0] < 0.25
    assert means[3] > 0.45


def test_stains_of_one_section_show_the_same_nuclei(scenes):
    for scene in scenes[:2]:
        nucleus = scene.instances > 0
        for stain in ("he", "ki67", "her2", "cd3", "ck818"):
            dark = amounts(scene, stain)[..., 0]
            assert dark[nucleus].mean() > 3 * dark[~nucleus].mean() - 0.05


def test_the_nearest_neighbour_owns_the_cytoplasm(scenes):
    scene = scenes[0]
    territories, cells = scene._specimen.territories, scene._specimen.neighbourhood
    owner = scene._frame.centres(territories.cell)
    rows, _ = whole_cells(scene)
    table = scene.cells
    rows = rows[table.kind[rows] == EPITHELIUM]
    x = np.floor(table.x[rows] / 0.5).astype(int) - scene.region.x
    y = np.floor(table.y[rows] / 0.5).astype(int) - scene.region.y
    assert (cells.id[owner[y, x]] == table.id[rows]).mean() > 0.97
    assert (territories.lead >= 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_slide_is_tissue_with_glass_around(seed):
    phantom = Phantom(seed, Extent(3000, 2000))
    classes = phantom.scene(Region(0, 0, 300, 200), Mpp.square(10.0)).classes
    tissue = classes > 0
    assert 0.5 < tissue.mean() < 0.72
    assert tissue[50:150, 75:225].mean() > 0.95
    assert tissue[:, :4].mean() < 0.3
    cells = phantom.cells(Region(1300, 0, 400, 2000), Mpp.square(1.0))
    at = classes[(cells.y / 10).astype(int), (cells.x / 10).astype(int)]
    assert (at > 0).mean() > 0.95


def test_glass_is_white_and_has_no_cells():
    phantom = Phantom(0, Extent(3000, 2000))
    corner = phantom.scene(Region(-60, -60, 60, 60), Mpp.square(0.5))
    assert not corner.classes.any()
    assert not corner.instances.any()
    assert len(phantom.cells(Region(-500, -500, 500, 500), Mpp.square(0.5))) == 0
    for stain in ("he", "ki67", "her2", "cd3", "ck818"):
        image = corner.image(stain)
        assert image.min() > 220
        assert image.std() < 5
    assert corner.image("autofluorescence").mean() < 450


def test_slides_differ_in_colour():
    region, mpp = Region(0, 0, 60, 60), Mpp.square(8.0)
    colours = np.array([Phantom(seed).render("he", region, mpp).mean(axis=(0, 1)) for seed in range(16)])
    spread = colours.std(axis=0)
    assert (spread > 2.5).all()
    assert (spread < 25).all()


@pytest.mark.parametrize("stain", ["he", "ki67", "her2", "cd3", "ck818"])
def test_overviews_have_the_colour_of_what_they_stand_for(stain):
    phantom = Phantom(2)
    overview = phantom.render(stain, Region(0, 0, 48, 48), Mpp.square(8.0)).astype(float)
    exact = phantom.render(stain, Region(0, 0, 384, 384), Mpp.square(1.0)).astype(float)
    mean_ = exact.reshape(48, 8, 48, 8, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(overview.mean(axis=(0, 1)), mean_.mean(axis=(0, 1)), atol=9)
    if stain in ("he", "ck818"):
        assert np.corrcoef(overview[..., 1].ravel(), mean_[..., 1].ravel())[0, 1] > 0.8


def test_another_section_shows_other_textures_of_the_same_tissue():
    region, mpp = Region(0, 0, 80, 80), Mpp.square(0.5)
    reference, next_ = (Phantom(3).render("he", region, mpp, Section(number)) for number in (0, 1))
    assert (reference != next_).mean() > 0.8


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: Phantom(1).scene(Region(0, 0, 0, 5), Mpp.square(0.5)),
        lambda: Phantom(1).render("trichrome", Region(0, 0, 8, 8), Mpp.square(0.5)),
        lambda: Morphology(gland_pitch=10.0),
        lambda: Morphology(nucleus_spacing=float("nan")),
        lambda: Morphology(solid_fraction=1.5),
    ],
)
def test_what_cannot_be_drawn_is_refused(mistake):
    with pytest.raises(DataError):
        mistake()


def test_knobs_turn():
    region, mpp = Region(0, 0, 600, 600), Mpp.square(1.0)
    plain = Phantom(1).cells(region, mpp)
    bare = Phantom(1, shape=Morphology(gland_fraction=0.0, lymphocyte_density=0.0)).cells(region, mpp)
    solid = Phantom(1, shape=Morphology(solid_fraction=1.0)).cells(region, mpp)
    inflamed = Phantom(1, shape=Morphology(lymphocyte_density=0.3)).cells(region, mpp)
    epithelium, lymphocytes = (
        [(table.kind == kind).sum() for table in (bare, plain, solid, inflamed)] for kind in (EPITHELIUM, LYMPHOCYTE)
    )
    assert epithelium[0] < 0.5 * epithelium[1] < 0.5 * epithelium[2]
    assert lymphocytes[3] > 1.5 * lymphocytes[1]
