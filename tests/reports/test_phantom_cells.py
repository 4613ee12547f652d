import numpy as np
import pytest

from restain.geometry import Mpp, Region
from restain.inference.array_reader import ArrayReader
from restain.phantom import Phantom, bounds
from restain.reports import phantom_cells, read_ki67
from restain.slides import RGB

MPP = Mpp.square(0.5)
PHANTOM = Phantom(3)
FIELD = Region(0, 0, 700, 600)


@pytest.fixture(scope="module")
def slides():
    real = PHANTOM.render("ki67", FIELD, MPP)
    return {"real": ArrayReader(real, RGB, MPP), "blank": ArrayReader(np.full_like(real, 240), RGB, MPP)}


def test_the_real_stain_tells_the_truth_and_glass_tells_nothing(slides):
    reading = read_ki67(slides, PHANTOM)
    assert len(reading.truth) > 300
    assert reading.accuracy("real") > 0.995
    assert reading.accuracy("blank") == 0.5
    assert reading.percent("blank") == 0
    assert reading.percent_true == pytest.approx(100 * reading.truth.mean())
    assert reading.best_accuracy == bounds(reading.probability).balanced_accuracy


def test_every_cell_is_read_once_with_all_its_pixels_however_the_slide_is_cut(slides, monkeypatch):
    whole = read_ki67(slides, PHANTOM)
    monkeypatch.setattr(phantom_cells, "SIDE", 173)
    parts = read_ki67(slides, PHANTOM)
    assert len(parts.truth) == len(whole.truth)
    np.testing.assert_allclose(np.sort(parts.density["real"]), np.sort(whole.density["real"]), atol=1e-12)
