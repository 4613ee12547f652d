"""Squares as annotations that QuPath opens: File > Import objects from file, or dropped onto the slide."""

import json
from collections.abc import Sequence

from restain.inference.width_map import Square

COLOUR = [255, 170, 0]
"""Orange, red, green and blue: on hematoxylin, eosin and DAB it is seen."""


def geojson_of(squares: Sequence[Square], above: int) -> str:
    """Return a feature collection of polygons, in pixels of the slide's first level, as RFC 7946 writes them.

    Args:
        squares: the widest first.
        above: the width that counts as wide, in grey levels.
    """
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [_ring(square)]},
            "properties": {
                "objectType": "annotation",
                "name": f"Uncertain {number}",
                "classification": {"name": "Uncertain", "color": COLOUR},
                "measurements": {
                    "Uncertainty: mean width": round(square.mean_width, 3),
                    f"Uncertainty: share above {above}": round(square.share_above, 5),
                },
            },
        }
        for number, square in enumerate(squares, start=1)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1)


def _ring(square: Square) -> list[list[int]]:
    left, top, right, bottom = square.x, square.y, square.x + square.width, square.y + square.height
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
