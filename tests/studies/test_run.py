"""A study does what is missing, and only that."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from PIL import Image

from restain.errors import ConfigError, DataError, RestainWarning, StudyError
from restain.geometry import Mpp, Region
from restain.metrics import Psnr
from restain.phantom import Phantom
from restain.reports import read_field
from restain.studies import cells, run_study
from restain.studies.cells import read_journal
from restain.studies.definition import why
from restain.studies.plan import make_plan
from restain.training.log import read_log

MPP = Mpp.square(0.5)
DIFFUSION = "cells/ki67/diffusion"
MODELS = "models/**/*.safetensors"


def pixels(path):
    return np.asarray(Image.open(path))


def test_a_table_holds_what_its_images_say(done):
    row = done.rows()["diffusion"]
    scores = []
    for path in sorted((done.out / DIFFUSION / "images").iterdir()):
        truth = pixels(done.out / "images" / "ki67" / "target" / path.name)
        scores.append(Psnr().of(pixels(path), truth))
    assert len(scores) == 3
    assert float(row["psnr"]) == pytest.approx(np.mean(scores), rel=1e-12)
    assert float(row["psnr_error"]) == pytest.approx(np.std(scores, ddof=1) / np.sqrt(3), rel=1e-12)
    assert float(row["psnr_low"]) < float(row["psnr"]) < float(row["psnr_high"])
    assert float(row["seconds"]) > 0
    assert row["psnr_n"] == "3"


def test_cells_of_the_phantom_are_read_where_the_images_show_them(fresh):
    columns = ["nuclei_f1", "positive_f1", "balanced_accuracy", "share_of_best", "percent_error"]
    change = {"datasets__ki67__data__side": 160, "datasets__ki67__side": 128, "tables__0__columns": columns}
    fresh.run(only=("real stain", "source, unstained"), **change)
    rows = fresh.rows()
    readings = []
    for path in sorted((fresh.out / "images" / "ki67" / "target").iterdir()):
        phantom = Phantom(int(path.stem.removeprefix("phantom_")))
        readings.append(read_field(pixels(path), phantom, Region(0, 0, 128, 128), MPP, "ki67"))
    for column in columns:
        expected = np.mean([getattr(reading, column) for reading in readings])
        assert float(rows["real stain"][column]) == pytest.approx(expected, rel=1e-12)
    assert float(rows["real stain"]["nuclei_f1"]) > 0.9
    assert float(rows["source, unstained"]["positive_f1"]) < 0.2
    assert float(rows["source, unstained"]["balanced_accuracy"]) == 0.5


def test_a_field_whose_cells_are_all_negative_has_no_balanced_accuracy_but_other_readings(fresh):
    change = {"datasets__ki67__data__side": 64, "tables__0__columns": ["nuclei_f1", "balanced_accuracy"]}
    fresh.run(only=("real stain",), **change)
    row = fresh.rows()["real stain"]
    paths = (fresh.out / "images" / "ki67" / "target").iterdir()
    fields = [
        read_field(pixels(path), Phantom(int(path.stem.removeprefix("phantom_"))), Region(0, 0, 64, 64), MPP, "ki67")
        for path in paths
    ]
    both = [field.called.true_positives > 0 for field in fields]
    assert any(both)
    assert not all(both)
    assert row["nuclei_f1_n"] == str(sum(len(field.probability) > 0 for field in fields))
    assert row["balanced_accuracy_n"] == str(sum(both))


def test_references_are_the_truth_and_the_unstained_source(done):
    rows = done.rows()
    assert rows["real stain"]["psnr"] == "inf"
    assert rows["real stain"]["seconds"] == ""
    images = done.out / "images" / "ki67"
    scores = [Psnr().of(pixels(path), pixels(images / "target" / path.name)) for path in (images / "source").iterdir()]
    assert float(rows["source, unstained"]["psnr"]) == pytest.approx(np.mean(scores), rel=1e-12)


def test_equal_images_have_equal_noise_in_all_cells_and_different_ones_do_not(fresh):
    twice = [{"name": name, "model": "unused"} for name in ("one", "two")]
    fresh.run(cells=twice, models__unused__training__images=4)
    one, two = (sorted((fresh.out / "cells" / "ki67" / name / "images").iterdir()) for name in ("one", "two"))
    assert all((pixels(a) == pixels(b)).all() for a, b in zip(one, two, strict=True))
    assert (pixels(one[0]) != pixels(one[1])).any()


def test_what_is_done_is_left_alone_also_in_another_folder(done):
    before = done.times()
    assert {state.kind for state in done.states().values()} == {"done"}
    done.run()
    assert done.times() == before


def test_a_changed_cell_is_made_anew_and_says_why_while_the_others_stay(done):
    change = {"cells__3__sampling": {"steps": 3}}
    state = done.states(**change)["cell ki67, diffusion"]
    assert (state.kind, state.why) == ("stale", "sampling.steps was not set, is 3")
    before = done.times()
    done.run(**change)
    after = done.times()
    assert {path.rsplit("/", 1)[0] for path in before if after[path] != before[path]} == {
        DIFFUSION,
        f"{DIFFUSION}/images",
    }
    assert done.states(**change)["cell ki67, diffusion"].kind == "done"


def test_a_new_column_is_measured_on_the_images_that_are_there(done):
    change = {"tables__0__columns": ["psnr", "l2"]}
    assert done.states(**change)["cell ki67, diffusion"].why == "l2 to be measured"
    before = done.times("cells/**/*.png", "cells/**/*.jsonl", MODELS)
    done.run(**change)
    assert done.times("cells/**/*.png", "cells/**/*.jsonl", MODELS) == before
    assert float(done.rows()["diffusion"]["l2"]) > 0


def test_other_test_images_make_the_cells_anew_and_no_model(done):
    change = {"datasets__ki67__data__test_slides": 4}
    assert done.states(**change)["cell ki67, diffusion"].kind == "stale"
    before = done.times(MODELS)
    done.run(**change)
    assert done.times(MODELS) == before
    assert done.rows()["diffusion"]["psnr_n"] == "4"


def test_another_training_sets_the_model_aside_and_a_longer_one_goes_on(done):
    change = {"models__regression__training__rate": 1e-3}
    state = done.states(**change)["model ki67, regression"]
    assert (state.kind, state.why) == ("stale", "training.rate was 0.005, is 0.001")
    assert done.states(**change)["cell ki67, regression"].why == "training.rate was 0.005, is 0.001"
    with pytest.warns(RestainWarning, match=r"kept as regression\.replaced-1"):
        done.run(**change)
    folder = done.out / "models" / "ki67"
    assert {path.name for path in folder.iterdir()} == {"conditional", "regression", "regression.replaced-1"}

    change["models__regression__training__images"] = 32
    longer = done.states(**change)["model ki67, regression"]
    assert (longer.kind, longer.left, longer.why) == ("begun", 16, "training.images was 16, is 32")
    done.run(**change)
    assert [entry["images"] for entry in read_log(folder / "regression")] == [8, 16, 24, 32]
    assert done.states(**change)["cell ki67, regression"].kind == "done"


def test_a_part_that_is_trained_longer_makes_its_holders_anew(done):
    one = done.study(models__conditional__parts={"prior": "regression"})
    other = done.study(models__conditional__parts={"prior": "regression"}, models__regression__training__images=32)
    held = [make_plan(study).models[1].definition for study in (one, other)]
    assert why(*held) == "parts.prior.training.images was 16, is 32"


def test_only_what_is_asked_for_is_made(fresh):
    fresh.run(only=("regression",))
    assert [path.name for path in (fresh.out / "models" / "ki67").iterdir()] == ["regression"]
    rows = fresh.rows()
    assert (rows["regression"]["state"], rows["diffusion"]["state"]) == ("done", "missing")
    assert rows["diffusion"]["psnr"] == ""


def test_a_stop_between_two_images_costs_none_that_is_done(fresh):
    work = run_study(fresh.study(), only=["diffusion"])
    for progress in work:
        if progress.activity == "staining ki67, diffusion" and progress.done == 2:
            break
    work.close()
    assert fresh.states()["cell ki67, diffusion"].left == 1
    before = fresh.times(f"{DIFFUSION}/images/*", MODELS)
    fresh.run(only=("diffusion",))
    after = fresh.times(f"{DIFFUSION}/images/*", MODELS)
    assert len(before) + 1 == len(after)
    assert before.items() <= after.items()


def test_a_line_cut_short_by_a_kill_costs_one_image(done):
    journal = done.out / DIFFUSION / "images.jsonl"
    (done.out / DIFFUSION / "values.csv").unlink()
    journal.write_text(journal.read_text()[:-30])
    before = done.times(f"{DIFFUSION}/images/*")
    done.run()
    after = done.times(f"{DIFFUSION}/images/*")
    assert sum(before[path] != after[path] for path in before) == 1
    assert [line.name for line in read_journal(done.out / DIFFUSION)] == [f"phantom_020{k}" for k in range(3)]


def test_an_image_that_fails_costs_its_cell_alone_and_is_made_when_mended(fresh, monkeypatch):
    real = cells._stain_image

    def broken(study, cell, model, mpp, name, path):
        if (cell.cell.name, name) == ("regression", "phantom_0201"):
            raise DataError("it is torn", fix="glue it")
        return real(study, cell, model, mpp, name, path)

    monkeypatch.setattr(cells, "_stain_image", broken)
    sentence = r"1 part of the study failed.*ki67, regression: image phantom_0201 of 'ki67': it is torn: glue it\)"
    with pytest.raises(StudyError, match=sentence):
        fresh.run()
    rows = fresh.rows()
    assert "it is torn" in rows["regression"]["state"]
    assert rows["regression"]["psnr"] == ""
    assert rows["diffusion"]["state"] == "done"
    assert fresh.states()["cell ki67, regression"].left == 2
    monkeypatch.setattr(cells, "_stain_image", real)
    fresh.run()
    assert fresh.rows()["regression"]["state"] == "done"


def test_a_mistake_of_ours_costs_one_cell_and_leaves_its_traceback(fresh, monkeypatch):
    monkeypatch.setattr(cells, "stain", lambda *_, **__: 1 / 0)
    with pytest.raises(StudyError, match="internal fault"):
        fresh.run(only=("regression", "real stain"))
    assert "ZeroDivisionError" in (fresh.out / "faults" / "ki67-regression.txt").read_text()
    assert fresh.rows()["real stain"]["state"] == "done"


def test_a_model_that_fails_costs_the_cells_that_need_it(fresh):
    with pytest.raises(StudyError, match=r"model ki67, regression: .*training\.crop is 15") as caught:
        fresh.run(models__regression__training__crop=15)
    assert "its model 'ki67, regression' is not there" in str(caught.value)
    assert fresh.rows()["diffusion"]["state"] == "done"


def test_too_few_test_images_are_told(fresh):
    with pytest.raises(StudyError, match="has 3 test images, and the study takes 4"):
        fresh.run(datasets__ki67__test_images=4, only=("real stain",))


def test_test_images_are_spread_over_the_part_and_cut(fresh):
    change = {"datasets__ki67__test_images": 2, "datasets__ki67__data__test_slides": 4, "datasets__ki67__side": 24}
    fresh.run(only=("real stain",), **change)
    found = sorted((fresh.out / "images" / "ki67" / "source").iterdir())
    assert [path.stem for path in found] == ["phantom_0200", "phantom_0202"]
    assert pixels(found[0]).shape == (24, 24, 3)


def test_a_bundle_is_taken_as_it_is(done):
    bundle = {"bundle": str(done.out / "models" / "{dataset}" / "regression" / "bundle")}
    done.run(models__unused=bundle, cells__4={"name": "taken", "model": "unused"})
    assert done.rows()["taken"]["psnr"] == done.rows()["regression"]["psnr"]
    with pytest.raises(ConfigError, match="unknown key"):
        done.run(models__unused=bundle, cells__4={"name": "taken", "model": "unused", "options": {"a": 1}})


@pytest.mark.slow
def test_a_study_that_is_killed_again_and_again_ends_as_one_that_is_not(done, tmp_path):
    tree = {**done.tree(), "out": str(tmp_path / "killed")}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(tree))
    command = [sys.executable, "-m", "restain", "study", str(path)]
    kept: dict[str, int] = {}
    for number in range(8):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = len(list((tmp_path / "killed").rglob("*")))
        while process.poll() is None and len(list((tmp_path / "killed").rglob("*"))) < before + 3 + 2 * number:
            time.sleep(0.01)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        journals = [*(tmp_path / "killed").rglob("images.jsonl")]
        lines = [(journal, line) for journal in journals for line in journal.read_text().split("\n")[:-1]]
        times = {
            str(picture): picture.stat().st_mtime_ns
            for journal, line in lines
            for picture in [journal.parent / "images" / f"{json.loads(line)['name']}.png"]
        }
        assert kept.items() <= times.items()
        kept = times
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    for made in (tmp_path / "killed" / "cells").rglob("*.png"):
        assert (pixels(made) == pixels(done.out / made.relative_to(tmp_path / "killed"))).all()
    assert len([*(tmp_path / "killed" / "cells").rglob("*.png")]) == 9
