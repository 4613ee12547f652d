import numpy as np
import pytest

from restain.features import lessons
from restain.features.lessons import FACTS, Lesson, blurred, colour_facts, draw, noisy, recoloured
from restain.geometry import Region


@pytest.fixture(scope="module")
def lesson():
    return Lesson(7)


def fact(values, name):
    return values[FACTS.index(name)]


def test_facts_of_parts_add_up_to_those_of_the_field(lesson):
    whole = Region(0, 0, lessons.FIELD, lessons.FIELD)
    parts = np.stack([lesson.facts(part, "ki67") for part in whole.tiles(128)])
    names = [name for name in FACTS if name.endswith("cells") or name.startswith("area")]
    for name in names:
        assert np.isclose(fact(parts.T, name).mean(), fact(lesson.facts(whole, "ki67"), name), rtol=1e-5)
    areas = [fact(parts.T, name) for name in names if name.startswith("area")]
    assert np.allclose(np.sum(areas, axis=0), 1)


def test_the_share_of_positive_cells_is_that_of_the_stain_that_is_shown(lesson):
    x, y = lesson.cells.x, lesson.cells.y
    side = lessons.FIELD * lessons.MPP.x
    inside = (x >= 0) & (x < side) & (y >= 0) & (y < side)
    part = Region(0, 0, lessons.FIELD, lessons.FIELD)
    assert np.isnan(fact(lesson.facts(part, "he"), "positive"))
    for stain in ("ki67", "cd3", "ck818"):
        assert np.isclose(fact(lesson.facts(part, stain), "positive"), getattr(lesson.cells, stain)[inside].mean())
    assert np.isclose(fact(lesson.facts(part, "her2"), "positive"), lesson.cells.her2[inside].mean() / 3)


def test_where_no_cell_is_its_look_is_unknown(lesson):
    x, y = lesson.cells.x / lessons.MPP.x, lesson.cells.y / lessons.MPP.y
    empty = next(
        Region(column, row, 8, 8)
        for row in range(0, 500, 8)
        for column in range(0, 500, 8)
        if not ((x >= column) & (x < column + 8) & (y >= row) & (y < row + 8)).any()
    )
    facts = lesson.facts(empty, "ki67")
    assert all(np.isnan(fact(facts, name)) for name in ("positive", *lessons.LOOKS))


def test_a_third_of_a_turn_swaps_the_channels():
    image = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    assert np.array_equal(recoloured(image, turn=120), image[..., [2, 0, 1]])


def test_grey_stays_grey_and_no_contrast_is_white():
    grey = np.full((4, 4, 3), 90, np.uint8)
    assert np.array_equal(recoloured(grey, turn=37), grey)
    assert np.array_equal(recoloured(grey, contrast=0), np.full_like(grey, 255))
    assert np.array_equal(recoloured(grey, contrast=0.5), np.full_like(grey, 172))  # 255 - 165 / 2


def test_blur_spreads_a_point_as_far_as_it_says():
    image = np.zeros((41, 41, 3), np.uint8)
    image[20, :] = 255
    profile = blurred(image, 2.0)[:, 5, 0].astype(float)
    place = np.arange(41) - 20
    assert np.isclose((profile * place**2).sum() / profile.sum(), 4.0, rtol=0.03)


def test_noise_is_as_strong_as_it_says():
    image = np.full((200, 200, 3), 128, np.uint8)
    assert np.isclose(noisy(image, 9.0, np.random.default_rng(0)).std(), 9.0, rtol=0.02)


def test_density_is_that_of_beer_and_lambert():
    image = np.full((4, 4, 3), 255, np.uint8)
    image[:2, :, 0] = 24  # (24 + 1) / 256
    density = np.log10(256 / 25)
    assert np.allclose(colour_facts(image), [density / 2, 0, 0, density / 2, 0, 0], atol=1e-6)


def test_a_picture_tells_of_what_was_done_to_it(lesson):
    rng = np.random.default_rng(0)
    examples = [draw(lesson, rng) for _ in range(60)]
    untouched = [example for example in examples if not example.facts[FACTS.index("blur") :].any()]
    assert 30 <= len(untouched) < 60
    for example in examples:
        assert example.image.shape == (lessons.SIDE, lessons.SIDE, 3)
        assert np.allclose(fact(example.facts, "density in red"), colour_facts(example.image)[0], rtol=1e-4)
    assert {example.stain for example in examples} == set(range(len(lessons.STAINS)))


def test_the_same_seed_draws_the_same_picture(lesson):
    one, other = (draw(lesson, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one.image, other.image)
    assert np.array_equal(one.facts, other.facts, equal_nan=True)
