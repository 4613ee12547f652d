import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from restain.config import Config, parse_config
from restain.data import DataConfig

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
KINDS = {kind.model_fields["kind"].default: kind for kind in get_args(get_args(DataConfig)[0])}


class Example(Config):
    """A training configuration of which only the data are written out."""

    data: DataConfig


def test_the_page_shows_one_valid_example_of_every_kind():
    blocks = re.findall(r"^```yaml\n(data:\n.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    found = [parse_config(Example, yaml.safe_load(block), "the page").data for block in blocks]
    assert sorted(config.kind for config in found) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_has_a_table_of_every_kind(kind):
    assert f"{{{{ options: restain.data.{KINDS[kind].__name__} }}}}" in PAGE.read_text(encoding="utf-8")
