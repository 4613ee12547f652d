"""What a study says of all images of a row together, and of rows that differ in data, stains and origin."""

import json
import shutil
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from restain.errors import ConfigError, FeaturesWarning, SmallSampleWarning, StudyError
from restain.features import Extractor, features_of, tiles_in
from restain.geometry import Mpp
from restain.metrics import Estimate, compare_distributions, pearson, positive_share
from restain.studies import cells, sets
from restain.studies.plan import make_plan

NUMBERS = ["fid", "kid", "precision_3", "recall_3", "precision_5", "recall_5"]


class Means(Extractor):
    """Mean and spread of every colour."""

    name, dimension, side, resizes = "means", 6, 16, False

    def __init__(self, digest: str) -> None:
        super().__init__()
        self.digest = digest

    def _features(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x.mean((2, 3)), x.std((2, 3))], 1)


@pytest.fixture
def means(monkeypatch):
    """Makes the study use quick features, of these weights."""

    def use(digest: str = "1" * 64) -> Extractor:
        extractor = Means(digest)
        monkeypatch.setattr(sets, "_extractor", lambda *_: extractor)
        return extractor

    monkeypatch.setattr(sets, "SIDE", 16)
    use()
    return use


def columns(*names: str) -> dict[str, Any]:
    return {"tables__0__columns": list(names)}


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def pictures(folder):
    return [folder / f"phantom_020{k}.png" for k in range(3)]


@pytest.mark.filterwarnings("ignore::restain.errors.SmallSampleWarning")
def test_a_row_compares_the_tiles_of_all_its_images_with_real_ones(done, means):
    done.run(**columns("psnr", *NUMBERS, "positivity_pearson"))
    row, out = done.rows()["diffusion"], done.out
    made, real = pictures(out / "cells/ki67/diffusion/images"), pictures(out / "images/ki67/target")
    x, y = (features_of(tiles_in(paths, 16), means()) for paths in (made, real))
    images = np.repeat(np.arange(3), 4)
    random = np.random.default_rng(0)
    expected = compare_distributions(x, y, generator=random, groups_pred=images, groups_target=images)
    for name in NUMBERS:
        found = getattr(expected, name)
        assert float(row[name]) == pytest.approx(found.value, rel=1e-6, abs=1e-9)
        assert [row[name + end] for end in ("_low", "_high", "_floor")] == [""] * 3  # of three images
        assert row[f"{name}_n"] == str(len(x)) == "12"
    shares = [[positive_share(tile) for tile in tiles_in(paths, 16)] for paths in (made, real)]
    if row["positivity_pearson"]:
        assert float(row["positivity_pearson"]) == pytest.approx(pearson(*shares))
    assert float(done.rows()["real stain"]["positivity_pearson"]) == pytest.approx(1)
    assert done.rows()["real stain"]["fid"] == ""
    assert done.rows()["source, unstained"]["positivity_pearson"] == ""
    for text in ((out / "tables" / "methods.md").read_text(), (out / "study.html").read_text()):
        told = "12 tiles of 3 images against 12 real ones of 3, 16 px each, by features phantom (111111111111); too few"
        assert told in text


@pytest.mark.filterwarnings("ignore::restain.errors.SmallSampleWarning")
def test_a_row_has_intervals_and_a_floor_from_whole_images(fresh, means):
    change = {"datasets__ki67__data__test_slides": 4, **columns("fid")}
    fresh.run(only=("source, unstained",), **change)
    row = fresh.rows()["source, unstained"]
    images = [sorted((fresh.out / "images/ki67" / side).iterdir()) for side in ("source", "target")]
    x, y = (features_of(tiles_in(paths, 16), means()) for paths in images)
    groups = np.repeat(np.arange(4), 4)
    random = np.random.default_rng(0)
    found = compare_distributions(x, y, generator=random, groups_pred=groups, groups_target=groups).fid
    for end, value in (("", found.value), ("_low", found.low), ("_high", found.high), ("_floor", found.floor)):
        assert float(row["fid" + end]) == pytest.approx(value, rel=1e-6, abs=1e-9)
    text = (fresh.out / "tables" / "methods.md").read_text()
    assert "floor (two halves of the real ones, 8 tiles each, of different images): fid" in text


