import pytest
import torch
import yaml

from restain.diffusion import RandomNoise, Sampling, eps_from, x0_from
from restain.methods import Batch, build_method
from restain.methods.conditional import ConditionalConfig
from restain.methods.masked_target import random_masks
from restain.nn import UNet, footprint


class Oracle(torch.nn.Module):
    """Stands in for the network: knows the clean image, which it takes from the source's first channels."""

    def __init__(self, schedule, prediction):
        super().__init__()
        self.schedule, self.prediction = schedule, prediction

    def forward(self, x, time):
        x_t, x_0 = x[:, :3], x[:, 3:6]
        alpha_t, sigma_t = (c.float()[:, None, None, None] for c in self.schedule(time * self.schedule.steps))
        eps = (x_t - alpha_t * x_0) / sigma_t
        return {"x0": x_0, "eps": eps, "v": alpha_t * eps - sigma_t * x_0}[self.prediction]


def with_oracle(prediction, **options):
    tiny = {"width": 4, "multipliers": [1], "blocks": 1, "attention": []}
    method = build_method(
        "conditional", {"unet": tiny, "prediction": prediction, **options}, source_channels=3, target_channels=3
    )
    method.network = Oracle(method.schedule, prediction)
    return method


@pytest.mark.parametrize(("prediction", "terminal"), [("x0", True), ("v", True), ("x0", False), ("eps", False)])
@pytest.mark.parametrize("min_snr", [None, 5.0])
def test_a_network_that_knows_the_answer_has_no_loss_and_samples_it(prediction, terminal, min_snr):
    x_0 = torch.rand(2, 3, 8, 8) * 2 - 1
    method = with_oracle(prediction, schedule={"zero_terminal_snr": terminal}, min_snr=min_snr)
    loss = method.losses("model", Batch(x_0, x_0), torch.Generator().manual_seed(0))["denoising"]
    assert loss < 1e-6
    for sampler in ("dpmpp_2m", "ddim", "ancestral"):
        stained = method.stain(x_0, RandomNoise(0), Sampling(sampler=sampler, steps=8))
        torch.testing.assert_close(stained, x_0, atol=2e-3, rtol=0)


def test_the_loss_of_a_network_that_says_zero_is_the_energy_of_its_goal():
    tiny = {"width": 4, "multipliers": [1], "blocks": 1, "attention": []}
    x_0 = torch.randn(64, 3, 16, 16)
    for prediction, energy in (("x0", 1.0), ("v", 1.0)):  # E v^2 = alpha^2 E eps^2 + sigma^2 E x0^2 = 1
        method = build_method(
            "conditional", {"unet": tiny, "prediction": prediction}, source_channels=3, target_channels=3
        )
        loss = method.losses("model", Batch(x_0, x_0), torch.Generator().manual_seed(0))["denoising"]
        assert loss.item() == pytest.approx(energy, rel=0.02)


def test_conversions_are_the_inverse_of_the_goal():
    alpha_t, sigma_t = torch.tensor(0.6, dtype=torch.float64), torch.tensor(0.8, dtype=torch.float64)
    x_0, eps = torch.randn(1, 3, 4, 4), torch.randn(1, 3, 4, 4)
    x_t, v = 0.6 * x_0 + 0.8 * eps, 0.6 * eps - 0.8 * x_0
    torch.testing.assert_close(x0_from("v", v, x_t, alpha_t, sigma_t), x_0)
    torch.testing.assert_close(eps_from("v", v, x_t, alpha_t, sigma_t), eps)


