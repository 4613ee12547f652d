"""Folders of images."""

import os

import numpy as np
import pytest
from PIL import Image as Pillow

from restain.errors import DataError, OutputError, RestainWarning
from restain.geometry import Mpp
from restain.inference import Stainer
from restain.inference.run import run
from restain.slides import save_image

HALF = Mpp.square(0.5)


@pytest.fixture
def folder(tissue, tmp_path):
    for number in range(4):
        save_image(tmp_path / "in" / f"tile {number}.png", tissue(40, 30, seed=number))
    (tmp_path / "in" / "notes.txt").write_text("not an image")
    return tmp_path / "in"


def run_all(folder, stainer, out, mpp=HALF):
    return [(step.done, step.total) for step in run(folder, stainer, out, mpp)]


def test_every_image_becomes_a_png_of_its_name(models, exact, folder, tissue, tmp_path):
    out = tmp_path / "out"
    assert run_all(folder, Stainer(models.copy(), exact()), out) == [(n, 4) for n in range(5)]
    assert sorted(path.name for path in out.iterdir()) == [f"tile {n}.png" for n in range(4)]
    for number in range(4):
        assert np.array_equal(np.asarray(Pillow.open(out / f"tile {number}.png")), tissue(40, 30, seed=number))


def test_the_same_call_goes_on_with_what_is_missing(models, exact, folder, tmp_path):
    out, first, second = tmp_path / "out", models.copy(), models.copy()
    work = run(folder, Stainer(first, exact()), out, HALF)
    while next(work).done < 2:
        pass
    work.close()
    made = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert len(made) == 2
    run_all(folder, Stainer(second, exact()), out)
    assert len(list(out.iterdir())) == 4
    assert {path: path.stat().st_mtime_ns for path in made} == made
    run_all(folder, Stainer(third := models.copy(), exact()), out)
    assert third.method.batches == []


def test_other_options_and_other_files_are_made_anew(models, exact, folder, tissue, tmp_path):
    out, model = tmp_path / "out", models.network("conditional")
    run_all(folder, Stainer(model, exact(steps=1)), out)
    with pytest.warns(RestainWarning, match="4 images .* are made anew"):
        run_all(folder, Stainer(model, exact(steps=1, seed=1)), out)
    save_image(folder / "tile 2.png", tissue(50, 50))
    os.utime(folder / "tile 2.png", (1, 1))
    with pytest.warns(RestainWarning, match="1 images .* are made anew"):
        run_all(folder, Stainer(model, exact(steps=1, seed=1)), out)
    with Pillow.open(out / "tile 2.png") as made:
        assert made.size == (50, 50)
    with pytest.warns(RestainWarning, match="4 images .* are made anew"):
        run_all(folder, Stainer(model, exact(steps=1, seed=1)), out, Mpp.square(0.25))


def test_a_damaged_image_does_not_stop_the_others(models, exact, folder, tmp_path):
    whole = (folder / "tile 1.png").read_bytes()
    (folder / "tile 1.png").write_bytes(whole[: len(whole) // 2])
    (folder / "tile 2.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 4 images of .* the first because .*tile 1\.png"):
        run_all(folder, Stainer(models.copy(), exact()), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["tile 0.png", "tile 3.png"]


def test_two_images_of_one_name_are_refused(models, exact, folder, tissue, tmp_path):
    save_image(folder / "tile 1.jpg", tissue(20, 20))
    with pytest.raises(DataError, match="one name twice"):
        run_all(folder, Stainer(models.copy(), exact()), tmp_path / "out")


def test_a_folder_without_images_is_refused(models, exact, tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        run_all(tmp_path / "in", Stainer(models.copy(), exact()), tmp_path / "out")


def test_images_of_others_are_not_replaced(models, exact, folder, tissue, tmp_path):
    save_image(tmp_path / "out" / "tile 1.png", tissue(20, 20))
    before = (tmp_path / "out" / "tile 1.png").read_bytes()
    with pytest.raises(OutputError, match="not made by restain"):
        run_all(folder, Stainer(models.copy(), exact()), tmp_path / "out")
    assert (tmp_path / "out" / "tile 1.png").read_bytes() == before


@pytest.mark.parametrize(("out", "words"), [("in", "is the input"), ("out.png", "is a file, but .* is a folder")])
def test_outputs_that_make_no_sense_are_refused(models, exact, folder, tmp_path, out, words):
    with pytest.raises(OutputError, match=words):
        run_all(folder, Stainer(models.copy(), exact()), tmp_path / out)
