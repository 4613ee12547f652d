import hashlib

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from restain.errors import BundleError
from restain.features import InceptionExtractor, inception
from restain.features.inception_network import InceptionNetwork


@pytest.fixture(scope="module")
def network() -> InceptionNetwork:
    torch.manual_seed(0)
    return InceptionNetwork().eval()


@pytest.fixture
def weights(network, tmp_path, monkeypatch):
    """A file like the published one, without the counts that only training needs, and its checksum."""
    path = tmp_path / "weights.pth"
    torch.save({name: value for name, value in network.state_dict().items() if "num_batches" not in name}, path)
    monkeypatch.setattr(inception, "CHECKSUM", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_it_has_as_many_numbers_as_published(network):
    """Keras prints 23,851,784: a head of 1000 classes, mean and variance of every norm, and no factor in norms."""
    names = [name for name in network.state_dict() if not name.endswith(("bn.weight", "num_batches_tracked"))]
    eight_more_classes = 8 * (2048 + 1)
    assert sum(network.state_dict()[name].numel() for name in names) - eight_more_classes == 23_851_784
    assert sum(parameter.numel() for parameter in network.parameters()) == 23_850_960


def test_its_parts_are_named_as_in_the_file(network):
    weights = network.state_dict()
    assert weights["Conv2d_2b_3x3.conv.weight"].shape == (64, 32, 3, 3)
    assert weights["Mixed_5c.branch5x5_2.conv.weight"].shape == (64, 48, 5, 5)
    assert weights["Mixed_6a.branch3x3dbl_3.conv.weight"].shape == (96, 96, 3, 3)
    assert weights["Mixed_6b.branch7x7dbl_2.conv.weight"].shape == (128, 128, 7, 1)
    assert weights["Mixed_7a.branch7x7x3_4.bn.running_mean"].shape == (192,)
    assert weights["Mixed_7b.branch3x3dbl_3a.bn.running_var"].shape == (384,)
    assert weights["Mixed_7c.branch_pool.conv.weight"].shape == (192, 2048, 1, 1)
    assert weights["fc.weight"].shape == (1008, 2048)
    assert len({name.rpartition(".")[0] for name in weights if name.endswith("conv.weight")}) == 94


def test_maps_shrink_as_in_the_paper(network):
    """Table 1 of the paper: 147 x 147 x 64 before the first pool, then 35 x 35 x 288, 17 x 17 x 768, 8 x 8 x 2048."""
    seen = {}
    places = ("Conv2d_2b_3x3", "Mixed_5b", "Mixed_5d", "Mixed_6a", "Mixed_6e", "Mixed_7a", "Mixed_7c")
    hooks = [
        getattr(network, place).register_forward_hook(
            lambda _module, _given, result, place=place: seen.update({place: tuple(result.shape[1:])})
        )
        for place in places
    ]
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 299, 299)).shape == (1, 2048)
    for hook in hooks:
        hook.remove()
    shapes = [(64, 147, 147), (256, 35, 35), (288, 35, 35), (768, 17, 17), (768, 17, 17), (1280, 8, 8), (2048, 8, 8)]
    assert seen == dict(zip(places, shapes, strict=True))


