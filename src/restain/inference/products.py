"""What a call makes: a file of each stain and, where it is asked for, what is told of how sure each is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

from restain.bundle import Card
from restain.inference.output import files_of, folders_of
from restain.slides import image_name

Content = Literal["stain", "uncertainty", "lower", "upper"]
"""The stain itself, the width of its interval, and the two ends of it."""


@final
@dataclass(frozen=True)
class Product:
    """One image that a call makes.

    Args:
        content: what it shows.
        stain: number of the stain it belongs to.
        channels: its own.
    """

    content: Content
    stain: int
    channels: tuple[str, ...]


def products_of(card: Card, contents: Sequence[Content] = ("stain",)) -> tuple[Product, ...]:
    """Return all images that a call makes, in the order of their channels: all of one content, then of the next."""
    return tuple(
        Product(content, number, ("uncertainty",) if content == "uncertainty" else stain.channels)
        for content in contents
        for number, stain in enumerate(card.targets)
    )


def files_for(out: Path, card: Card, products: Sequence[Product]) -> tuple[Path, ...]:
    """Return the file of each product: of ``out.png`` the widths are in ``out.uncertainty.png``.

    JPEG changes values, so what stands beside a JPEG is PNG.

    Raises:
        BundleError: stains that would share a file.
    """
    stains = files_of(out, card)
    return tuple(
        stains[product.stain] if product.content == "stain" else beside(stains[product.stain], product.content)
        for product in products
    )


def folders_for(out: Path, card: Card, products: Sequence[Product]) -> tuple[Path, ...]:
    """Return the folder of each product: of ``out`` the widths are in ``out/uncertainty``.

    Raises:
        BundleError: stains that would share a folder.
    """
    stains = folders_of(out, card)
    return tuple(
        stains[product.stain] if product.content == "stain" else stains[product.stain] / product.content
        for product in products
    )


def beside(file: Path, word: str, suffix: str | None = None) -> Path:
    """Return the name of what stands beside a file: ``a.ome.tiff`` and ``lower`` give ``a.lower.ome.tiff``.

    Args:
        file: the stain.
        word: before the suffix.
        suffix: another one than that of the file; without it, PNG beside JPEG.
    """
    name = image_name(file)
    own = file.name.removeprefix(name)
    return file.with_name(f"{name}.{word}{suffix or ('.png' if own.lower() in ('.jpg', '.jpeg') else own)}")
