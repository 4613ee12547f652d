"""Folders of images: what counts as an image in them, and by which name."""

from pathlib import Path

from restain.errors import DataError

SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".mrxs", ".ndpi", ".png", ".qptiff", ".scn", ".svs", ".tif", ".tiff", ".webp"}
)
"""Suffixes that make a file in a folder an image; its content decides how it is read."""


def images_in(folder: Path) -> dict[str, Path]:
    """Return the images of a folder by ``image_name``, in the order of their names.

    Hidden files, subfolders and files that are no images are passed over.

    Raises:
        DataError: no such folder, no images in it, or one name twice.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder", fix="check the path")
    images: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        twin = images.setdefault(image_name(path), path)
        if twin != path:
            raise DataError(f"{folder} holds one name twice: {twin.name} and {path.name}", fix="keep one file per name")
    if not images:
        raise DataError(f"{folder} holds no images", fix="check the path")
    return images


def image_name(path: Path) -> str:
    """Return the name by which images are matched.

    >>> image_name(Path("tiles/a_1.ome.tiff"))
    'a_1'
    """
    return path.stem.removesuffix(".ome")
