import numpy as np

from restain.slides.cache import CACHE_BYTES, TileCache


def test_it_decodes_once_and_forgets_the_oldest() -> None:
    cache, decoded = TileCache(), []
    third = CACHE_BYTES // 3

    def tile(key: int) -> np.ndarray:
        def decode() -> np.ndarray:
            decoded.append(key)
            return np.zeros((third, 1, 1), np.uint8)

        return cache.get(key, decode)

    for key in (0, 1, 2, 0, 3, 0, 1):  # 3 pushes out 1, the one not used for longest
        assert tile(key).nbytes == third
    assert decoded == [0, 1, 2, 3, 1]


def test_one_tile_larger_than_all_is_kept() -> None:
    cache, decoded = TileCache(), []
    for _ in range(3):
        cache.get("all", lambda: decoded.append(1) or np.zeros((CACHE_BYTES + 1, 1, 1), np.uint8))
    assert len(decoded) == 1
