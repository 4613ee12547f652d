import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restain.errors import ConfigError, DataError
from restain.geometry import Region, Size
from restain.tissue import Axis, TilePlan


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    halo = 2 * draw(st.integers(0, 8))
    side = draw(st.integers(max(1, 3 * halo), 60))
    return Axis(draw(st.integers(1, 400)), side, halo)


@given(axes())
def test_shares_along_an_axis_add_up_to_one(axis: Axis):
    total = np.zeros(axis.length)
    for k in range(axis.count):
        first, end = axis.window(k)
        total[first:end] += axis.weights(k)
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(axes())
def test_cores_along_an_axis_follow_each_other_and_are_finished_by_their_own_tile(axis: Axis):
    reached = 0
    for k in range(axis.count):
        first, end = axis.core(k)
        assert first == reached
        assert end > first
        assert axis.window(k)[0] == first
        assert k == axis.count - 1 or axis.window(k + 1)[0] >= end
        reached = end
    assert reached == axis.length


@given(axes())
def test_a_tile_has_no_share_where_it_lacks_context(axis: Axis):
    for k in range(axis.count):
        first, end = axis.window(k)
        margin = axis.halo // 2 if axis.count > 1 else 0
        assert first - axis.source(k) >= margin
        assert axis.source(k) + axis.side - end >= margin


@given(axes())
def test_no_pixel_of_an_axis_belongs_to_more_than_two_tiles(axis: Axis):
    shares = np.zeros(axis.length, int)
    for k in range(axis.count):
        first, end = axis.window(k)
        shares[first:end] += 1
    assert shares.max() <= 2


@given(axes())
def test_no_tile_is_spent_on_what_its_neighbour_holds_already(axis: Axis):
    if axis.count > 1:
        first, end = axis.window(axis.count - 1)
        assert end - first > axis.halo


def test_geometry_of_a_plan_in_numbers():
    plan = TilePlan(Size(600, 300), side=256, halo=32)
    tiles = [tile for row in plan.rows() for tile in row]
    assert (plan.across.count, plan.down.count, len(plan), plan.across.stride) == (3, 2, 6, 192)
    assert [tile.index for tile in tiles] == list(range(6))
    middle = tiles[1]
    assert middle.source == Region(192 - 16, -16, 256, 256)
    assert middle.window == Region(192, 0, 192 + 32, 192 + 32)
    assert middle.core == Region(192, 0, 192, 192)
    assert tiles[5].window == tiles[5].core == Region(384, 192, 216, 108)


@pytest.mark.parametrize("size", [Size(1, 1), Size(100, 7), Size(255, 256), Size(256, 256)])
def test_an_image_that_fits_into_a_tile_is_one_tile_and_lies_wholly_in_it(size: Size):
    plan = TilePlan(size, side=256, halo=64)
    ((tile,),) = plan.rows()
    assert len(plan) == 1
    assert tile.core == Region.of(size)
    assert tile.core.clip(tile.source) == tile.core


def test_an_image_as_large_as_a_tile_is_the_tile():
    ((tile,),) = TilePlan(Size(256, 256), side=256, halo=64).rows()
    assert tile.source == Region(0, 0, 256, 256)


def test_rows_can_start_anywhere():
    plan = TilePlan(Size(600, 1000), side=256, halo=32)
    assert list(plan.rows(2)) == list(plan.rows())[2:]
    assert list(plan.rows(plan.down.count)) == []


def test_without_a_mask_everything_may_be_tissue():
    assert all(tile.is_tissue for row in TilePlan(Size(600, 600), 256, 32).rows() for tile in row)


@given(st.integers(0, 30), st.integers(0, 40), st.integers(257, 900), st.integers(257, 900))
def test_a_tile_is_tissue_exactly_if_a_tissue_pixel_touches_its_window(x: int, y: int, width: int, height: int):
    size = Size(width, height)
    mask = np.zeros((41, 31), bool)
    mask[y, x] = True
    full = np.zeros((height, width), bool)  # the mask pixel stretched over the slide, by exact fractions
    columns = [i for i in range(width) if (i + 1) * 31 > x * width and i * 31 < (x + 1) * width]
    rows = [j for j in range(height) if (j + 1) * 41 > y * height and j * 41 < (y + 1) * height]
    full[np.ix_(rows, columns)] = True
    for row in TilePlan(size, 256, 32, mask).rows():
        for tile in row:
            assert tile.is_tissue == full[tile.window.slices].any()


@pytest.mark.parametrize(("side", "halo"), [(256, 86), (256, 33), (256, -2), (256, 128), (0, 0), (-5, 0)])
def test_what_cannot_be_tiled_is_refused_with_the_range_that_can(side: int, halo: int):
    with pytest.raises(ConfigError, match="pixels"):
        TilePlan(Size(1000, 1000), side, halo)


def test_the_largest_halo_that_the_message_names_works():
    with pytest.raises(ConfigError, match="even number from 0 to 84"):
        TilePlan(Size(1000, 1000), 256, 86)
    assert len(TilePlan(Size(1000, 1000), 256, 84)) > 0


@pytest.mark.parametrize("mask", [np.zeros((0, 4), bool), np.zeros((4, 4, 1), bool)])
def test_a_mask_that_is_no_mask_is_refused(mask: np.ndarray):
    with pytest.raises(DataError, match="tissue mask"):
        TilePlan(Size(1000, 1000), 256, 32, mask)


def test_an_empty_slide_is_refused():
    with pytest.raises(DataError, match="empty"):
        TilePlan(Size(0, 5), 256, 32)
