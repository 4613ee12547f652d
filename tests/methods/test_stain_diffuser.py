import pytest
import torch

from restain.config import parse_config
from restain.diffusion import NetworkDenoiser, RandomNoise, Sampling, sample
from restain.errors import ConfigError
from restain.methods import METHODS, Batch, build_method
from restain.methods.stain_diffuser import StainDiffuserConfig

UNET = {"width": 8, "multipliers": [1, 2], "blocks": 1, "attention": [], "middle_attention": False}
SAMPLING = Sampling(sampler="dpmpp_2m", steps=3)


def tiny(source_channels=3, target_channels=3, *, fill=True, **options):
    torch.manual_seed(0)
    options = {"unet": UNET, "modulation": {"window": 4}, **options}
    method = build_method("stain_diffuser", options, source_channels=source_channels, target_channels=target_channels)
    if fill:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():  # fresh networks answer zero; give every path something to say
            for parameter in method.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return method.eval()


def batch(count=2, stain=None):
    generator = torch.Generator().manual_seed(2)
    planes = [torch.rand(count, channels, 16, 16, generator=generator) * 2 - 1 for channels in (3, 3, 1)]
    return Batch(*planes, stain=stain)


def gradients(method, losses):
    """Return the gradient of every parameter that takes part, by name."""
    method.zero_grad(set_to_none=True)
    torch.stack(list(losses.values())).sum().backward()
    return {name: parameter.grad for name, parameter in method.named_parameters() if parameter.grad is not None}


def generator():
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("form", ["xattn", "he_qk", "gate"])
def test_features_of_the_source_are_computed_once_and_give_what_computing_them_at_every_step_gives(form):
    """F48."""
    method = tiny(modulation={"form": form, **({"window": 4} if form != "gate" else {})})
    source, calls = batch().source, []
    method.encoder.register_forward_hook(lambda *_: calls.append(1))
    cached = method.stain(source, RandomNoise(0), SAMPLING)
    assert len(calls) == 1

    def anew(x_t, time, x):
        unet = method.networks[0]
        return unet(x_t, time, context=unet.contexts(method.encoder.features(x)))

    denoiser = NetworkDenoiser(anew, method.schedule, method.config.prediction, clip=True)
    kernel, times = SAMPLING.plan(method.schedule)
    noise = RandomNoise(0)
    uncached = sample(denoiser, noise(source, 0), times, kernel, noise, source)
    assert (cached - uncached).abs().max() <= 1e-6
    assert len(calls) > 1 + SAMPLING.steps - 1


def test_without_an_auxiliary_task_the_encoder_learns_as_beside_one_of_no_weight():
    """F47: with lambda = 0 encoder gradients equal those of the stain alone."""
    both, alone = tiny(auxiliary={"weight": 1e-30}), tiny(auxiliary=None)
    alone.load_state_dict({name: value for name, value in both.state_dict().items() if name in alone.state_dict()})
    ours, theirs = (gradients(method, method.losses("model", batch(), generator())) for method in (both, alone))
    for name, gradient in theirs.items():
        assert (ours[name] - gradient).abs().max() <= 1e-7, name


def test_the_auxiliary_task_teaches_the_encoder_and_leaves_the_network_of_the_stain_alone():
    method = tiny(auxiliary={"weight": 3.0})
    losses = method.losses("model", batch(), generator())
    assert losses.keys() == {"generation", "auxiliary"}
    found = gradients(method, {"auxiliary": losses["auxiliary"]})
    assert {name.split(".")[0] for name in found} == {"encoder", "auxiliary"}
    weighed = tiny(auxiliary={"weight": 1.0}).losses("model", batch(), generator())
    torch.testing.assert_close(losses["auxiliary"], 3 * weighed["auxiliary"])


def test_a_stain_that_the_batch_does_not_show_gets_no_gradient():
    """F47."""
    method = tiny(target_channels=9, stains=3)
    losses = method.losses("model", batch(4, torch.tensor([0, 2, 0, 0])), generator())
    assert losses.keys() == {"generation_0", "generation_2"}
    found = {name.split(".")[1] for name in gradients(method, losses) if name.startswith("networks")}
    assert found == {"0", "2"}


def test_every_image_goes_to_the_network_of_its_stain_alone():
    method = tiny(target_channels=6, stains=2)
    mixed = batch(4, torch.tensor([0, 1, 1, 0]))
    of_one = Batch(*(plane[[1, 2]] for plane in (mixed.source, mixed.target)), stain=torch.tensor([1, 1]))
    only = method.losses("model", of_one, generator())["generation_1"]
    none = Batch(*(plane[[0, 3]] for plane in (mixed.source, mixed.target)), stain=torch.tensor([0, 0]))
    draws = generator()
    method.losses("model", none, draws)  # uses up what the first stain draws in the mixed batch
    torch.testing.assert_close(
        method.losses("model", mixed, generator())["generation_1"],
        method.losses("model", of_one, draws)["generation_1"],
    )
    assert only.isfinite()