@pytest.mark.filterwarnings("ignore::restain.errors.SmallSampleWarning")
def test_sets_measured_in_another_way_are_measured_again(fresh, means):
    change, only = columns("fid"), ("source, unstained",)
    fresh.run(only=only, **change)
    path = fresh.out / "cells/ki67/source-unstained/set.json"
    whole = path.read_text()
    tree = json.loads(whole)
    del tree["distances"]["images"]
    path.write_text(json.dumps(tree))
    assert fresh.states(**change)["cell ki67, source, unstained"].why == "fid to be measured"
    fresh.run(only=only, **change)
    assert path.read_text() == whole


def test_few_tiles_are_told_once_and_not_for_every_row(done, means):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        done.run(**columns("fid"))
    assert [str(each.message)[:31] for each in told if each.category is SmallSampleWarning] == [
        "FID and its like are of 12 tile"
    ]


@pytest.mark.filterwarnings("ignore::restain.errors.SmallSampleWarning")
def test_sets_are_compared_once_and_again_where_weights_or_features_are_others(done, means):
    change = columns("psnr", "fid")
    assert done.states(**change)["cell ki67, diffusion"].why == "fid to be measured"
    done.run(**change)
    assert {state.kind for state in done.states(**change).values()} == {"done"}
    before = done.times()
    done.run(**change)
    assert done.times() == before
    means("2" * 64)
    done.run(**change)
    after = done.times()
    changed = {path for path in before if before[path] != after[path]}
    assert {path.rsplit("/", 1)[1] for path in changed} == {"set.json"}
    assert done.states(**change, features="inception")["cell ki67, diffusion"].why == "fid to be measured"


@pytest.mark.filterwarnings("ignore::restain.errors.SmallSampleWarning")
def test_fid_and_fsd_stand_side_by_side_each_by_its_own_features(fresh, means, monkeypatch):
    asked, only = [], ("source, unstained",)

    def extractor(name: str, _: str) -> Extractor:
        asked.append(name)
        found = Means(("2" if name.startswith("stainnet") else "1") * 64)
        found.frechet = "fsd" if name.startswith("stainnet") else "fid"
        return found

    monkeypatch.setattr(sets, "_extractor", extractor)
    fresh.run(only=only, **columns("fid", "fsd"), stainnet="stainnet=mine")
    row = fresh.rows()["source, unstained"]
    assert asked == ["phantom", "stainnet=mine"]
    assert row["fsd"] == row["fid"] != ""  # the same features here
    text = (fresh.out / "tables" / "methods.md").read_text()
    assert "by features phantom (111111111111)" in text
    assert "by features stainnet=mine (222222222222)" in text
    state = fresh.states(**columns("fid", "fsd"))["cell ki67, source, unstained"]
    assert state.why == "fsd to be measured"  # by the classifier that ships


def test_values_of_different_classifiers_in_one_column_are_told():
    estimate = Estimate(1.0, 0.5, 1.5, 0.1, 0.2)

    def distances(digest: str, name: str) -> sets.Distances:
        return sets.Distances("stainnet", digest, 128, 20, 5, 20, 5, 10, {name: estimate})

    sets.warn_of_mixture([distances("1" * 64, "fsd"), distances("2" * 64, "fid"), distances("1" * 64, "fsd")])
    with pytest.warns(FeaturesWarning, match="weights 111111111111 and of others by 222222222222, and"):
        sets.warn_of_mixture([distances("1" * 64, "fsd"), distances("2" * 64, "fsd")])


def test_another_extractor_must_be_one_that_exists(fresh):
    with pytest.raises(ConfigError, match="'features' does not fit"):
        fresh.study(features="phantm")


def test_tables_say_which_models_learn_from_pairs(done):
    done.run(models__unused__training__images=4, cells__4={"name": "prior alone", "model": "unused"})
    rows = done.rows()
    assert {name: row["paired"] for name, row in rows.items()} == {
        "real stain": "",
        "source, unstained": "",
        "regression": "yes",
        "diffusion": "yes",
        "prior alone": "no",
    }
    assert "| regression | yes |" in (done.out / "tables" / "methods.md").read_text()
    assert '<td>prior alone</td><td class="pairs">no</td>' in (done.out / "study.html").read_text()


