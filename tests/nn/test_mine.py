import math

import pytest
import torch
from pydantic import ValidationError

from restain.config import parse_config
from restain.errors import ConfigError, DataError
from restain.nn import Mine, MineConfig, donsker_varadhan, infonce, smile, structure_map

SMALL = MineConfig(patch=8, widths=(8, 16), hidden=16)


def critic(config: MineConfig = SMALL, structure_channels: int = 1) -> Mine:
    torch.manual_seed(0)
    return Mine(config, structure_channels, 3)


def pictures(batch: int = 2, height: int = 32, width: int = 32, seed: int = 0) -> tuple[torch.Tensor, ...]:
    image = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return structure_map(image, "luma_gradient"), image, torch.linspace(0, 1, batch)


def score(mine: Mine, structure: torch.Tensor, image: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Return the score of one pair of patches."""
    level = sigma.expand(1, 1, *image.shape[1:])
    return mine.critic(torch.cat([structure[None], level, image[None]], dim=1))[0, 0]


@pytest.mark.parametrize("bound", ["dv_ema", "smile", "infonce"])
@torch.no_grad()
def test_the_value_is_the_formula_over_pairs_taken_one_by_one(bound):
    mine = critic(SMALL.model_copy(update={"bound": bound}))
    structure, image, sigma = pictures(height=16, width=24)
    values = mine(structure, image, sigma, offsets=[1, 4])
    for b in range(2):
        corners = [(y, x) for y in (0, 8) for x in (0, 8, 16)]
        g = [structure[b, :, y : y + 8, x : x + 8] for y, x in corners]
        y = [image[b, :, y : y + 8, x : x + 8] for y, x in corners]
        joint = torch.stack([score(mine, g[k], y[k], sigma[b]) for k in range(6)])
        marginal = torch.stack(
            [torch.stack([score(mine, g[k], y[(k + o) % 6], sigma[b]) for k in range(6)]) for o in (1, 4)]
        )
        expected = {
            "dv_ema": donsker_varadhan(joint, marginal.flatten()),
            "smile": smile(joint, marginal.flatten()),
            "infonce": infonce(joint, marginal),
        }[bound]
        torch.testing.assert_close(values[b], expected)


def test_images_of_a_batch_do_not_see_each_other():
    structure, image, sigma = pictures(3)
    mine = critic()
    together = mine(structure, image, sigma)
    alone = torch.cat([mine(structure[k : k + 1], image[k : k + 1], sigma[k : k + 1]) for k in range(3)])
    torch.testing.assert_close(together, alone)


def test_the_rim_beyond_whole_patches_is_cropped_alike_on_both_sides():
    structure, image, sigma = pictures(height=35, width=37)
    inside = (slice(None), slice(None), slice(1, 33), slice(2, 34))
    mine = critic()
    torch.testing.assert_close(mine(structure, image, sigma), mine(structure[inside], image[inside], sigma))


def test_the_default_shuffles_are_distinct_and_leave_no_patch_in_place():
    structure, image, sigma = pictures(1, 16, 16)
    mine = critic(SMALL.model_copy(update={"rolls": 3}))
    assert mine(structure, image, sigma).equal(mine(structure, image, sigma, offsets=[1, 2, 3]))
    many = critic(SMALL.model_copy(update={"rolls": 50}))  # only three are possible
    torch.testing.assert_close(many(structure, image, sigma), mine(structure, image, sigma))


@pytest.mark.parametrize("proxy", ["luma_gradient", "rgb_gradient"])
def test_the_value_is_differentiable_in_the_image(proxy):
    _, image, sigma = pictures(1, 16, 16)
    image = image.double()
    structure = structure_map(image, proxy)
    mine = critic(structure_channels=structure.shape[1]).double()
    assert torch.autograd.gradcheck(
        lambda y: mine(structure, y, sigma.double()), (image.requires_grad_(),), fast_mode=True
    )


def test_the_noise_level_matters():
    structure, image, _ = pictures(1)
    mine = critic()
    assert not mine(structure, image, torch.zeros(1)).equal(mine(structure, image, torch.ones(1)))


def test_structure_and_image_that_are_unrelated_to_the_score_give_nothing():
    structure, image, sigma = pictures(2)
    mine = critic()
    torch.testing.assert_close(mine(torch.zeros_like(structure), torch.zeros_like(image), sigma), torch.zeros(2))


@pytest.mark.parametrize("bound", ["dv_ema", "infonce"])
def test_the_loss_is_minus_the_bound_at_the_shuffles_it_drew(bound):
    mine = critic(SMALL.model_copy(update={"bound": bound, "rolls": 2}))
    structure, image, _ = pictures(1)
    sigma = torch.tensor([0.3])
    loss = mine.loss(structure, image, sigma, torch.Generator().manual_seed(5))
    drawn = (torch.randperm(15, generator=torch.Generator().manual_seed(5))[:2] + 1).tolist()
    torch.testing.assert_close(loss, -mine(structure, image, sigma, drawn)[0])


def test_only_training_moves_the_average_of_the_critic():
    structure, image, sigma = pictures()
    mine = critic().eval()
    mine.loss(structure, image, sigma, torch.Generator().manual_seed(0))
    assert mine.average.started == 0
    mine.train().loss(structure, image, sigma, torch.Generator().manual_seed(0))
    assert mine.average.started == 1


@pytest.mark.parametrize("bound", ["dv_ema", "smile", "infonce"])
def test_training_finds_structure_and_nothing_where_there_is_none(bound):
    mine = critic(SMALL.model_copy(update={"bound": bound}))
    optimiser = torch.optim.Adam(mine.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    sigma = torch.zeros(4)

    def draw(*, related: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return coarse random fields as structure, and images that show them or others."""
        field, other = torch.randn(2, 4, 1, 8, 8, generator=generator).repeat_interleave(4, 3).repeat_interleave(4, 4)
        return field, (field if related else other).expand(-1, 3, -1, -1)

    for _ in range(150):
        optimiser.zero_grad()
        mine.loss(*draw(related=True), sigma, generator).backward()
        optimiser.step()
    with torch.no_grad():
        related = torch.stack([mine(*draw(related=True), sigma) for _ in range(8)]).mean()
        unrelated = torch.stack([mine(*draw(related=False), sigma) for _ in range(8)]).mean()
    assert related > 0.3
    assert unrelated < 0.05


def test_lower_precision_adds_up_scores_in_full():
    structure, image, sigma = pictures(2, 128, 128)
    mine = critic()
    with torch.autocast("cpu", torch.bfloat16):
        lowered = mine(structure, image, sigma)
    assert lowered.dtype == torch.float32
    torch.testing.assert_close(lowered, mine(structure, image, sigma), rtol=0, atol=2e-3)


def test_a_patch_that_cannot_be_halved_so_often_is_refused():
    with pytest.raises(ConfigError, match="halve"):
        parse_config(MineConfig, {"patch": 24}, "here")
    with pytest.raises(ValidationError):
        MineConfig(patch=8, widths=(8, 8, 8, 8))


def test_images_that_cannot_be_shuffled_are_refused():
    mine = critic()
    with pytest.raises(DataError, match="no two patches"):
        mine(*pictures(1, 15, 8))
    with pytest.raises(DataError, match="in place"):
        mine(*pictures(1, 16, 16), offsets=[1, 4])
    structure, image, sigma = pictures(1)
    with pytest.raises(DataError, match="differ"):
        mine(structure[..., 8:], image, sigma)
    with pytest.raises(DataError, match="no two patches"):
        mine.loss(*pictures(1, 8, 8), torch.Generator())


def test_an_untrained_critic_is_near_nothing():
    structure, image, sigma = pictures(4, 64, 64)
    assert critic()(structure, image, sigma).abs().max() < 0.05 * math.log(64)
