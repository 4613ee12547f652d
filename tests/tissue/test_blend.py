import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from restain.errors import DataError
from restain.geometry import Region, Size
from restain.tissue import Blender, Tile, TilePlan


@st.composite
def plans(draw: st.DrawFn) -> TilePlan:
    halo = 2 * draw(st.integers(0, 5))
    side = draw(st.integers(max(4, 3 * halo), 40))
    return TilePlan(Size(draw(st.integers(1, 130)), draw(st.integers(1, 130))), side, halo)


def tiles_of(plan: TilePlan, start: int = 0) -> list[Tile]:
    return [tile for row in plan.rows(start) for tile in row]


def read(image: NDArray, region: Region) -> NDArray:
    """Read as a slide reader does: what lies outside is background."""
    out = np.full((region.height, region.width, image.shape[2]), -1, np.float32)
    inside = region.clip(Region(0, 0, image.shape[1], image.shape[0]))
    out[inside.y - region.y :, inside.x - region.x :][: inside.height, : inside.width] = image[inside.slices]
    return out


def blend(plan: TilePlan, results: dict[int, NDArray], channels: int, first_row: int = 0) -> NDArray:
    """Put the finished pieces together, with NaN where none came."""
    image = np.full((plan.size.height, plan.size.width, channels), np.nan, np.float32)
    blender = Blender(plan, channels, first_row)
    for tile in tiles_of(plan, max(first_row - 1, 0)):
        finished = blender.add(tile, results[tile.index])
        assert (finished is None) == (tile.row < first_row)
        if finished:
            core, pixels = finished
            assert core == tile.core
            assert np.isnan(image[core.slices]).all()  # every pixel is finished once
            image[core.slices] = pixels
    return image


def random_results(plan: TilePlan, channels: int) -> dict[int, NDArray]:
    """Tiles that do not agree with each other."""
    rng = np.random.default_rng(0)
    shape = (plan.side, plan.side, channels)
    return {tile.index: rng.normal(size=shape).astype(np.float32) for tile in tiles_of(plan)}


@given(plans())
@settings(max_examples=60, deadline=None)
def test_a_constant_stays_constant(plan: TilePlan):
    results = {tile.index: np.full((plan.side, plan.side, 1), 0.7, np.float32) for tile in tiles_of(plan)}
    np.testing.assert_allclose(blend(plan, results, 1), 0.7, atol=1e-6)


@given(plans())
@settings(max_examples=60, deadline=None)
def test_a_function_of_single_pixels_gives_what_it_gives_on_the_whole_image(plan: TilePlan):
    image = np.random.default_rng(1).uniform(-1, 1, (plan.size.height, plan.size.width, 2)).astype(np.float32)
    results = {tile.index: np.sin(3 * read(image, tile.source)) for tile in tiles_of(plan)}
    np.testing.assert_allclose(blend(plan, results, 2), np.sin(3 * image), atol=1e-6)


@given(plans())
@settings(max_examples=60, deadline=None)
def test_tiles_that_disagree_give_their_weighted_mean(plan: TilePlan):
    results = random_results(plan, 2)
    total = np.zeros((plan.size.height, plan.size.width, 2))
    weight = np.zeros((plan.size.height, plan.size.width, 1))
    for tile in tiles_of(plan):  # weighted accumulation over the whole image at once, with weights written down anew
        share = np.ones((tile.window.height, tile.window.width, 1))
        for axis, window, count, index, length in (
            (0, tile.window.y, plan.down.count, tile.row, tile.window.height),
            (1, tile.window.x, plan.across.count, tile.column, tile.window.width),
        ):
            position = np.arange(length) + 0.5
            ramp = np.ones(length)
            if plan.halo and index > 0:
                ramp = np.minimum(ramp, position / plan.halo)
            if plan.halo and index < count - 1:
                ramp = np.minimum(ramp, (length - position) / plan.halo)
            assert window >= 0
            share *= np.expand_dims(ramp, (1 - axis, 2))
        inner = Region(
            tile.window.x - tile.source.x, tile.window.y - tile.source.y, tile.window.width, tile.window.height
        )
        total[tile.window.slices] += share * results[tile.index][inner.slices]
        weight[tile.window.slices] += share
    np.testing.assert_allclose(weight, 1, atol=1e-12)
    np.testing.assert_allclose(blend(plan, results, 2), total, atol=2e-6)


@given(plans(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_run_taken_up_at_any_row_gives_the_same_bits(plan: TilePlan, data: st.DataObject):
    results = random_results(plan, 1)
    row = data.draw(st.integers(0, plan.down.count - 1))
    resumed = blend(plan, results, 1, first_row=row)
    top = plan.down.core(row)[0]
    np.testing.assert_array_equal(resumed[top:], blend(plan, results, 1)[top:])
    assert np.isnan(resumed[:top]).all()


@given(plans())
@settings(max_examples=30, deadline=None)
def test_a_constant_tile_may_be_given_by_its_colour(plan: TilePlan):
    results = random_results(plan, 3)
    colour = np.array([1.0, 0.5, -1.0], np.float32)
    spread = {i: np.broadcast_to(colour, r.shape) if i % 2 else r for i, r in results.items()}
    brief = {i: colour if i % 2 else r for i, r in results.items()}
    np.testing.assert_array_equal(blend(plan, brief, 3), blend(plan, spread, 3))


def test_finished_pixels_do_not_change_afterwards():
    plan = TilePlan(Size(200, 200), 64, 16)
    blender = Blender(plan, 1)
    kept = []
    for tile in tiles_of(plan):
        _, pixels = blender.add(tile, np.ones((64, 64, 1), np.float32))
        kept.append((pixels, pixels.copy()))
    for pixels, copy in kept:
        np.testing.assert_array_equal(pixels, copy)


def test_memory_is_one_strip_whatever_the_height():
    def held(height: int) -> int:
        plan = TilePlan(Size(500, height), 64, 16)
        blender = Blender(plan, 1)
        for tile in tiles_of(plan):
            blender.add(tile, np.zeros((64, 64, 1), np.float32))
        arrays = [value for value in vars(blender).values() if isinstance(value, np.ndarray)]
        return sum(array.nbytes if array.base is None else array.base.nbytes for array in arrays)

    assert held(300) == held(1500) <= 4 * (16 * 500 + (32 + 16) * 16)


def test_a_tile_out_of_order_is_refused():
    plan = TilePlan(Size(200, 200), 64, 16)
    tiles = tiles_of(plan)
    with pytest.raises(DataError, match="tile 1 was blended where tile 0 is due"):
        Blender(plan, 1).add(tiles[1], np.zeros((64, 64, 1), np.float32))


@pytest.mark.parametrize("shape", [(64, 64, 2), (63, 64, 3), (64, 64), (1,)])
def test_a_result_of_another_shape_is_refused(shape: tuple[int, ...]):
    plan = TilePlan(Size(200, 200), 64, 16)
    with pytest.raises(DataError, match="tile result of shape"):
        Blender(plan, 3).add(plan.tile(0, 0), np.zeros(shape, np.float32))