def foreign(folder) -> dict[str, Any]:
    return {"models__unused": {"images": str(folder)}, "cells__4": {"name": "foreign", "model": "unused"}}


def test_images_of_another_tool_join_the_tables_by_name(done, tmp_path):
    shutil.copytree(done.out / "cells/ki67/diffusion/images", tmp_path / "ki67-made")
    change = foreign(tmp_path / "{folder}-made")
    done.run(**change)
    rows = done.rows()
    assert rows["foreign"]["psnr"] == rows["diffusion"]["psnr"]
    assert (rows["foreign"]["seconds"], rows["foreign"]["paired"]) == ("", "")
    assert done.states(**change)["cell ki67, foreign"].kind == "done"
    picture = tmp_path / "ki67-made" / "phantom_0200.png"
    shutil.copyfile(done.out / "images/ki67/target/phantom_0200.png", picture)
    assert done.states(**change)["cell ki67, foreign"].kind == "stale"
    done.run(**change)
    assert done.rows()["foreign"]["psnr"] == "inf"


def test_images_of_another_tool_that_do_not_fit_are_told_in_one_sentence(done, tmp_path):
    folder = tmp_path / "made"
    change = foreign(folder)
    assert done.states(**change)["cell ki67, foreign"].why.endswith("made is not there")
    shutil.copytree(done.out / "cells/ki67/diffusion/images", folder)
    (folder / "phantom_0200.png").rename(folder / "else.png")
    Image.new("RGB", (8, 8)).save(folder / "phantom_0201.png")
    sentence = (
        r"lacks phantom_0200; has no question for else; has another size for phantom_0201 \(8 x 8 instead of 32 x 32"
    )
    with pytest.raises(StudyError, match=sentence):
        done.run(**change)
    assert done.rows()["diffusion"]["state"] == "done"


def test_images_of_another_tool_have_no_options_and_are_no_part(fresh, tmp_path):
    change = foreign(tmp_path)
    with pytest.raises(ConfigError, match="'foreign' is no model's answer"):
        make_plan(fresh.study(**{**change, "cells__4": {**change["cells__4"], "options": {"a": 1}}}))
    with pytest.raises(ConfigError, match="is a folder of images, which nothing can hold"):
        make_plan(fresh.study(**change, models__conditional__parts={"prior": "unused"}))
    with pytest.raises(ConfigError, match="a bundle is taken as it is, and so are images"):
        fresh.study(models__unused__images=str(tmp_path))


OTHER = {
    "source": {"name": "H&E"},
    "target": {"name": "CD3", "background": 244},
    "data": {"kind": "phantom", "target": "cd3", "slides": 3, "side": 32, "held_out_slides": 1, "test_slides": 3}
    | {"test_first_seed": 300},
}


def test_a_row_exists_only_for_the_data_sets_it_names(fresh):
    rows = [{"name": "both", "model": "truth"}, {"name": "one", "model": "identity", "datasets": ["CD3"]}]
    change = {"datasets__CD3": OTHER, "cells": rows}
    fresh.run(**change)
    text = (fresh.out / "tables" / "methods.md").read_text()
    first, second = text.split("## CD3")
    assert ("| both |" in first, "| one |" in first, "| both |" in second, "| one |" in second) == (
        True,
        False,
        True,
        True,
    )
    with pytest.raises(ConfigError, match=r"no data set for cell 'one', 'CD8': did you mean 'CD3'"):
        make_plan(fresh.study(**{**change, "cells": [{**rows[1], "datasets": ["CD8"]}]}))


def test_a_model_may_learn_from_other_data_and_masks_than_its_data_set_has(fresh):
    masks = {"kind": "coarse", "steps": {"closing": 5}}
    change = {"datasets__ki67__masks": masks, "models__regression__data": {"slides": 1}}
    plan = make_plan(fresh.study(**change, models__regression__masks={"plane": "signed_distance"}))
    train = {model.label: model.train for model in plan.models}
    assert (train["ki67, regression"].data.slides, train["ki67, conditional"].data.slides) == (1, 2)
    assert (train["ki67, regression"].masks.plane, train["ki67, regression"].masks.steps.closing) == (
        "signed_distance",
        5,
    )
    with pytest.raises(ConfigError, match="model 'regression' for data set 'ki67': unknown key 'slide': did you mean"):
        make_plan(fresh.study(models__regression__data={"slide": 1}))
    with pytest.raises(ConfigError, match="seeds of test slides must be below 1000"):
        make_plan(fresh.study(models__regression__data={"test_first_seed": 999}))


