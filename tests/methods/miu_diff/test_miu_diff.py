"""MIU-Diff as a whole: its options, its critic's training, and what it refuses."""

import warnings

import pytest
import torch

from restain.diffusion import RandomNoise, Sampling
from restain.errors import ConfigError, GuidanceError, GuidanceWarning
from restain.methods import build_method
from restain.methods.miu_diff import PRESETS, MIUDiffConfig
from restain.methods.miu_diff.guidance import Information
from restain.methods.miu_diff.method import _Drawn

FEW = Sampling(steps=6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_step": 1200, "critic_range": 1200}, "past the last step T of 1000"),
        ({"start_step": 600}, "past critic_range, 500"),
        ({"start_step": 200, "guided_steps": 201}, "guided_steps N is 201, more than start_step S, 200"),
        ({"refinement_start": 150}, "not below half of start_step S, 300"),
        ({"preset": "papers"}, "'recommended'"),
        ({"preset": ["recommended"]}, "'recommended'"),
        ({"critic_range": 1200}, "critic_range is 1200, past the last step T of 1000"),
        ({"kapa": 0.1}, "did you mean 'kappa'"),
    ],
)
def test_contradicting_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build_method("miu_diff", options, source_channels=3, target_channels=3)


def test_images_of_other_channels_are_refused():
    with pytest.raises(ConfigError, match="26 and 3 channels"):
        build_method("miu_diff", {}, source_channels=26, target_channels=3)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid_and_says_what_it_changes(preset):
    config = MIUDiffConfig(preset=preset)
    assert all(getattr(config, name) == value for name, value in PRESETS[preset].items())
    untouched = set(MIUDiffConfig.model_fields) - set(PRESETS[preset]) - {"preset"}
    bare = MIUDiffConfig(preset=None)
    assert all(getattr(config, name) == getattr(bare, name) for name in untouched)


def test_the_preset_is_the_recommended_one_unless_another_is_named():
    assert MIUDiffConfig() == MIUDiffConfig(preset="recommended")
    assert MIUDiffConfig() != MIUDiffConfig(preset=None)


def test_explicit_options_win_over_a_preset():
    assert MIUDiffConfig(preset="N100", guided_steps=50).guided_steps == 50
    assert MIUDiffConfig(preset="N100", guided_steps=50).start_step == 100


@pytest.mark.parametrize("sampler", ["ancestral", "ancestral_small", "euler_maruyama", "dpmpp_2m", "unipc"])
@pytest.mark.parametrize("critic_input", ["noisy", "tweedie", "clean_literal"])
def test_every_sampler_is_guided(make, batch, critic_input, sampler):
    sampling = Sampling(sampler=sampler, steps=6)
    guided = make(critic_input=critic_input, refinement="none").stain(batch.source, RandomNoise(0), sampling)
    plain = make(critic_input=critic_input, terms="none", refinement="none")
    assert guided.shape == batch.target.shape
    assert guided.dtype == torch.float32
    assert bool(guided.isfinite().all())
    assert not torch.allclose(guided, plain.stain(batch.source, RandomNoise(0), sampling), atol=1e-4)


def test_without_guidance_and_refinement_it_is_the_prior_from_a_grey_start(make, batch):
    method = make(terms="none", refinement="none")
    source = 0.8 * batch.source
    tinted = source + 0.1 * torch.tensor([1.0, -0.299 / 0.587, 0.0])[:, None, None]  # another colour of the same luma
    one, other = (method.stain(image, RandomNoise(0), FEW) for image in (source, tinted))
    torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


@pytest.mark.parametrize("critic_input", ["noisy", "tweedie", "clean_literal"])
def test_the_critic_alone_learns(make, batch, critic_input):
    method = make(critic_input=critic_input)
    own = {id(parameter) for parameter in method.players()["model"]}
    assert own == {id(parameter) for parameter in method.critic.parameters()}
    method.critic.requires_grad_(True)
    method.train()
    loss = method.losses("model", batch, torch.Generator().manual_seed(0))["information"]
    loss.backward()
    assert all(parameter.grad is not None for parameter in method.critic.parameters())
    assert all(parameter.grad is None for parameter in method.prior.parameters())


def test_the_source_plays_no_part_in_the_training(make, batch):
    method = make()
    losses = [
        method.losses("model", type(batch)(source, batch.target), torch.Generator().manual_seed(0))["information"]
        for source in (batch.source, -batch.source)
    ]
    assert torch.equal(*losses)


def test_calibration_measures_the_size_of_the_gradients(make, batch):
    method = make()
    method.calibrate(batch, torch.Generator().manual_seed(0))
    first = method.constants.sizes.clone()
    assert bool((first > 0).all())
    method.calibrate(batch, torch.Generator().manual_seed(0))
    assert torch.equal(method.constants.sizes, first)
    assert len(method.diagnostics(batch, torch.Generator().manual_seed(0))) == 11


