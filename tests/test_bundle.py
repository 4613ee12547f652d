import pytest
import safetensors.torch
import torch
import yaml

from restain import __version__
from restain.bundle import (
    Card,
    Stain,
    bundles,
    find_bundle,
    load_bundle,
    load_card,
    reconfigure,
    record_calibration,
    save_bundle,
)
from restain.diffusion import Sampling
from restain.errors import BundleError, ConfigError
from restain.methods import build_method
from restain.uncertainty import Calibration, CalibrationRecord, IntervalRule

TINY = {"unet": {"width": 8, "multipliers": [1, 2], "blocks": 1, "attention": [], "middle_attention": False}}


@pytest.fixture
def method():
    torch.manual_seed(0)
    return build_method("regression", TINY, source_channels=3, target_channels=3)


@pytest.fixture
def card():
    return Card(
        name="tiny",
        summary="A test.",
        source=Stain(name="H&E"),
        target=Stain(name="Ki67"),
        mpp=0.5,
        tile=64,
        halo=8,
        sampling=Sampling(),
        method="regression",
        method_config=TINY,
        training={},
        metrics={"psnr": 20.0},
        licence="CC0-1.0",
    )


@pytest.fixture
def folder(tmp_path, card, method):
    save_bundle(tmp_path / "tiny", card, method)
    return tmp_path / "tiny"


def test_a_bundle_comes_back_as_it_was(folder, card, method):
    model = load_bundle(folder)
    assert model.card.model_copy(update={"files": {}}) == card
    assert model.card.restain == __version__
    assert not model.method.training
    for name, value in model.method.state_dict().items():
        assert torch.equal(value, method.state_dict()[name].half().float())


def test_a_bundle_is_text_and_safetensors(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["card.yaml", "weights.safetensors"]
    assert yaml.safe_load((folder / "card.yaml").read_text())["source"]["name"] == "H&E"
    safetensors.torch.load_file(folder / "weights.safetensors")


def test_saving_again_replaces_the_bundle_as_a_whole(folder, card, method):
    save_bundle(folder, card.model_copy(update={"name": "other"}), method)
    assert load_card(folder).name == "other"
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def edit_card(folder, **changes):
    tree = yaml.safe_load((folder / "card.yaml").read_text()) | changes
    (folder / "card.yaml").write_text(yaml.safe_dump(tree))


def test_tampered_weights_are_refused(folder):
    weights = bytearray((folder / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(weights)
    with pytest.raises(BundleError, match=r"was changed or damaged .*fetch the bundle again"):
        load_bundle(folder)


def test_missing_weights_are_refused(folder):
    (folder / "weights.safetensors").unlink()
    with pytest.raises(BundleError, match=r"lacks weights\.safetensors"):
        load_bundle(folder)


def test_weights_without_a_checksum_are_refused(folder):
    edit_card(folder, files={})
    with pytest.raises(BundleError, match="lacks the checksum"):
        load_bundle(folder)


def test_a_file_the_card_does_not_name_is_refused(folder):
    (folder / "extra.pkl").write_bytes(b"")
    with pytest.raises(BundleError, match=r"files its card does not name \(extra\.pkl\)"):
        load_bundle(folder)


def test_weights_of_another_network_are_refused(folder):
    wider = {"unet": TINY["unet"] | {"width": 16}}
    edit_card(folder, method_config=wider)
    with pytest.raises(BundleError, match="do not belong to its method"):
        load_bundle(folder)


def test_a_card_with_an_unknown_key_names_the_nearest(folder):
    edit_card(folder, licenses="MIT")
    with pytest.raises(ConfigError, match="did you mean 'licence'"):
        load_bundle(folder)


def test_a_card_that_is_not_yaml_is_refused(folder):
    (folder / "card.yaml").write_text("{")
    with pytest.raises(BundleError, match="cannot be read"):
        load_bundle(folder)


def test_a_folder_without_card_is_not_a_bundle(tmp_path):
    with pytest.raises(BundleError, match="is not a model bundle"):
        load_bundle(tmp_path)


def test_bundles_are_found_by_name(folder, monkeypatch):
    monkeypatch.setenv("RESTAIN_MODELS", str(folder.parent))
    assert folder in bundles()
    assert find_bundle("tiny") == folder
    assert find_bundle(str(folder)) == folder
    with pytest.raises(BundleError, match=r"no model 'tinny'.*tiny"):
        find_bundle("tinny")


def calibrated(folder):
    """Calibrate a bundle by the word of nobody, and return the record."""
    record = CalibrationRecord(
        calibration=Calibration(
            lambda_=1.25, form="centred", interval=IntervalRule(), alpha=0.1, delta=0.1, n=100, risk=0.05, bound=0.09
        ),
        weights=load_card(folder).files["weights.safetensors"],
        sampler="ddim",
        steps=10,
        source="H&E",
        target="Ki67",
        mpp=0.5,
        data="a hundred slides",
        images={"one": "0123456789ab"},
        groups={"one": "patient 7"},
    )
    record_calibration(folder, record)
    return record


def test_a_calibration_comes_back_as_it_was_recorded(folder):
    record = calibrated(folder)
    assert load_bundle(folder).card.calibration == record
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_new_weights_have_no_calibration(folder, method):
    calibrated(folder)
    save_bundle(folder, load_card(folder), method)
    assert load_bundle(folder).card.calibration is None


def test_a_calibration_of_other_weights_is_refused(folder):
    record = calibrated(folder).model_copy(update={"weights": "0" * 64})
    with pytest.raises(BundleError, match="are others than were calibrated"):
        record_calibration(folder, record)
    edit_card(folder, calibration=record.model_dump(mode="json"))
    with pytest.raises(BundleError, match="is that of other weights: remove `calibration` from its card"):
        load_bundle(folder)


def test_a_calibration_does_not_outlive_a_change_of_options(folder):
    record, model = calibrated(folder), load_bundle(folder)
    assert reconfigure(model, {}).card.calibration == record
    assert reconfigure(model, {"unet": TINY["unet"] | {"dropout": 0.1}}).card.calibration is None
