"""Tiles in, finished pixels out: exact, and independent of how the work is cut."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from restain.errors import BundleError, DataError
from restain.geometry import Mpp, Region, Size
from restain.inference.array_reader import ArrayReader
from restain.inference.engine import count_tissue, plan_tiles, stain_tiles
from restain.inference.source import Source
from restain.inference.stainer import Stainer
from restain.pixels import planes_from_image
from restain.slides import RGB


def canvas_of(source, plan, stainer, first_row=0):
    """Return what the engine makes, on a canvas that shows in 77 what it did not touch."""
    canvas = np.full((plan.size.height, plan.size.width, 3), 77, np.uint8)
    for tile, pixels in stain_tiles(source, plan, stainer, first_row):
        canvas[tile.core.slices] = pixels
    return canvas


def source_of(image, model, mpp=0.5):
    return Source(ArrayReader(image, RGB, Mpp.square(mpp)), model.card)


@settings(deadline=None, max_examples=25)
@given(
    width=some.integers(1, 130),
    height=some.integers(1, 130),
    cut=some.sampled_from([(16, 0), (32, 8), (48, 16), (64, 16)]),
    batch=some.integers(1, 5),
)
def test_a_model_that_copies_gives_back_every_pixel(models, exact, tissue, width, height, cut, batch):
    image = tissue(width, height)
    model = models.copy(tile=cut[0], halo=cut[1])
    source = source_of(image, model)
    stained = canvas_of(source, plan_tiles(source.size, model, None), Stainer(model, exact(batch=batch)))
    assert np.array_equal(stained, image)


@pytest.mark.parametrize(("tile", "halo", "batch"), [(32, 8, 1), (32, 8, 5), (48, 16, 2), (128, 0, 3), (80, 8, 1)])
def test_noise_belongs_to_the_slide_and_not_to_the_tile(models, exact, tissue, tile, halo, batch):
    image = tissue(150, 90)

    def stained(model, batch):
        source = source_of(image, model)
        return canvas_of(source, plan_tiles(source.size, model, None), Stainer(model, exact(batch=batch, seed=3)))

    whole = stained(models.noise(tile=160, halo=0), 1)
    assert whole.std() > 10
    assert np.abs(stained(models.noise(tile=tile, halo=halo), batch).astype(int) - whole).max() <= 1  # blending rounds


@pytest.mark.parametrize("method", ["regression", "conditional"])
def test_batches_do_not_change_a_tile(models, exact, tissue, method):
    """METHODS F45: results of batch 1 and batch 4 are equal within 1e-5."""
    model = models.network(method)
    tiles = [planes_from_image(tissue(32, 32, seed=k)) for k in range(4)]
    corners = [Region(40 * k, 7, 32, 32).at for k in range(4)]
    stainer = Stainer(model, exact())
    together = stainer(tiles, corners)
    alone = np.concatenate([stainer([tile], [at]) for tile, at in zip(tiles, corners, strict=True)])
    assert np.abs(together).max() > 0.1
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)
    assert np.array_equal(together, stainer(tiles, corners))  # and the same again, to the last bit


@pytest.mark.parametrize("batch", [1, 3])
def test_a_run_taken_up_at_any_row_is_the_unbroken_run(models, exact, tissue, batch):
    model = models.network()
    source = source_of(tissue(60, 64), model)
    plan = plan_tiles(source.size, model, None)
    stainer = Stainer(model, exact(batch=batch))
    unbroken = canvas_of(source, plan, stainer)
    assert plan.down.count == 4
    for row in range(plan.down.count):
        top = plan.tile(row, 0).core.y
        again = canvas_of(source, plan, stainer, row)
        assert np.array_equal(again[top:], unbroken[top:])
        assert (again[:top] == 77).all()


def test_glass_is_not_run_and_becomes_the_background_of_the_target(models, exact, tissue):
    model = models.copy(tile=32, halo=8, background=201)
    image = tissue(160, 96)
    mask = np.zeros((96, 160), bool)
    mask[40:44, 105:109] = True
    source = source_of(image, model)
    plan = plan_tiles(source.size, model, mask)
    stained = canvas_of(source, plan, Stainer(model, exact(batch=2)))
    assert sum(model.method.batches) == count_tissue(plan) == 1  # 4 px lie in the window of one tile
    tile = next(tile for row in plan.rows() for tile in row if tile.is_tissue)
    outside = np.ones((96, 160), bool)
    outside[tile.window.slices] = False
    assert (stained[outside] == 201).all()
    assert np.array_equal(stained[40:44, 105:109], image[40:44, 105:109])


def test_batches_end_with_the_row(models, exact, tissue):
    model = models.copy()
    source = source_of(tissue(16 * 5 + 8, 40), model)
    plan = plan_tiles(source.size, model, None)
    canvas_of(source, plan, Stainer(model, exact(batch=4)))
    assert (plan.across.count, plan.down.count) == (5, 2)
    assert model.method.batches == [4, 1, 4, 1]


def test_beyond_its_edges_the_slide_is_mirrored(models):
    image = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(4, 5, 3)
    seen = source_of(image, models.copy()).read(Region(-2, -1, 9, 7))
    assert np.array_equal(seen, np.pad(image, ((1, 2), (2, 2), (0, 0)), mode="symmetric"))


def test_a_region_beside_the_slide_is_refused(models, tissue):
    with pytest.raises(DataError, match="lies outside the slide"):
        source_of(tissue(20, 20), models.copy()).read(Region(30, 0, 4, 4))


@pytest.mark.parametrize(
    ("tile", "asked", "taken"), [(576, 32, 32), (256, 32, 32), (128, 20, 24), (200, 20, 20), (64, 20, 16), (48, 16, 16)]
)
def test_the_halo_makes_strides_that_tiff_can_store(models, tile, asked, taken):
    plan = plan_tiles(Size(1000, 1000), models.copy(tile=tile, halo=asked), None)
    assert plan.halo == taken
    assert plan.across.stride % 16 == 0


@pytest.mark.parametrize(
    ("size", "side"), [(Size(256, 256), 256), (Size(250, 20), 256), (Size(5, 3), 16), (Size(577, 9), 576)]
)
def test_a_small_image_is_a_small_tile(models, size, side):
    plan = plan_tiles(size, models.copy(tile=576, halo=32), None)
    assert plan.side == side
    assert len(plan) == (2 if size.width > side else 1)


def test_a_small_tile_fits_the_network(models):
    model = models.network(tile=480, halo=16)
    model.method.multiple = 24
    assert plan_tiles(Size(70, 40), model, None).side == 96


def test_a_tile_that_no_halo_fits_is_refused(models):
    with pytest.raises(BundleError, match="tiles of 250 px, which no halo fits"):
        plan_tiles(Size(300, 100), models.copy(tile=250, halo=16), None)


def test_values_that_are_not_finite_are_refused(models, exact, tissue):
    model = models.of(lambda source, noise: torch.full_like(source, torch.nan))
    source = source_of(tissue(40, 40), model)
    with pytest.raises(DataError, match="not finite"):
        canvas_of(source, plan_tiles(source.size, model, None), Stainer(model, exact()))


def test_an_error_of_a_reading_thread_arrives(models, exact, tissue):
    class Damaged(ArrayReader.__base__):
        info = ArrayReader(tissue(64, 64), RGB, Mpp.square(0.5)).info

        def _read_inside(self, region, level):
            if region.y > 20:
                raise DataError("row 20 is damaged", fix="copy it again")
            return np.zeros((region.height, region.width, 3), np.uint8)

        def close(self): ...

    model = models.copy()
    source = Source(Damaged(), model.card)
    plan = plan_tiles(source.size, model, None)
    with pytest.raises(DataError, match="row 20 is damaged"):
        list(stain_tiles(source, plan, Stainer(model, exact())))