def test_a_model_of_another_scale_is_told_that_of_the_test_images(fresh, monkeypatch):
    scales, stain = [], cells.stain

    def noted(image, model, *, mpp, options):
        scales.append((model.mpp, mpp))
        return stain(image, model, mpp=mpp, options=options)

    monkeypatch.setattr(cells, "stain", noted)
    fresh.run(only=("regression",), models__regression__data={"mpp": 1.0})
    assert scales == [(Mpp.square(1.0), Mpp.square(0.5))] * 3
    made = fresh.out / "cells" / "ki67" / "regression" / "images" / "phantom_0200.png"
    assert pixels(made).shape == (32, 32, 3)


def several(**more: Any) -> dict[str, Any]:
    options = {"unet": {**TINY, "fold": 1}, "stains": 2, "modulation": {"form": "gate"}}
    return {
        "datasets__CD3": OTHER,
        "models__unused__method": {"name": "stain_diffuser", "config": options},
        "models__unused__stains": ["ki67", "CD3"],
        "cells": [{"name": "real stain", "model": "truth"}, {"name": "several", "model": "unused"}],
        **more,
    }


TINY = {"width": 8, "multipliers": [1, 2], "blocks": 1, "attention": [], "middle_attention": False}


def test_a_model_of_several_stains_is_trained_once_and_shows_each_data_set_its_own(fresh):
    change = several()
    plan = make_plan(fresh.study(**change))
    (model,) = plan.models
    assert (model.label, model.folder) == ("ki67 + CD3, unused", fresh.out / "models" / "ki67-cd3" / "unused")
    assert list(model.train.data.stains) == ["Ki67", "CD3"]
    assert "test_slides" not in json.dumps(model.definition)
    fresh.run(**change)
    assert {state.kind for state in fresh.states(**change).values()} == {"done"}
    made = sorted((fresh.out / "cells").rglob("several/images/*.png"))
    assert [pixels(path).shape for path in made] == [(32, 32, 3)] * 6
    assert fresh.rows()["several"]["paired"] == "yes"


def test_a_model_of_several_stains_is_refused_where_it_cannot_be(fresh):
    alone = {"datasets__third": OTHER, "cells": [{"name": "several", "model": "unused"}]}
    with pytest.raises(ConfigError, match="makes the stains of ki67, CD3, and not of data set 'third'"):
        make_plan(fresh.study(**several(**alone)))
    twice = {**OTHER, "target": {"name": "Ki67", "background": 244}}
    with pytest.raises(ConfigError, match="have the sources H&E and the targets Ki67"):
        make_plan(fresh.study(**several(datasets__CD3=twice)))
    with pytest.raises(ConfigError, match="a model of several stains has neither parts nor swap nor masks"):
        fresh.study(**several(models__unused__masks=True))


@pytest.mark.filterwarnings("ignore::restain.errors.SmallSampleWarning")
def test_a_row_may_stain_the_source_of_another_data_set_and_is_compared_as_a_set_alone(fresh, means):
    rows = [{"name": "other source", "model": "regression", "datasets": ["ki67"], "source_of": "CD3"}]
    change = {"datasets__CD3": OTHER, "cells": rows, **columns("psnr", "fid", "positivity_pearson", "seconds")}
    fresh.run(**change)
    row = fresh.rows()["other source"]
    assert (row["psnr"], row["positivity_pearson"]) == ("", "")
    assert float(row["fid"]) >= 0
    assert float(row["seconds"]) > 0
    made = sorted(path.stem for path in (fresh.out / "cells/ki67/other-source/images").iterdir())
    assert made == ["phantom_0300", "phantom_0301", "phantom_0302"]
    assert fresh.states(**change)["cell ki67, other source"].kind == "done"
    assert fresh.states(**{**change, "datasets__CD3": {**OTHER, "side": 24}})["cell ki67, other source"].kind == "stale"
    with pytest.raises(ConfigError, match="name the other data sets under datasets of the cell"):
        make_plan(fresh.study(**{**change, "cells": [{"name": "x", "model": "regression", "source_of": "CD3"}]}))
