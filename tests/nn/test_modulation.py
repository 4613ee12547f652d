import pytest
import torch

from restain.errors import ConfigError, DataError
from restain.nn import Encoder, ModulationConfig, UNet, UNetConfig, build_modulation

FORMS = ("xattn", "he_qk", "gate")
UNET = UNetConfig(width=8, multipliers=(1, 2), blocks=1, attention=(), middle_attention=False)


def filled(module, seed=0):
    """Give every parameter something to say; fresh modulations are the identity."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return module.eval()


def maps(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("form", FORMS)
def test_a_fresh_modulation_is_the_identity(form):
    modulation = build_modulation(ModulationConfig(form=form), 0, 8, 12)
    h = maps(2, 8, 16, 16)
    assert torch.equal(modulation(h, modulation.prepare(maps(2, 12, 16, 16, seed=2))), h)


@pytest.mark.parametrize("form", FORMS)
def test_the_source_has_an_effect_and_a_gradient(form):
    modulation = filled(build_modulation(ModulationConfig(form=form), 0, 8, 12))
    h, feature = maps(2, 8, 16, 16), maps(2, 12, 16, 16, seed=2).requires_grad_()
    out = modulation(h, modulation.prepare(feature))
    assert (out - modulation(h, modulation.prepare(feature.flip(0)))).abs().max() > 1e-3
    out.square().sum().backward()
    assert feature.grad.abs().sum() > 0


def test_windowed_attention_is_attention_within_each_window_as_written_out():
    modulation = filled(build_modulation(ModulationConfig(window=4, heads=2), 0, 8, 12)).double()
    h, feature = maps(1, 8, 8, 12).double(), maps(1, 12, 8, 12, seed=2).double()
    out = modulation(h, modulation.prepare(feature))
    own = modulation.attention
    own_h = modulation.norm(h[0].permute(1, 2, 0))
    own_f = modulation.norm_source(feature[0].permute(1, 2, 0))
    for top in (0, 4):
        for left in (0, 4, 8):
            q = modulation.query(own_h[top : top + 4, left : left + 4].reshape(16, 8))
            kv = modulation.key_value(own_f[top : top + 4, left : left + 4].reshape(16, 12))
            place = torch.cartesian_prod(torch.arange(4), torch.arange(4)).double()
            r2 = (place[:, None] - place[None]).square().sum(-1)
            heads = []
            for head in range(2):
                part = slice(4 * head, 4 * head + 4)
                k, v = kv[:, :8][:, part], kv[:, 8:][:, part]
                weight = (q[:, part] @ k.T / 2 - own.rates[head].double() * r2).softmax(-1)  # sqrt(d) = 2
                heads.append(weight @ v)
            wanted = modulation.out(torch.cat(heads, 1)).reshape(4, 4, 8).permute(2, 0, 1)
            found = (out - h)[0, :, top : top + 4, left : left + 4]
            torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)  # products are in float32 on a CPU


def test_routing_takes_no_content_from_the_source():
    """With values from h alone, a constant h stays constant whatever the source; cross-attention changes it."""
    flat = torch.ones(1, 8, 8, 8)
    for form, constant in (("he_qk", True), ("xattn", False)):
        modulation = filled(build_modulation(ModulationConfig(form=form, window=4), 0, 8, 12))
        out = modulation(flat, modulation.prepare(maps(1, 12, 8, 8)))
        assert (out.std((2, 3)).max() < 1e-5) == constant


def test_near_places_count_more_when_h_is_noise():
    """A mark in the source moves the output at its own place most, although queries know no place."""
    modulation = filled(build_modulation(ModulationConfig(window=8), 0, 8, 12))
    h, feature = maps(1, 8, 8, 8), maps(1, 12, 8, 8, seed=2)
    marked = feature.clone()
    marked[0, :, 3, 5] += maps(12, seed=3) * 3
    moved = (modulation(h, modulation.prepare(marked)) - modulation(h, modulation.prepare(feature))).abs().sum(1)[0]
    assert divmod(int(moved.argmax()), 8) == (3, 5)
    assert moved[3, 5] > 5 * moved[0, 0]


def test_without_the_term_of_distance_attention_knows_no_places():
    """Keys and values in another order give the same: the paper's form has no notion of where they are."""
    for near in (False, True):
        modulation = filled(build_modulation(ModulationConfig(window=8, near=near), 0, 8, 12))
        h, feature = maps(1, 8, 8, 8), maps(1, 12, 8, 8, seed=2)
        out, mixed = (modulation(h, modulation.prepare(f)) for f in (feature, feature.flip(2, 3)))
        assert torch.allclose(out, mixed, atol=1e-5) != near


def test_global_levels_see_the_whole_map_and_small_maps_are_one_window():
    everywhere = filled(build_modulation(ModulationConfig(window=4, global_levels=(1,)), 1, 8, 8))
    within = filled(build_modulation(ModulationConfig(window=4), 1, 8, 8))
    within.load_state_dict(everywhere.state_dict())
    h, feature = maps(1, 8, 8, 8), maps(1, 8, 8, 8, seed=2)
    changed = feature.clone()
    changed[..., 0, 0] += maps(8, seed=3)
    for modulation, reaches in ((everywhere, True), (within, False)):
        moved = modulation(h, modulation.prepare(changed)) - modulation(h, modulation.prepare(feature))
        assert bool(moved[0, :, 4, 1].abs().max() > 0) == reaches  # in another window
    small = maps(1, 8, 3, 3)
    assert within(small, within.prepare(small)).shape == small.shape


def test_a_map_that_windows_do_not_fit_is_refused():
    modulation = build_modulation(ModulationConfig(window=8), 0, 8, 8)
    with pytest.raises(DataError, match="windows of 8 px do not fit a map of 12 x 16 px"):
        modulation.prepare(maps(1, 8, 16, 12))


def test_heads_that_do_not_divide_a_width_are_refused():
    with pytest.raises(ConfigError, match=r"200 channels .* 3 heads .*modulation.heads"):
        build_modulation(ModulationConfig(), 3, 200, 200)


def test_features_of_the_encoder_are_the_last_of_every_level():
    encoder = filled(Encoder(UNetConfig(width=8, multipliers=(1, 2, 4), blocks=2, attention=(), fold=2), 3))
    features = encoder.features(maps(2, 3, 32, 32))
    assert [feature.shape for feature in features] == [(2, 8, 16, 16), (2, 16, 8, 8), (2, 32, 4, 4)]


def test_a_label_changes_what_a_unet_answers():
    unet = filled(UNet(UNET, 3, 3, time=True, labels=2))
    x, time = maps(2, 3, 16, 16), torch.tensor([0.3, 0.7])
    one, other = (unet(x, time, label=torch.full((2,), label)) for label in (0, 1))
    assert (one - other).abs().max() > 1e-3
