"""What is wrong with a study is found before any work, and said with the nearest known name."""

import re

import pytest

from restain.errors import BundleError, ConfigError
from restain.studies.plan import make_plan


def cell(**values):
    return {"name": "new", "model": "regression", **values}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"cells": [cell(model="regressio")]},
            "no model for cell 'new', 'regressio': did you mean 'regression'",
        ),
        ({"cells": [cell(model="turth")]}, "did you mean 'truth'"),
        ({"cells": [cell(), cell(name="New")]}, "cell 'New' and 'new' share a folder"),
        ({"cells": [cell(name="λ")]}, "cell 'λ' is no name"),
        ({"cells": [cell(options={"unett": {}})]}, "options of cell 'new': unknown key 'unett': did you mean 'unet'"),
        ({"cells": [cell(model="truth", options={"a": 1})]}, "cell 'new' is no model's answer"),
        ({"tables__0__columns": ["pnsr"]}, "there is no column for table 'methods', 'pnsr': did you mean 'psnr'"),
        ({"tables__0__cells": ["diffusio"]}, "did you mean 'diffusion'"),
        ({"models__unused__method": {"name": "piror"}, "cells": [cell(model="unused")]}, "there is no method 'piror'"),
        ({"models__unused__parts": {"prior": "conditionel"}}, "did you mean 'conditional'"),
        ({"models__unused__parts": {"prior": "unused"}, "cells": [cell(model="unused")]}, "'unused' holds 'unused'"),
        ({"models__unused": {"use": {}}}, "either bundle, or images, or method and training are needed"),
        ({"models__unused__bundle": "somewhere"}, "a bundle is taken as it is"),
        ({"datasets__ki67__sid": 64}, "did you mean 'side'"),
        ({"datasets": {}}, "'datasets' does not fit"),
    ],
)
def test_a_study_that_contradicts_itself_is_refused_in_a_sentence_that_helps(fresh, changes, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        make_plan(fresh.study(**changes))
    assert not fresh.out.exists()


def test_a_cycle_of_parts_is_told_as_a_chain(fresh):
    tree = {"models__unused__parts": {"prior": "regression"}, "models__regression__parts": {"x": "unused"}}
    with pytest.raises(ConfigError, match="model 'regression' holds 'unused' holds 'regression'"):
        make_plan(fresh.study(**tree))


def test_an_unknown_cell_of_only_is_refused(fresh):
    with pytest.raises(ConfigError, match="there is no cell 'diffusio': did you mean 'diffusion'"):
        make_plan(fresh.study(), only=["diffusio"])


def test_a_bundle_that_is_not_there_is_found_before_the_work(fresh):
    bundle = {"bundle": str(fresh.out / "{dataset}-prior")}
    with pytest.raises(BundleError, match="ki67-prior"):
        make_plan(fresh.study(models__unused=bundle, cells=[cell(model="unused")]))


def test_models_stand_behind_their_parts_and_those_of_no_cell_are_left_out(fresh):
    plan = make_plan(fresh.study(models__conditional__parts={"prior": "regression"}))
    assert [model.label for model in plan.models] == ["ki67, regression", "ki67, conditional"]
    held = plan.models[1]
    assert held.train.parts == {"prior": fresh.out / "models" / "ki67" / "regression" / "bundle"}
    assert held.definition["parts"]["prior"] == plan.models[0].definition


def test_a_swapped_model_goes_from_target_to_source(fresh):
    plan = make_plan(fresh.study(models__regression__swap=True))
    train = plan.models[0].train
    assert (train.source.name, train.target.name) == ("Ki67", "H&E")
    assert (train.data.source, train.data.target) == ("ki67", "he")


def test_data_without_sides_need_to_be_told_how_they_are_swapped(fresh, tmp_path):
    single = {"kind": "single", "images": str(tmp_path), "held_out": "a*"}
    changes = {"models__regression__swap": True, "datasets__ki67__data": single}
    with pytest.raises(ConfigError, match=r"describe datasets\.ki67\.swapped"):
        make_plan(fresh.study(**changes))
    other = {**single, "held_out": "b*"}
    plan = make_plan(fresh.study(**changes, datasets__ki67__swapped=other))
    assert plan.models[0].train.data.held_out == "b*"


@pytest.mark.parametrize(
    ("place", "value", "matters"),
    [
        ("models__regression__training__rate", 1e-3, True),
        ("seed", 1, True),
        ("datasets__ki67__data__slides", 3, True),
        ("datasets__ki67__data__test_slides", 4, False),
        ("models__regression__training__workers", 1, False),
        ("title", "Another", False),
        ("out", "elsewhere", False),
    ],
)
def test_a_model_depends_on_what_shows_in_its_weights(fresh, place, value, matters):
    before, after = (make_plan(study).models[0] for study in (fresh.study(), fresh.study(**{place: value})))
    assert (before.definition != after.definition) == matters