def test_a_critic_without_information_is_named(make, batch):
    method = make()
    method.constants.information.fill_(-0.2)
    with pytest.warns(GuidanceWarning, match=r"no information \(-0\.2 nats\)"):
        method.stain(batch.source, RandomNoise(0), FEW)
    unguided = make(preset="wo_MI")
    unguided.constants.information.fill_(-0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unguided.stain(batch.source, RandomNoise(0), FEW)


def test_a_single_colour_is_named_and_stained(make):
    with pytest.warns(GuidanceWarning, match="a source is of a single colour"):
        stained = make(refinement="none").stain(
            torch.stack([torch.full((3, 32, 32), 0.9), torch.rand(3, 32, 32) * 2 - 1]), RandomNoise(0), FEW
        )
    assert bool(stained.isfinite().all())


def test_a_grey_source_is_named_and_stained(make, batch):
    grey = batch.source.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    with pytest.warns(GuidanceWarning, match="a source is grey"):
        stained = make(refinement="none").stain(grey, RandomNoise(0), FEW)
    assert bool(stained.isfinite().all())


def test_a_critic_is_not_asked_about_what_it_was_not_trained_on(make, batch):
    method = make(critic_input="tweedie")
    method.load_state_dict(make(critic_input="noisy").state_dict())
    with pytest.raises(ConfigError, match="trained with critic_input noisy, and critic_input is tweedie"):
        method.stain(batch.source, RandomNoise(0), FEW)


@pytest.mark.parametrize("change", [{"proxy": "edges"}, {"blur": 2.0}, {"critic_range": 400}])
def test_a_critic_is_not_asked_about_another_structure(make, batch, change):
    method = make(**change)
    method.load_state_dict(make().state_dict())
    with pytest.raises(ConfigError, match=f"the critic was trained with {next(iter(change))} "):
        method.stain(batch.source, RandomNoise(0), FEW)


def test_entropy_and_colour_removal_may_change_after_training(make, batch):
    trained = make()
    trained.calibrate(batch, torch.Generator().manual_seed(0))
    for change in ({"entropy": "od_gauss"}, {"entropy": "softhist"}, {"colour_removal": "lab_L"}):
        method = make(refinement="none", match_luma="quantiles", **change)
        method.load_state_dict(trained.state_dict())
        method.constants.information.fill_(1.0)
        own = make(**change)
        own.calibrate(batch, torch.Generator().manual_seed(0))
        torch.testing.assert_close(
            method.constants.sizes_for(method.config), own.constants.sizes_for(own.config), rtol=0.3, atol=0
        )
        assert torch.equal(method.constants.grey_for(method.config), own.constants.grey_for(own.config))
        assert bool(method.stain(batch.source, RandomNoise(0), FEW).isfinite().all())


def test_information_that_is_not_a_number_is_named(make, batch):
    method = make()
    method.constants.information.fill_(float("nan"))
    with pytest.warns(GuidanceWarning, match="no information"):
        method.stain(batch.source, RandomNoise(0), FEW)


def test_gradients_without_size_end_the_calibration(make, batch):
    method = make()
    with torch.no_grad():
        for parameter in method.critic.parameters():
            parameter.zero_()
    with pytest.raises(GuidanceError, match="which cannot be scaled by"):
        method.calibrate(batch, torch.Generator().manual_seed(0))


def test_steps_that_skip_the_refinement_are_named(make, batch):
    coarse = Sampling(sampler="ancestral", steps=2)
    with pytest.warns(GuidanceWarning, match="no step of the sampler lies between t'_0 = 20 and 0"):
        make(refinement="latent").stain(batch.source, RandomNoise(0), coarse)


def test_one_stain_alone_tells_nothing_of_sources(make, batch):
    with pytest.warns(GuidanceWarning, match="the same images"):
        make(match_luma="quantiles").calibrate(
            type(batch)(batch.target, batch.target), torch.Generator().manual_seed(0)
        )


def test_parts_stay_out_of_training_mode(make):
    method = make().train()
    assert method.critic.training
    assert not method.prior.training


def test_shared_noise_is_that_of_the_start(make, batch):
    method, seen = make(source_noise="shared"), []

    class Watched(_Drawn):
        def __call__(self, like, draw):
            seen.append(draw)
            return super().__call__(like, draw)

    information = Information(
        method.config, method.critic, method.prior.denoiser, batch.source, Watched(torch.Generator())
    )
    information(batch.target, method.prior.schedule.level(30.0))
    assert seen == [0]
