"""The studies that come with restain can be planned."""

import re
from pathlib import Path

import pytest
import yaml

from restain.config import load_config, parse_config
from restain.methods.miu_diff import MIUDiffConfig
from restain.studies import StudyConfig
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


def test_the_study_in_the_documentation_can_be_planned():
    (block,) = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "studies.md").read_text(), re.MULTILINE | re.DOTALL)
    plan = make_plan(parse_config(StudyConfig, yaml.safe_load(block), "docs/studies.md"))
    assert [model.label for model in plan.models] == ["Ki67, prior", "Ki67, sdedit"]
