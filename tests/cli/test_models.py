"""``restain models``."""

import pytest

from restain import bundle as bundles
from restain.bundle import CARD, Card, Stain, save_bundle
from restain.diffusion import Sampling
from restain.methods import build_method

SMALL = {"width": 8, "multipliers": [1], "attention": [], "blocks": 1}


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder with two models and one broken card, and no others on the machine."""
    monkeypatch.setenv("RESTAIN_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "none"))
    monkeypatch.setattr(bundles, "SHIPPED", tmp_path / "none")
    for name, mpp in (("one", 0.5), ("two", None)):
        method = build_method("regression", {"unet": SMALL}, source_channels=3, target_channels=3)
        card = Card(
            name=name,
            summary="For tests.",
            source=Stain(name="H&E"),
            target=Stain(name=f"Ki67-{name}"),
            mpp=mpp,
            tile=48,
            halo=8,
            sampling=Sampling(),
            method="regression",
            method_config={"unet": SMALL},
            training={"seed": 3},
            metrics={},
            licence="CC0-1.0",
        )
        save_bundle(tmp_path / name, card, method)
    return tmp_path


def test_all_models_are_listed(restain, shelf):
    ended = restain("models")
    assert ended.code == 0
    for words in ("one H&E Ki67-one 0.5 regression 0.0 MB CC0-1.0", "two H&E Ki67-two any regression"):
        assert words in ended.out


def test_a_broken_card_does_not_hide_the_others(restain, shelf):
    (shelf / "two" / CARD).write_text("name: [")
    ended = restain("models")
    assert ended.code == 0
    assert "Ki67-one" in ended.out
    assert f"{shelf / 'two'}: " in ended.out
    assert "cannot be read" in ended.out


def test_the_card_of_one_is_printed(restain, shelf):
    ended = restain("models", "one")
    assert ended.code == 0
    for words in ("name: one", "licence: CC0-1.0", "weights.safetensors: "):
        assert words in ended.out


def test_a_model_that_is_not_there(restain, shelf):
    ended = restain("models", "three")
    assert ended.code == 2
    assert "there is no model 'three': pass the folder of a bundle, or one of: one, two." in ended.err


def test_an_empty_machine_is_told_where_models_go(restain, tmp_path, monkeypatch):
    monkeypatch.setenv("RESTAIN_MODELS", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(bundles, "SHIPPED", tmp_path)
    ended = restain("models")
    assert ended.code == 0
    assert "RESTAIN_MODELS" in ended.out