def test_all_stains_come_from_one_pass_of_the_encoder_and_each_is_what_it_is_alone():
    method, calls = tiny(target_channels=6, stains=2), []
    method.encoder.register_forward_hook(lambda *_: calls.append(1))
    source = batch().source
    both = method.stain(source, RandomNoise(0), SAMPLING)
    assert both.shape == (2, 6, 16, 16)
    assert len(calls) == 1
    alone = tiny(target_channels=3, stains=2, make=[1])
    alone.load_state_dict(method.state_dict())
    assert torch.equal(alone.stain(source, RandomNoise(0), SAMPLING), both[:, 3:])


def test_one_network_may_make_all_stains_when_told_which():
    method = tiny(target_channels=6, stains=2, shared=True)
    assert len(method.networks) == 1
    stained = method.stain(batch().source, RandomNoise(0), SAMPLING)
    assert (stained[:, :3] - stained[:, 3:]).abs().max() > 1e-3
    assert len(method.losses("model", batch(2, torch.tensor([0, 1])), generator())) == 2


def test_both_directions_share_encoder_and_network_and_differ_by_what_they_are_told():
    told = tiny(both_ways="told")
    forward = told.stain(batch().source, RandomNoise(0), SAMPLING)
    back = tiny(both_ways="told", backward=True)
    back.load_state_dict(told.state_dict())
    assert (forward - back.stain(batch().source, RandomNoise(0), SAMPLING)).abs().max() > 1e-3
    untold, back = tiny(both_ways="untold"), tiny(both_ways="untold", backward=True)
    back.load_state_dict(untold.state_dict())
    outs = [each.stain(batch().source, RandomNoise(0), SAMPLING) for each in (untold, back)]
    assert torch.equal(*outs)
    assert told.losses("model", batch(), generator()).keys() == {"generation", "backward"}


def test_bundles_hold_the_auxiliary_network_only_when_asked():
    method = tiny(auxiliary={})
    assert not any(name.startswith("auxiliary") for name in method.shipped())
    assert any(name.startswith("auxiliary") for name in tiny(auxiliary={"keep": True}).shipped())
    source = batch().source
    before = method.stain(source, RandomNoise(0), SAMPLING)
    assert torch.equal(method.dismantle().stain(source, RandomNoise(0), SAMPLING), before)
    with pytest.raises(ConfigError, match="without its auxiliary task"):
        method.segment(source, RandomNoise(0), SAMPLING)


def test_a_segmentation_is_the_mean_of_samples_of_the_auxiliary_task():
    method, source = tiny(auxiliary={"keep": True}), batch().source
    one = method.segment(source, RandomNoise(0), SAMPLING, samples=1)
    several = method.segment(source, RandomNoise(0), SAMPLING, samples=4)
    assert one.shape == several.shape == (2, 1, 16, 16)
    assert several.std() < one.std() or (several - one).abs().max() > 1e-4


def asked(method, given):
    """What the networks of both tasks are asked in a step: a noisy image and a time each."""
    questions = []
    for network in (method.networks[0], method.auxiliary):
        network.register_forward_pre_hook(lambda _, arguments: questions.append(arguments))
    method.losses("model", given, generator())
    (y_t, t), (m_t, of_mask) = questions
    return y_t, t, m_t, of_mask


def test_tasks_may_share_their_time_but_not_their_noise():
    _, t, _, of_mask = asked(tiny(auxiliary={}), batch())
    assert not torch.equal(t, of_mask)
    full = batch()
    grey = Batch(full.source, torch.zeros_like(full.target), torch.zeros_like(full.auxiliary))
    y_t, t, m_t, of_mask = asked(tiny(auxiliary={"shared_time": True}), grey)
    assert torch.equal(t, of_mask)
    eps, of_mask = y_t[0].flatten(), m_t[0].flatten()  # times the same sigma_t
    assert (eps[: len(of_mask)] - of_mask).abs().min() > 0


def test_concat_is_conditional_diffusion():
    ours = tiny(modulation={"form": "concat"}, prediction="x0", schedule={"zero_terminal_snr": True})
    assert ours.encoder is None
    theirs = build_method(
        "conditional",
        {"unet": UNET, "prediction": "x0", "schedule": {"zero_terminal_snr": True}},
        source_channels=3,
        target_channels=3,
    ).eval()
    theirs.network.load_state_dict(ours.networks[0].state_dict())
    source = batch().source
    assert torch.equal(ours.stain(source, RandomNoise(0), SAMPLING), theirs.stain(source, RandomNoise(0), SAMPLING))


