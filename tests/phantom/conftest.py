"""Scenes that several tests look at; drawing them is most of the time these tests take."""

import pytest

from restain.geometry import Mpp, Region
from restain.phantom import Phantom, Scene

HALF = Mpp.square(0.5)


@pytest.fixture(scope="session")
def scenes() -> list[Scene]:
    """Fields of 300 um from several slides."""
    return [Phantom(seed).scene(Region(-100, 40, 600, 600), HALF) for seed in range(4)]
