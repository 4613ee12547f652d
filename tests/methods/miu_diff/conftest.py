import pytest
import torch

from restain.methods import Batch, build_method

UNET = {"width": 8, "multipliers": [1, 2], "blocks": 1, "attention": [], "middle_attention": False}


@pytest.fixture
def make():
    """Make a small MIU-Diff with weights that answer something, ready to stain."""

    def make(**options):
        torch.manual_seed(0)
        config = {
            "preset": None,
            "prior": {"unet": UNET, "prediction": "x0"},
            "critic": {"patch": 8, "widths": [8, 16]},
            "start_step": 60,
            "guided_steps": 60,
            "refinement_start": 20,
            **options,
        }
        method = build_method("miu_diff", config, source_channels=3, target_channels=3)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():  # fresh networks answer zero; give every path something to say
            for parameter in method.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        method.constants.information.fill_(1.0)
        return method.eval().requires_grad_(False)

    return make


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(2)
    source, target = (
        torch.nn.functional.interpolate(torch.rand(2, 3, 8, 8, generator=generator) * 2 - 1, size=32, mode="bilinear")
        for _ in range(2)
    )
    return Batch(source, target)
