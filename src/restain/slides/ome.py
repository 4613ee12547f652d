"""OME-XML, the metadata of OME-TIFF: what is read from it and what is written to it."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from restain.geometry import Mpp, Size
from restain.slides.reader import RGB
from restain.slides.scale import MICROMETRES, UNKNOWN, Scale, believe

NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


@final
@dataclass(frozen=True)
class OmeImage:
    """What one image of an OME-TIFF says of itself.

    Args:
        scale: from PhysicalSizeX and PhysicalSizeY.
        channels: a name per channel, empty where a channel stands for several samples (RGB) or has no name.
    """

    scale: Scale
    channels: tuple[str, ...]


def parse_ome(xml: str, image: int) -> OmeImage:
    """Read the metadata of one image; damaged XML says nothing.

    Args:
        xml: the OME-XML document.
        image: index of the image in it.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return OmeImage(UNKNOWN, ())
    found = root.findall("{*}Image/{*}Pixels")
    if image >= len(found):
        return OmeImage(UNKNOWN, ())
    pixels = found[image]
    edges = [_micrometres(pixels, axis) for axis in "XY"]
    names = tuple(channel.get("Name", "") for channel in pixels.findall("{*}Channel"))
    return OmeImage(believe(*edges), names if all(names) else ())


def write_ome(
    name: str,
    size: Size,
    mpp: Mpp | None,
    channels: tuple[str, ...],
    dtype: np.dtype[Any],
    software: str,
    provenance: Mapping[str, str],
) -> str:
    """Return the OME-XML of one image, in ASCII (other signs as character references), as TIFF wants its text.

    RGB is one channel of three samples in the first directory; other channels have a directory each. The provenance is
    a MapAnnotation of the image.
    """
    root = ElementTree.Element("OME", {"xmlns": NAMESPACE, "Creator": software})
    image = ElementTree.SubElement(root, "Image", {"ID": "Image:0", "Name": _legal(name)})
    samples = len(channels) if channels == RGB else 1
    scale: dict[str, str] = {}
    for axis, edge in (("X", mpp.x), ("Y", mpp.y)) if mpp else ():
        scale |= {f"PhysicalSize{axis}": repr(edge), f"PhysicalSize{axis}Unit": "µm"}
    pixels = ElementTree.SubElement(
        image,
        "Pixels",
        {
            "ID": "Pixels:0",
            "DimensionOrder": "XYCZT",
            "Type": dtype.name,
            "BigEndian": "false",
            "Interleaved": "true" if samples > 1 else "false",
            "SizeX": str(size.width),
            "SizeY": str(size.height),
            "SizeC": str(len(channels)),
            "SizeZ": "1",
            "SizeT": "1",
            **scale,
        },
    )
    planes = ("RGB",) if samples > 1 else channels
    for index, channel in enumerate(planes):
        ElementTree.SubElement(
            pixels, "Channel", {"ID": f"Channel:0:{index}", "Name": _legal(channel), "SamplesPerPixel": str(samples)}
        )
    for index in range(len(planes)):
        ElementTree.SubElement(pixels, "TiffData", {"IFD": str(index), "FirstC": str(index), "PlaneCount": "1"})
    if provenance:
        ElementTree.SubElement(image, "AnnotationRef", {"ID": "Annotation:0"})
        notes = ElementTree.SubElement(root, "StructuredAnnotations")
        note = ElementTree.SubElement(notes, "MapAnnotation", {"ID": "Annotation:0", "Namespace": "restain/provenance"})
        value = ElementTree.SubElement(note, "Value")
        for key, text in provenance.items():
            ElementTree.SubElement(value, "M", {"K": _legal(key)}).text = _legal(text)
    body = ElementTree.tostring(root, encoding="us-ascii", xml_declaration=False).decode("ascii")
    return f'<?xml version="1.0" encoding="UTF-8"?>{body}'


def _micrometres(pixels: ElementTree.Element, axis: str) -> float | None:
    size, unit = pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")
    return None if size is None or unit not in MICROMETRES else float(size) * MICROMETRES[unit]


def _legal(text: str) -> str:
    """Replace what XML cannot hold (control signs, undecodable bytes of file names)."""
    return re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
