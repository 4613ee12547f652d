"""The model behind virtual images, as far as they and this machine know it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final
from xml.etree import ElementTree

import tifffile
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from restain.bundle import WEIGHTS, Card, bundles, find_bundle, load_card
from restain.errors import BundleError, ConfigError, DataError
from restain.reports.report.cases import Case
from restain.reports.report.options import ReportOptions
from restain.slides import RGB

SHOWN = ("software", "model", "weights", "method", "stains", "sampler", "steps", "seed", "precision", "options")
"""What the page tells of the notes in a virtual image."""


@final
@dataclass(frozen=True)
class Origin:
    """What made the virtual images.

    Args:
        notes: in the first of them, by name; empty where it holds none.
        card: of the model, if it is on this machine.
        folder: of its bundle.
    """

    notes: dict[str, str]
    card: Card | None
    folder: Path | None


def find_origin(cases: Sequence[Case], options: ReportOptions) -> Origin:
    """Find the model of the virtual images: the one that was named, or the one whose weights made them.

    Raises:
        BundleError: the model that was named is none.
        DataError: the images say that other weights made them.
    """
    notes = notes_of(cases[0].pred) if cases else {}
    digest = notes.get("weights", "").removeprefix("sha256 ")
    if options.model is not None:
        folder = find_bundle(str(options.model))
        card = load_card(folder)
        if digest and digest != card.files.get(WEIGHTS):
            raise DataError(
                f"{cases[0].pred} was made by the model {notes.get('model')!r} with weights {digest[:12]}, which are "
                f"not those of {folder}",
                fix="pass the bundle that made the images",
            )
        return Origin(notes, card, folder)
    for folder in bundles() if digest else ():
        try:
            card = load_card(folder)
        except (BundleError, ConfigError):
            continue  # a damaged bundle somewhere on this machine is no business of these images
        if card.files.get(WEIGHTS) == digest:
            return Origin(notes, card, folder)
    return Origin(notes, None, None)


def notes_of(path: Path) -> dict[str, str]:
    """Return what restain wrote into an image about how it was made; nothing for images of others."""
    if path.suffix.lower() in (".tif", ".tiff"):
        with tifffile.TiffFile(path) as file:
            xml = file.ome_metadata
        entries = ElementTree.fromstring(xml).iter() if xml else ()
        notes = {entry.get("K", ""): entry.text or "" for entry in entries if entry.tag.endswith("}M")}
    else:
        try:
            with Pillow.open(path) as picture:
                found = {str(key): value for key, value in picture.info.items()}
        except (UnidentifiedImageError, OSError):  # a slide format that only OpenSlide reads holds no note of ours
            return {}
        comment = found.get("comment", b"")
        if isinstance(comment, bytes) and comment.startswith(b'{"'):
            found = json.loads(comment)
        notes = {key: value for key, value in found.items() if isinstance(value, str)}
    return notes if notes.get("software", "").startswith("restain ") else {}


MARKERS = frozenset(
    {"cd3", "cd4", "cd8", "cd20", "cd31", "cd45", "cd68", "cdx2", "ck7", "ck20", "ck818", "er", "foxp3", "her2", "ki67"}
    | {"p53", "p63", "panck", "pdl1", "pr"}
)
"""Targets that are stained with DAB as a rule; letters and digits alone."""


def is_dab(card: Card | None, options: ReportOptions) -> tuple[bool, str]:
    """Return whether the stain is brown, and how that is known: the pixels do not tell, since eosin reads as DAB."""
    if options.dab is not None:
        return options.dab, "--dab says so" if options.dab else "--no-dab says so"
    if card is None:
        return False, "nothing tells that the stain is DAB; pass --dab where it is"
    name = re.sub(r"[^a-z0-9]", "", card.made.lower())
    if name in MARKERS and card.targets[0].channels == RGB:
        return True, f"the card says {card.made}"
    return False, f"the card says {card.made}, which is not known to be stained with DAB; pass --dab where it is"
