"""``restain cite``."""

import re

import pytest

from restain.methods import METHODS


def test_all_methods_are_listed(restain):
    ended = restain("cite")
    assert ended.code == 0
    for name, method in METHODS.items():
        assert f"{name} {method.summary}" in ended.out


@pytest.mark.parametrize("name", METHODS)
def test_bibtex_is_balanced_and_names_a_title_and_a_year(restain, name):
    ended = restain("cite", name)
    assert ended.code == 0
    assert ended.out.startswith("@")
    assert ended.out.count("{") == ended.out.count("}")
    entries = ended.out.count("@")
    assert [len(re.findall(rf"\b{field} = ", ended.out)) for field in ("title", "author", "year")] == 3 * [entries]


def test_a_method_that_is_not_there(restain):
    ended = restain("cite", "magic")
    assert ended.code == 2
    assert "there is no method 'magic': choose one of" in ended.err
