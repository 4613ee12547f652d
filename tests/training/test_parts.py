"""Methods made of parts: a prior is trained once and held by the methods that steer it."""

import pytest
import torch
import yaml

from restain.bundle import load_bundle, reconfigure
from restain.config import parse_config
from restain.errors import ConfigError, GuidanceWarning
from restain.training import TrainConfig, fit

UNET = {"width": 8, "multipliers": [1, 2], "blocks": 1, "attention": [], "middle_attention": False}
DATA = {"kind": "phantom", "source": "he", "target": "ki67", "slides": 2, "held_out_slides": 1, "side": 64}
COURSE = {"images": 8, "batch": 4, "crop": 32, "log_every": 4, "checkpoint_every": 4, "picture_every": 8}


def config_of(folder, method, **changes):
    tree = {
        "name": method["name"],
        "out": str(folder / method["name"]),
        "source": {"name": "H&E"},
        "target": {"name": "Ki67"},
        "data": DATA,
        "method": method,
        "training": COURSE,
        "use": {"tile": 64, "halo": 8, "sampling": {"steps": 3}},
        **changes,
    }
    return parse_config(TrainConfig, tree, "test")


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    """The bundle of a tiny prior."""
    folder = tmp_path_factory.mktemp("prior")
    config = config_of(folder, {"name": "prior", "config": {"unet": UNET, "prediction": "x0"}})
    for _ in fit(config):
        pass
    return config.out / "bundle"


MIU_DIFF = {"name": "miu_diff", "config": {"critic": {"patch": 16, "widths": [8, 8]}, "refinement": "none"}}


def train_miu_diff(folder, prior, **changes):
    config = config_of(folder, MIU_DIFF, **{"parts": {"prior": str(prior)}, **changes})
    return config, list(fit(config))


def test_a_part_is_held_and_not_trained(tmp_path, prior):
    config, progress = train_miu_diff(tmp_path, prior)
    held, whole = load_bundle(prior), load_bundle(config.out / "bundle")
    for name, weight in held.method.state_dict().items():
        assert torch.equal(whole.method.state_dict()[f"prior.{name}"], weight)
    assert whole.card.method_config["prior"] == held.card.method_config
    assert whole.card.training["parts"] == {"prior": "prior"}
    assert set(progress[-1].values) >= {"model.information", "held_out.model.information", "I.t=0000", "I.t=0500"}


def test_the_run_shows_its_curves(tmp_path, prior):
    config, _ = train_miu_diff(tmp_path, prior)
    assert (config.out / "curves.png").stat().st_size > 10_000


def test_constants_are_measured_and_kept_in_the_bundle(tmp_path, prior):
    config, _ = train_miu_diff(tmp_path, prior)
    method = load_bundle(config.out / "bundle").method
    assert bool((method.constants.sizes != 1).all())
    assert bool((method.constants.sizes > 0).all())
    assert method.constants.luma[0] > 0


def test_a_method_of_parts_alone_is_assembled(tmp_path, prior):
    course = {**COURSE, "images": 0}
    config = config_of(tmp_path, {"name": "sdedit"}, parts={"prior": str(prior)}, training=course)
    assert list(fit(config)) == []
    assert load_bundle(config.out / "bundle").card.method == "sdedit"


@pytest.mark.parametrize(
    ("method", "images", "parts", "message"),
    [
        ("sdedit", 8, True, "has nothing of its own to learn, and training.images is 8.*set training.images to 0"),
        ("miu_diff", 0, True, "has something to learn, and training.images is 0"),
        ("sdedit", 0, False, "holds part 'prior': name its bundle under parts.prior"),
        ("prior", 8, True, "has no part 'prior': remove parts.prior"),
    ],
)
def test_parts_that_are_missing_or_too_many_are_refused(tmp_path, prior, method, images, parts, message):
    config = config_of(
        tmp_path,
        {"name": method},
        parts={"prior": str(prior)} if parts else {},
        training={**COURSE, "images": images},
    )
    with pytest.raises(ConfigError, match=message):
        list(fit(config))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"target": {"name": "HER2"}},
            r"and Ki67 \(3 channels\), not of method 'prior' and HER2",
        ),
        ({"data": {**DATA, "mpp": 1.0}}, "parts.prior was trained at 0.5 um/px, the images have 1.0 um/px"),
    ],
)
def test_a_prior_of_another_stain_or_scale_is_refused(tmp_path, prior, changes, message):
    with pytest.raises(ConfigError, match=message):
        train_miu_diff(tmp_path, prior, **changes)


def test_a_source_prior_that_has_seen_the_whole_range_is_not_given_a_window(tmp_path, prior):
    config = config_of(
        tmp_path,
        {"name": "ddib"},
        source={"name": "Ki67"},
        parts={"prior": str(prior), "source_prior": str(prior)},
        training={**COURSE, "images": 0, "percentiles": [1, 99]},
    )
    with pytest.raises(ConfigError, match=r"parts\.source_prior has learnt the source in its whole range"):
        list(fit(config))


def test_another_kind_of_bundle_is_no_prior(tmp_path, prior):
    config, _ = train_miu_diff(tmp_path, prior)
    with pytest.raises(ConfigError, match=r"parts\.prior is of method 'miu_diff' and Ki67"):
        train_miu_diff(tmp_path / "second", config.out / "bundle")


def test_tiles_of_another_size_than_the_priors_are_named(tmp_path, prior):
    with pytest.warns(GuidanceWarning, match="parts.prior was made for tiles of 64 px, these are of 32 px"):
        train_miu_diff(tmp_path, prior, use={"tile": 32, "halo": 8, "sampling": {"steps": 3}})


def test_options_change_and_weights_stay(tmp_path, prior):
    config, _ = train_miu_diff(tmp_path, prior)
    model = load_bundle(config.out / "bundle")
    changed = reconfigure(model, {"kappa": 0.7, "preset": "N100"})
    assert changed.method.config.kappa == 0.7
    assert changed.method.config.start_step == 100
    assert changed.card.method_config["kappa"] == 0.7
    assert all(torch.equal(w, changed.method.state_dict()[n]) for n, w in model.method.state_dict().items())
    assert model.method.config.kappa == 0.05
    with pytest.raises(ConfigError, match="with proxy changed, the weights of 'miu_diff' no longer fit"):
        reconfigure(model, {"proxy": "rgb_gradient"})
    with pytest.raises(ConfigError, match="did you mean 'kappa'"):
        reconfigure(model, {"kapa": 1})


def test_the_configuration_of_a_run_with_parts_is_plain_text(tmp_path, prior):
    config, _ = train_miu_diff(tmp_path, prior)
    assert yaml.safe_load((config.out / "config.yaml").read_text())["parts"] == {"prior": str(prior)}
