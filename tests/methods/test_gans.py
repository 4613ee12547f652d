"""What pix2pix, CycleGAN and CUT share: two players who do not teach each other's networks, and one that is shipped."""

import pytest
import torch

from restain.bundle import Card, Stain, load_bundle, save_bundle
from restain.config import load_config
from restain.diffusion import RandomNoise, Sampling
from restain.methods import Batch, Method, build_method
from restain.nn import PatchDiscriminator
from restain.training import TrainConfig
from restain.training.run import new_method

GENERATOR = {"width": 8, "blocks": 2}
DISCRIMINATOR = {"width": 8, "layers": 1}
BOTH = {"generator": GENERATOR, "discriminator": DISCRIMINATOR}
CUT = {**BOTH, "layers": [0, 4, 8, 12]}
CASES = {
    "pix2pix": ("pix2pix", {"generator": {"width": 16, "downs": 4}, "discriminator": DISCRIMINATOR}, 16),
    "pyramid_pix2pix": (
        "pix2pix",
        {"preset": "pyramid_pix2pix", "generator": {**GENERATOR, "dropout": 0.0}, "discriminator": DISCRIMINATOR},
        32,
    ),
    "cyclegan": ("cyclegan", BOTH, 32),
    "cut": ("cut", CUT, 32),
    "fastcut": ("cut", {**CUT, "preset": "fastcut"}, 16),
    "asp": ("cut", {**CUT, "preset": "asp", "schedule_images": 2000}, 64),
}


def tiny(case: str) -> Method:
    name, options, _ = CASES[case]
    torch.manual_seed(0)
    return build_method(name, options, source_channels=3, target_channels=3)


def pairs(case: str, count: int = 2) -> Batch:
    """Smooth random images; the target is the inverted mean of the source."""
    generator, side = torch.Generator().manual_seed(2), CASES[case][2]
    small = torch.rand(count, 3, 8, 8, generator=generator) * 2 - 1
    source = torch.nn.functional.interpolate(small, size=side, mode="bilinear")
    return Batch(source, -source.mean(1, keepdim=True).expand(-1, 3, -1, -1).contiguous())


def stained(method: Method, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return method.stain(batch.source, RandomNoise(0), Sampling())


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_discriminator_moves_first(case):
    assert list(tiny(case).players()) == ["discriminator", "generator"]


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_turn_gives_gradients_to_all_of_its_own_networks_and_to_no_other(case, player):
    method = tiny(case)
    losses = method.losses(player, pairs(case), torch.Generator().manual_seed(0))
    torch.stack(list(losses.values())).sum().backward()
    for owner, parameters in method.players().items():
        touched = [parameter.grad is not None and bool(parameter.grad.any()) for parameter in parameters]
        assert sum(touched) > 0.6 * len(touched) if owner == player else not any(touched)  # norms undo biases
        assert all(parameter.requires_grad for parameter in parameters)


def test_a_turn_depends_on_its_generators_alone(case):
    runs = []
    for _ in range(2):
        method = tiny(case)
        torch.manual_seed(5)  # dropout
        runs.append([method.losses(p, pairs(case), torch.Generator().manual_seed(5)) for p in method.players()])
    assert runs[0] == runs[1]


def test_under_autocast_losses_are_nearly_the_same_and_whole(case):
    """bfloat16 has 8 bits; losses of whole precision come out of it, and finite gradients go back."""
    for player in tiny(case).players():
        found = {}
        for enabled in (False, True):
            method = tiny(case)
            torch.manual_seed(5)
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                found[enabled] = method.losses(player, pairs(case), torch.Generator().manual_seed(5))
        for name, loss in found[True].items():
            assert loss.dtype == torch.float32
            torch.testing.assert_close(loss, found[False][name], rtol=0.05, atol=0.02)
        torch.stack(list(found[True].values())).sum().backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())