@pytest.mark.parametrize(("variant", "levels", "heads"), [("b", (16,), 1), ("l", (64, 32, 16, 8, 4, 2), 2)])
def test_diffusion_b_and_l_are_what_the_paper_says(variant, levels, heads, pytestconfig):
    """Six halvings of 128 px, two residual blocks each, attention where the paper has it; 26 + 3 channels go in."""
    path = pytestconfig.rootpath / "configs" / f"diffusion-{variant}.yaml"
    config = yaml.safe_load(path.read_text())
    channels = len(config["source"]["channels"])
    assert channels == 26
    options = ConditionalConfig.model_validate(config["method"]["config"])
    with torch.device("meta"):
        network = UNet(options.unet, 26 + 3, 3, time=True)
    assert network.down.entrance.in_channels == 29
    assert len(network.down.shrink) == 6
    sides = [128 // 2 ** (i // 2) for i in range(len(network.down.attention))]
    attended = {
        side: block
        for side, block in zip(sides, network.down.attention, strict=True)
        if not isinstance(block, torch.nn.Identity)
    }
    assert tuple(attended) == levels
    assert {block.heads for block in attended.values()} == {heads}
    assert float(options.schedule.build().abar[-1]) == pytest.approx(4.0e-5, rel=0.01)
    assert options.prediction == "eps"
    assert 100e6 < footprint(network).parameters < 200e6


def test_masks_hide_all_in_a_quarter_and_else_a_tenth_to_nine_tenths_of_the_image():
    masks = random_masks(4000, 32, 48, 0.25, torch.Generator().manual_seed(0))[:, 0]
    shares = masks.mean(dim=(1, 2))
    assert (shares == 1).float().mean().item() == pytest.approx(0.25, abs=0.03)
    partial = shares[shares < 1]
    deciles = torch.linspace(0.1, 0.9, 9)
    found = torch.stack([torch.quantile(partial, q) for q in torch.linspace(0, 1, 9)])
    torch.testing.assert_close(found, deciles, atol=0.03, rtol=0)  # U(0.1, 0.9)
    corners = masks[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean(dim=0)
    torch.testing.assert_close(corners, corners.mean().expand(4), atol=0.04, rtol=0)  # no side is preferred


def test_a_partial_mask_is_a_rectangle_or_a_half_plane_as_often():
    masks = random_masks(400, 32, 48, 1e-9, torch.Generator().manual_seed(0))[:, 0]
    rectangles = 0
    for mask in masks:
        rows, columns = mask.any(dim=1), mask.any(dim=0)
        box = mask[rows][:, columns]
        rectangles += bool(box.all()) and rows.sum() < 32 and columns.sum() < 48
    assert rectangles == pytest.approx(200, abs=30)


def masked(**options):
    tiny = {"width": 4, "multipliers": [1], "blocks": 1, "attention": []}
    return build_method("conditional", {"unet": tiny, **options}, source_channels=2, target_channels=3)


class Recorder(torch.nn.Module):
    """Stands in for the network: says zero, and keeps what it saw."""

    def forward(self, x, time):
        self.seen = x
        return torch.zeros_like(x[:, :3])


def test_a_network_of_masked_targets_sees_them_in_training_and_never_when_staining():
    method = masked(masked_target={})
    method.network = Recorder()
    source, target = torch.rand(64, 2, 16, 16), torch.rand(64, 3, 16, 16) + 0.1
    method.losses("model", Batch(source, target), torch.Generator().manual_seed(0))
    mask = method.network.seen[:, 8:]
    torch.testing.assert_close(method.network.seen[:, 3:5], source)
    torch.testing.assert_close(method.network.seen[:, 5:8], target * (1 - mask))
    assert 0.3 < mask.mean() < 0.9
    method.stain(source, RandomNoise(0), Sampling(steps=2))
    assert (method.network.seen[:, 5:8] == 0).all()
    assert (method.network.seen[:, 8:] == 1).all()


def test_where_all_is_hidden_the_target_tells_nothing_but_by_its_noisy_self():
    method = masked(masked_target={"full": 1.0})
    method.network = Recorder()
    seen = []
    for level in (-0.5, 0.5):
        batch = Batch(torch.zeros(2, 2, 16, 16), torch.full((2, 3, 16, 16), level))
        method.losses("model", batch, torch.Generator().manual_seed(0))
        seen.append(method.network.seen[:, 3:])
    torch.testing.assert_close(*seen)


def test_without_masked_targets_weights_and_losses_are_what_they_were():
    torch.manual_seed(0)
    plain = masked()
    torch.manual_seed(0)
    spelled = masked(masked_target=None)
    assert plain.network.down.entrance.in_channels == 5
    batch = Batch(torch.rand(2, 2, 16, 16), torch.rand(2, 3, 16, 16))
    # A generator that gave a number to masks would give others to noise.
    after = [torch.Generator().manual_seed(0) for _ in range(2)]
    one = plain.losses("model", batch, after[0])["denoising"]
    torch.randint(1, plain.schedule.steps + 1, (2,), generator=after[1])
    torch.randn(batch.target.shape, generator=after[1])
    torch.testing.assert_close(torch.rand(1, generator=after[0]), torch.rand(1, generator=after[1]))
    torch.testing.assert_close(one, spelled.losses("model", batch, torch.Generator().manual_seed(0))["denoising"])