def pooled_part(block: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return what a block does to one channel by its pool: the other branches and all mixing are taken out."""
    step = block.branch_pool
    nn.init.zeros_(step.conv.weight)
    step.conv.weight.data[0, 0] = 1
    return block(x)[:, -step.conv.out_channels, :, :]


def test_averages_leave_out_what_lies_beyond_the_border():
    block = InceptionNetwork().eval().Mixed_7b
    with torch.no_grad():
        result = pooled_part(block, torch.ones(1, 1280, 5, 5))
    assert torch.allclose(result, torch.full((1, 5, 5), (1 + 0.001) ** -0.5))  # the norm's epsilon, no darker rim


def test_the_last_block_takes_the_maximum():
    block = InceptionNetwork().eval().Mixed_7c
    x = torch.zeros(1, 2048, 5, 5)
    x[0, 0, 0, 0] = 1
    with torch.no_grad():
        result = pooled_part(block, x)
    assert (result[0] > 0.9).nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_a_ramp_stays_a_ramp_when_it_is_resized():
    """Pixel i of 299 has its centre at (i + 1/2) n / 299 - 1/2 in an image of n pixels; the border is repeated."""
    for n in (128, 299, 512):
        ramp = torch.arange(n, dtype=torch.float32).expand(1, 3, n, n)
        centres = ((torch.arange(299) + 0.5) * n / 299 - 0.5).clamp(0, n - 1)
        assert torch.allclose(inception.resized(ramp)[0, 0, 7], centres, atol=1e-3)


def test_larger_images_are_subsampled_without_smoothing():
    stripes = torch.zeros(1, 3, 598, 598)
    stripes[..., ::2] = 1
    assert torch.allclose(inception.resized(stripes), torch.full((1, 3, 299, 299), 0.5))
    thin = torch.zeros(1, 3, 1196, 1196)
    thin[..., ::4] = 1  # between the two pixels that are looked at, so it is not seen at all
    assert inception.resized(thin).max() == 0


def test_features_are_those_of_the_network_at_299_pixels(network, weights):
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 48, 3), np.uint8)
    extractor = InceptionExtractor(weights)
    x = torch.from_numpy(image.transpose(0, 3, 1, 2)).float() / 127.5 - 1
    with torch.no_grad():
        expected = network(functional.interpolate(x, (299, 299), mode="bilinear")).numpy()
    features = extractor(image)
    assert features.shape == (1, extractor.dimension) == (1, 2048)
    assert np.allclose(features, expected, atol=1e-5)
    assert extractor.digest == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_products_are_not_rounded_to_tf32_and_the_settings_of_others_stay(weights, monkeypatch):
    extractor, seen = InceptionExtractor(weights), []

    def settings() -> tuple[bool, bool, bool]:
        return torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    monkeypatch.setattr(extractor, "_network", lambda x: seen.append(settings()) or x.mean((2, 3)))
    before = settings()
    try:
        torch.backends.cuda.matmul.allow_tf32 = True
        extractor(np.zeros((1, 8, 8, 3), np.uint8))
        assert seen == [(before[0], False, False)]
        assert settings() == (*before[:2], True)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before[2]


def test_its_name_begins_the_checksum():
    assert inception.FILE.endswith(f"-{inception.CHECKSUM[:8]}.pth")
    assert len(inception.CHECKSUM) == 64


def test_other_weights_are_refused(weights, monkeypatch):
    monkeypatch.setattr(inception, "CHECKSUM", inception.CHECKSUM[:8] + "0" * 56)
    with pytest.raises(BundleError, match=r"not hold the published weights.*inception=PATH"):
        InceptionExtractor(weights)


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(BundleError, match=r"no weights of Inception at .*download https://github.com/mseitzer"):
        InceptionExtractor(tmp_path / "none.pth")


@pytest.fixture
def shop(weights, tmp_path, monkeypatch):
    """The publisher's server is a file, and the user's cache is empty."""
    monkeypatch.setattr(inception, "URL", weights.as_uri())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "restain"


def test_weights_are_fetched_once(shop, weights):
    assert inception.fetched() == shop / inception.FILE
    weights.unlink()
    assert inception.fetched().is_file()
    assert [path.name for path in shop.iterdir()] == [inception.FILE]


def test_without_a_network_the_way_out_is_said(shop, weights):
    weights.unlink()
    with pytest.raises(BundleError, match=r"cannot be fetched .* elsewhere and pass it as inception=PATH"):
        InceptionExtractor()


def test_a_wrong_answer_is_not_kept(shop, weights):
    weights.write_bytes(b"a page that asks to log in")
    with pytest.raises(BundleError, match="not the published file"):
        inception.fetched()
    assert list(shop.iterdir()) == []