def test_held_out_losses_leave_no_trace(case):
    method = tiny(case).eval()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    with torch.no_grad():
        for player in method.players():
            method.losses(player, pairs(case), torch.Generator().manual_seed(0))
    after = method.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_bundle_holds_the_one_generator_and_stains_the_same(case, tmp_path):
    name, _, side = CASES[case]
    method, batch = tiny(case), pairs(case)
    for player in method.players():
        method.losses(player, batch, torch.Generator().manual_seed(0))  # fills pools, counts images
    card = Card(
        name="gan",
        summary="A test.",
        source=Stain(name="H&E"),
        target=Stain(name="Ki67"),
        mpp=0.5,
        tile=side,
        halo=0,
        sampling=Sampling(),
        method=name,
        method_config=method.config.model_dump(mode="json"),
        training={},
        metrics={},
        licence="CC0-1.0",
    )
    save_bundle(tmp_path / "bundle", card, method)
    loaded = load_bundle(tmp_path / "bundle").method
    assert {key.split(".")[0] for key in loaded.state_dict()} == {"network"}
    assert all(getattr(loaded, part) is None for part in method.scaffold)
    torch.testing.assert_close(stained(loaded, batch), stained(method.eval(), batch), atol=2e-2, rtol=0)


def test_staining_has_no_chance_in_it(case):
    method, batch = tiny(case).eval(), pairs(case)
    first = stained(method, batch)
    torch.manual_seed(1)
    assert torch.equal(first, stained(method, batch))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "term"),
    [("pix2pix", "pixel"), ("pyramid_pix2pix", "pixel"), ("cyclegan", "cycle"), ("cut", "nce")],
)
def test_overfits_four_pairs(case, term):
    """What holds the stain to the images falls to an eighth of its start on four pairs in 500 steps.

    The contrast of CUT only falls to between a fifth and a third: smooth images have places that look the same.
    """
    method, batch = tiny(case), pairs(case, 4)
    optimisers = {p: torch.optim.Adam(own, lr=2e-3, betas=(0.5, 0.999)) for p, own in method.players().items()}
    seen: list[float] = []
    for step in range(500):
        for turn, (player, optimiser) in enumerate(optimisers.items()):
            torch.manual_seed(2 * step + turn)
            losses = method.losses(player, batch, torch.Generator().manual_seed(2 * step + turn))
            optimiser.zero_grad()
            torch.stack(list(losses.values())).sum().backward()
            optimiser.step()
        seen.append(losses[term].item())
    assert sum(seen[-25:]) / 25 < (1 / 2 if case == "cut" else 1 / 8) * sum(seen[:5]) / 5


@pytest.mark.parametrize(
    ("file", "overrides"),
    [
        ("pix2pix-ck818-phantom", []),
        ("pix2pix-ck818-phantom", ["method.config={preset: pyramid_pix2pix, generator: {width: 16, blocks: 6}}"]),
        ("cyclegan-ck818-phantom", []),
        ("cut-ck818-phantom", []),
        ("cut-ck818-phantom", ["method.config.preset=fastcut"]),
        (
            "cut-ck818-phantom",
            [
                "data.section=0",
                "method.config={preset: asp, schedule_images: 4000, discriminator: {width: 16, layers: 4}}",
            ],
        ),
        ("pix2pix", []),
        ("pix2pix", ["method.config.preset=pyramid_pix2pix", "training.crop=512"]),
        ("pix2pix", ["method.name=cyclegan", "method.config={}", "data.kind=unaligned"]),
        ("pix2pix", ["method.name=cut", "method.config.preset=cut", "data.kind=unaligned"]),
        ("pix2pix", ["method.name=cut", "method.config={preset: asp, schedule_images: 40000}", "training.crop=512"]),
    ],
)
def test_the_configurations_and_the_overrides_they_name_fit(pytestconfig, file, overrides):
    config = load_config(TrainConfig, pytestconfig.rootpath / "configs" / f"{file}.yaml", overrides)
    with torch.device("meta"):
        method = new_method(config)
    discriminators = [module for module in method.modules() if isinstance(module, PatchDiscriminator)]
    assert discriminators
    assert all(config.training.crop >= discriminator.smallest for discriminator in discriminators)
    assert config.training.betas == (0.5, 0.999)
    assert (config.training.decay, config.training.average, config.training.clip) == ("late_linear", 0, None)