@pytest.mark.parametrize(
    ("preset", "steps", "weight", "prediction"),
    [("ck818", 4000, 3.0, "eps"), ("cd3", 2000, 1.0, "eps"), ("recommended", 1000, 1.0, "v")],
)
def test_presets_are_those_of_the_paper_and_ours(preset, steps, weight, prediction):
    config = parse_config(StainDiffuserConfig, {"preset": preset}, "test")
    assert (config.schedule.steps, config.auxiliary.weight, config.prediction) == (steps, weight, prediction)
    schedule = config.schedule.build()
    if preset != "recommended":
        assert 4.1e-5 < schedule(torch.tensor(steps))[0].item() ** 2 < 4.3e-5  # F3: betas are scaled to T
    again = parse_config(StainDiffuserConfig, config.model_dump(mode="json"), "test")
    assert again == config  # a card spells everything out
    assert parse_config(StainDiffuserConfig, {"preset": preset, "prediction": "x0"}, "test").prediction == "x0"
    in_parts = {"preset": preset, "auxiliary": {"keep": True}, "schedule": {"name": "half_cosine"}}
    changed = parse_config(StainDiffuserConfig, in_parts, "test")  # what is left unsaid in a section stays the preset's
    assert changed.auxiliary == config.auxiliary.model_copy(update={"keep": True})
    assert changed.schedule == config.schedule.model_copy(update={"name": "half_cosine"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modulation": {"form": "concat"}, "auxiliary": {}}, "no encoder"),
        ({"stains": 2, "auxiliary": {}}, "neither an auxiliary task"),
        ({"stains": 2, "both_ways": "told"}, "neither an auxiliary task"),
        ({"backward": True}, "trained with both_ways"),
        ({"shared": True}, "several stains"),
        ({"stains": 2, "weights": [1.0]}, "1 weights do not fit 2"),
        ({"stains": 2, "make": [2]}, "outside 0 .. 1"),
        ({"encoder": {"multipliers": [1, 2], "attention": []}}, "fold alike"),
        ({"modulation": {"form": "gate", "global_levels": [1]}}, "global_levels"),
        ({"auxiliary": {"weight": 0.0}}, "auxiliary.weight"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(StainDiffuserConfig, options, "test")


def test_missing_masks_and_missing_stains_are_named():
    plain = Batch(batch().source, batch().target)
    with pytest.raises(ConfigError, match="needs masks"):
        tiny(auxiliary={}).losses("model", plain, generator())
    with pytest.raises(ConfigError, match="which of the stains"):
        tiny(target_channels=6, stains=2).losses("model", plain, generator())
    with pytest.raises(ConfigError, match="do not belong to 2 stains"):
        tiny(target_channels=3, stains=2)
    with pytest.raises(ConfigError, match="both ways between 1 and 3"):
        tiny(source_channels=1, both_ways="told")


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"auxiliary": {}}, {"both_ways": "told"}, {"modulation": {"form": "gate"}, "auxiliary": None}]
)
def test_it_overfits_four_pairs(options):
    """F46."""
    torch.manual_seed(0)
    method = build_method(
        "stain_diffuser",
        {"unet": {**UNET, "width": 16}, "modulation": {"window": 4}, "prediction": "x0", **options},
        source_channels=3,
        target_channels=3,
    )
    rng = torch.Generator().manual_seed(0)
    source = torch.nn.functional.interpolate(torch.rand(4, 3, 4, 4, generator=rng) * 2 - 1, size=16, mode="bilinear")
    data = Batch(source, -source, source.mean(1, keepdim=True).sign())
    optimiser = torch.optim.Adam(method.parameters(), lr=3e-3)
    values = []
    for _ in range(500):
        losses = torch.stack(list(method.losses("model", data, rng).values())).sum()
        optimiser.zero_grad()
        losses.backward()
        optimiser.step()
        values.append(losses.item())
    assert sum(values[-20:]) / 20 < 0.1 * values[0]


def test_it_is_in_the_catalogue_and_paired():
    assert METHODS["stain_diffuser"].paired


@pytest.mark.parametrize(
    "options",
    [{}, {"modulation": {"form": "gate"}}, {"modulation": {"form": "concat"}}, {"stains": 2, "shared": True}],
    ids=["xattn", "gate", "concat", "stains"],
)
def test_several_draws_share_the_features_of_a_source(options):
    method, calls = tiny(target_channels=3 * options.get("stains", 1), **options), []
    if method.encoder is not None:
        method.encoder.register_forward_hook(lambda *_: calls.append(1))
    noises = [RandomNoise(0, sample=sample) for sample in range(3)]
    drawn = method.draws(batch().source, noises, SAMPLING)
    assert len(calls) == (method.encoder is not None)
    alone = torch.stack([method.stain(batch().source, noise, SAMPLING) for noise in noises])
    torch.testing.assert_close(drawn, alone, atol=1e-5, rtol=0)
