"""What a dry run says, against what the run then does."""

import pytest

from restain.geometry import Mpp
from restain.inference import Stainer, forecast, run
from restain.slides import save_image

HALF = Mpp.square(0.5)


def test_the_tiles_of_a_slide_are_those_that_will_be_run(models, exact, tissue, slide, tmp_path):
    source, out = slide(tissue(2600, 320, glass=150)), tmp_path / "out.ome.tiff"
    planned, model = models.copy(tile=144, halo=8), models.copy(tile=144, halo=8)
    found = forecast(source, Stainer(planned, exact()), out, None)
    assert not out.exists()
    for progress in run(source, Stainer(model, exact()), out, None):
        total = progress.total
    assert found.tissue == len(model.method.batches) == total
    assert found.tissue < found.tiles == 21 * 3


def test_the_plan_of_a_folder_leaves_out_what_is_done(models, exact, tissue, tmp_path):
    stainer = Stainer(models.copy(), exact())
    for number in range(3):
        save_image(tmp_path / "in" / f"{number}.png", tissue(40, 24))
    (tmp_path / "in" / "3.png").write_bytes(b"damaged")
    (tmp_path / "out").mkdir()
    for _ in run(tmp_path / "in" / "0.png", stainer, tmp_path / "out" / "0.png", HALF):
        pass
    found = forecast(tmp_path / "in", stainer, tmp_path / "out", HALF)
    assert "4 images, 1 of them done, 2 to be stained" in found.subject
    assert found.tiles == 4


def test_time_is_that_of_all_steps(models, exact, tissue, tmp_path):
    """The trial takes two steps, whatever is asked; what it says grows with the steps."""
    save_image(tmp_path / "in.png", tissue(64, 64))
    model = models.network("conditional")
    few, many = (
        forecast(tmp_path / "in.png", Stainer(model, exact(steps=steps)), tmp_path / "out.png", HALF).seconds
        for steps in (2, 2000)
    )
    assert many > 10 * few  # 1000 on an idle machine


def test_what_the_run_would_refuse_the_plan_refuses(models, exact, tissue, tmp_path):
    from restain.errors import ScaleError

    save_image(tmp_path / "in.png", tissue(64, 64))
    with pytest.raises(ScaleError):
        forecast(tmp_path / "in.png", Stainer(models.copy(), exact()), tmp_path / "out.png", None)


def test_memory_is_at_least_what_the_process_has(models, exact, tissue, tmp_path):
    import psutil

    save_image(tmp_path / "in.png", tissue(64, 64))
    found = forecast(tmp_path / "in.png", Stainer(models.copy(), exact()), tmp_path / "out.png", HALF)
    assert found.memory > psutil.Process().memory_info().rss
