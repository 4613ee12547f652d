import pytest
import torch
import yaml

from restain.diffusion import RandomNoise, Sampling, eps_from, x0_from
from restain.methods import Batch, build_method
from restain.methods.conditional import ConditionalConfig
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
