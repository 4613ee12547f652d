import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from restain.errors import DataError
from restain.nn import low_pass


@pytest.fixture(scope="module")
def white():
    return torch.randn(1, 1, 256, 256, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_f28_box_is_a_projection(white):
    once = low_pass(white, 32, "box")
    torch.testing.assert_close(low_pass(once, 32, "box"), once, atol=1e-14, rtol=0)
    left = white - once
    assert float((left * once).sum().abs()) < 1e-9 * float(white.square().sum())  # and orthogonal


def test_box_is_the_mean_of_each_square(white):
    means = white[0, 0].numpy().reshape(8, 32, 8, 32).mean((1, 3))
    expected = torch.from_numpy(np.kron(means, np.ones((32, 32))))
    torch.testing.assert_close(low_pass(white, 32, "box")[0, 0], expected, atol=1e-14, rtol=0)


def test_bicubic_is_no_projection(white):
    """The stated fact: on white noise a second pass takes away about a quarter of what the first one left."""
    once = low_pass(white, 32, "bicubic")
    relative = (low_pass(once, 32, "bicubic") - once).norm() / once.norm()
    assert 0.15 < relative < 0.35


def test_bicubic_is_that_of_pillow(white):
    image = white[0, 0].float().numpy()
    small = Pillow.fromarray(image).resize((32, 32), Pillow.Resampling.BICUBIC)
    large = np.array(small.resize((256, 256), Pillow.Resampling.BICUBIC))
    torch.testing.assert_close(low_pass(white.float(), 8, "bicubic")[0, 0], torch.tensor(large), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["bicubic", "box"])
def test_a_flat_image_stays_and_factor_1_changes_nothing(kind, white):
    flat = torch.full((1, 3, 64, 32), 0.3, dtype=torch.float64)
    torch.testing.assert_close(low_pass(flat, 16, kind), flat)
    torch.testing.assert_close(low_pass(white, 1, kind), white)


def test_sides_must_divide():
    with pytest.raises(DataError, match="multiples of 32"):
        low_pass(torch.zeros(1, 3, 64, 48), 32, "box")
