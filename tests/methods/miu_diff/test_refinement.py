"""Refinement at test time: it lowers its loss, and leaves no trace in the weights."""

import pytest
import torch

from restain.diffusion import Level, RandomNoise, Sampling
from restain.methods.miu_diff.grey import without_colour
from restain.methods.miu_diff.guidance import root_mean_square
from restain.methods.miu_diff.refinement import ImageRefinement, LocalContrast, refined

NOISE = RandomNoise(0)
GENERATOR = torch.Generator()


def state_of(method):
    return {name: value.clone() for name, value in method.state_dict().items()}


def in_sampling(method, batch):
    x_s = batch.target + 0.1 * torch.randn(batch.target.shape, generator=torch.Generator().manual_seed(5))
    grey = without_colour(batch.source, "luma601")
    return x_s[:1], grey[:1], method.prior.schedule.level(10.0)


@pytest.mark.parametrize("loss", ["nce", "feature_l2"])
@pytest.mark.parametrize(("mode", "rate"), [("lora", 1e-2), ("weights", 1e-3)])
def test_f22_the_loss_falls_over_ten_steps_on_a_fixed_input(make, batch, mode, rate, loss):
    method = make(refinement=mode, refinement_rate=rate, refinement_loss=loss)
    x_s, grey, level = in_sampling(method, batch)
    with torch.no_grad(), refined(method.config, method.prior, grey, NOISE, GENERATOR) as (guide,):
        for _ in range(10):
            guide.on_step_end(x_s, level)
    assert guide.losses[-1] < guide.losses[0]
    assert len(guide.losses) == 10


@pytest.mark.parametrize("mode", ["lora", "weights"])
def test_f22_weights_come_back_to_the_last_bit(make, batch, mode):
    method = make(refinement=mode, refinement_rate=1e-2)
    before, source = state_of(method), batch.source
    flags = [parameter.requires_grad for parameter in method.parameters()]
    method.stain(source, NOISE, Sampling(sampler="ancestral", steps=10))
    after = method.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert flags == [parameter.requires_grad for parameter in method.parameters()]


def test_f22_weights_come_back_after_an_error_too(make, batch):
    method = make(refinement="weights")
    before = state_of(method)
    x_s, grey, level = in_sampling(method, batch)

    def interrupted():
        with refined(method.config, method.prior, grey, NOISE, GENERATOR) as (guide,):
            guide.on_step_end(x_s, level)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        interrupted()
    assert all(torch.equal(before[name], value) for name, value in method.state_dict().items())


def test_f22_fresh_adapters_change_no_bit_of_the_output(make, batch):
    method = make(refinement="lora")
    x_s, grey, level = in_sampling(method, batch)
    time = torch.tensor(level.t, dtype=torch.float64)
    with torch.no_grad():
        plain = method.prior.denoiser(x_s, time)
        with refined(method.config, method.prior, grey, NOISE, GENERATOR) as (guide,):
            assert torch.equal(method.prior.denoiser(x_s, time), plain)
            guide.on_step_end(x_s, level)
            guide.on_step_end(x_s, level)
            assert not torch.equal(method.prior.denoiser(x_s, time), plain)
        assert torch.equal(method.prior.denoiser(x_s, time), plain)


@pytest.mark.parametrize("t", [0.0, 20.5])
def test_refinement_waits_for_its_time(make, batch, t):
    method = make(refinement="weights")
    x_s, grey, _ = in_sampling(method, batch)
    with torch.no_grad(), refined(method.config, method.prior, grey, NOISE, GENERATOR) as (guide,):
        guide.on_step_end(x_s, method.prior.schedule.level(t))
        assert not guide.losses
        guide.on_step_end(x_s, method.prior.schedule.level(20.0))
        assert len(guide.losses) == 1


def test_the_images_of_a_batch_are_refined_one_by_one(make, batch):
    method, sampling = make(refinement="lora", refinement_rate=1e-2), Sampling(sampler="ancestral", steps=8)
    together = method.stain(batch.source, NOISE, sampling)
    second = method.stain(batch.source[1:], NOISE.of(1), sampling)
    torch.testing.assert_close(together[1:], second, atol=1e-5, rtol=0)
    assert not torch.allclose(together, make(refinement="none").stain(batch.source, NOISE, sampling))


def test_the_force_on_the_image_has_the_strength_asked_for_and_lowers_the_loss(make, batch):
    method = make(refinement="latent", refinement_kappa=0.05)
    x_s, grey, level = in_sampling(method, batch)
    contrast = LocalContrast(method.config, method.prior.network, grey, NOISE)
    force = ImageRefinement(method.config, method.prior, contrast, lambda t: 0.01)(x_s, level)
    assert float(root_mean_square(force)) == pytest.approx(0.05 / 0.1, rel=1e-2)

    def loss(y):
        return float(contrast(method.prior.denoiser(y, torch.tensor(level.t)), level))

    step = 1e-3 * force / force.norm()
    with torch.no_grad():
        assert loss(x_s + step) < loss(x_s - step)


def test_the_force_on_the_image_works_in_batches(make, batch):
    method, sampling = make(refinement="latent"), Sampling(steps=8)
    together = method.stain(batch.source, NOISE, sampling)
    second = method.stain(batch.source[1:], NOISE.of(1), sampling)
    torch.testing.assert_close(together[1:], second, atol=1e-5, rtol=0)


def test_features_that_agree_everywhere_have_no_distance(make, batch):
    method = make(refinement_loss="feature_l2")
    contrast = LocalContrast(method.config, method.prior.network, batch.target, NOISE)
    same = contrast(batch.target, Level(10.0, 1.0, 0.1))
    torch.testing.assert_close(same, torch.zeros(2), atol=1e-10, rtol=0)
    assert bool((contrast(batch.source, Level(10.0, 1.0, 0.1)) > 1e-4).all())


def test_contrast_prefers_the_image_to_the_shifted_image(make, batch):
    method = make()
    contrast = LocalContrast(method.config, method.prior.network, batch.target, NOISE)
    level = Level(10.0, 1.0, 0.1)
    assert bool((contrast(batch.target, level) < contrast(batch.target.roll(8, dims=3), level)).all())


@pytest.mark.parametrize("mode", ["lora", "weights"])
def test_refinement_acts_in_half_precision_as_in_full(make, batch, mode):
    """Autocast keeps copies of weights: it must notice that they were edited, and that they were put back."""
    sampling = Sampling(sampler="ancestral", steps=8)

    def moved(enabled):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            plain, refined_ = (
                make(refinement=refinement, refinement_rate=1e-2).stain(batch.source, NOISE, sampling)
                for refinement in ("none", mode)
            )
            return float((plain - refined_).abs().mean())

    assert moved(True) == pytest.approx(moved(False), rel=0.5)
    assert moved(True) > 1e-3


@pytest.mark.parametrize("mode", ["lora", "weights"])
def test_the_next_image_starts_from_the_weights_as_they_were_in_half_precision_too(make, batch, mode):
    method, sampling = make(refinement=mode, refinement_rate=1e-2), Sampling(sampler="ancestral", steps=8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        together = method.stain(batch.source, NOISE, sampling)
        torch.clear_autocast_cache()
        second = method.stain(batch.source[1:], NOISE.of(1), sampling)
    torch.testing.assert_close(together[1:], second, atol=1e-5, rtol=0)
