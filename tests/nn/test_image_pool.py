import pytest
import torch

from restain.nn import ImagePool


def numbered(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count).float().reshape(-1, 1, 1, 1)


def filled(size: int) -> ImagePool:
    pool = ImagePool(size)
    pool(numbered(0, size), torch.Generator().manual_seed(0))
    return pool


def test_while_it_fills_images_pass():
    pool, generator = ImagePool(4), torch.Generator().manual_seed(0)
    for first in (0, 2):
        assert torch.equal(pool(numbered(first, 2), generator), numbered(first, 2))
    assert torch.equal(pool.images, numbered(0, 4))


def test_a_full_pool_swaps_half_of_the_images_and_loses_none():
    pool = filled(50)
    returned = pool(numbered(50, 2000), torch.Generator().manual_seed(1)).flatten()
    new = returned == torch.arange(50, 2050)
    assert new.float().mean().item() == pytest.approx(0.5, abs=0.04)
    everything = torch.cat([returned, pool.images.flatten()])
    assert everything.sort().values.tolist() == list(range(2050))


def test_what_it_holds_survives_and_decides_with_the_generator_what_comes_next():
    pool, copy = filled(5), ImagePool(5)
    copy.load_state_dict({name: value.clone() for name, value in pool.state_dict().items()})
    draws = [p(numbered(5, 9), torch.Generator().manual_seed(3)) for p in (pool, copy)]
    assert torch.equal(*draws)
    assert torch.equal(pool.images, copy.images)


def test_the_state_of_an_empty_pool_is_a_tensor_that_loads():
    pool = filled(5)
    pool.load_state_dict(ImagePool(5).state_dict())
    assert torch.equal(pool(numbered(7, 2), torch.Generator()), numbered(7, 2))
    assert len(pool.images) == 2


def test_in_evaluation_mode_and_with_size_zero_nothing_is_stored():
    for pool in (ImagePool(3).eval(), ImagePool(0)):
        assert torch.equal(pool(numbered(0, 2), torch.Generator()), numbered(0, 2))
        assert not len(pool.images)


def test_what_it_returns_teaches_no_generator():
    images = numbered(0, 2).requires_grad_()
    assert not ImagePool(1)(images, torch.Generator()).requires_grad
