"""The studies that come with restain can be planned."""

import re
from pathlib import Path

import pytest
import yaml

from restain.config import load_config, parse_config
from restain.methods.miu_diff import MIUDiffConfig
from restain.studies import CellConfig, ModelConfig, StudyConfig
from restain.studies.pairing import is_paired
from restain.studies.plan import make_plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_study_can_be_planned_and_every_cell_is_in_a_table(path):
    study = load_config(StudyConfig, path)
    assert make_plan(study).models
    names = {cell.name for cell in study.cells}
    assert names == {name for table in study.tables for name in table.cells or names}


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_no_cell_changes_what_its_critic_was_trained_for(path):
    study = load_config(StudyConfig, path)
    for cell in study.cells:
        if cell.model == "miu_diff":
            trained = MIUDiffConfig(**study.models[cell.model].method.config)
            used = MIUDiffConfig(**study.models[cell.model].method.config | cell.options)
            for option in ("critic_input", "critic_range", "proxy", "blur"):
                assert getattr(used, option) == getattr(trained, option)


def test_the_studies_in_the_documentation_can_be_planned_and_read():
    page = (ROOT / "docs" / "studies.md").read_text()
    whole, *parts = map(yaml.safe_load, re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    plan = make_plan(parse_config(StudyConfig, whole, "docs/studies.md"))
    assert [model.label for model in plan.models] == ["Ki67, prior", "Ki67, sdedit"]
    assert len(parts) == 2
    for part in parts:
        for kind, fragments in ((ModelConfig, part["models"].values()), (CellConfig, part.get("cells", []))):
            for fragment in fragments:
                parse_config(kind, fragment, "docs/studies.md")


def test_staindiffuser_is_compared_with_paired_and_unpaired_methods_and_each_model_has_a_row():
    study = load_config(StudyConfig, ROOT / "configs" / "studies" / "staindiffuser.yaml")
    plan = make_plan(study)
    paired = {model.label: is_paired(model) for model in plan.models if model.label.startswith("CD3")}
    assert {label.removeprefix("CD3, ") for label, with_pairs in paired.items() if not with_pairs} == {
        "autoencoder",
        "cut",
        "cyclegan",
        "fastcut",
    }
    assert len(plan.models) == 2 * (len(study.models) - 1) + 1  # one makes both stains
    unpaired = next(model for model in plan.models if model.label == "CK8/18, cut")
    assert unpaired.train.data.section == 1
    asp = study.models["asp"]
    assert asp.method.config["schedule_images"] == asp.training.images
