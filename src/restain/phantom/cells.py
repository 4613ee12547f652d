"""The table of cells: where they are, what they look like, which markers they carry."""

import csv
from dataclasses import dataclass, fields
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.phantom.kinds import KIND_NAMES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@final
@dataclass(frozen=True, slots=True)
class CellTable:
    """Cells, one per entry, ordered by ``id``. Lengths in micrometres.

    Args:
        id: number that is unique in the phantom; a cell that two sections show has the same in both.
        kind: 0 epithelium, 1 lymphocyte, 2 stroma; see ``KIND_NAMES``.
        y: centre of the nucleus on the section.
        x: centre of the nucleus on the section.
        radius: of the disc of the same area as the nucleus.
        aspect: long axis by short axis.
        angle: of the long axis in radians, from the x axis towards the y axis.
        z_radius: radius, standardised.
        chromatin: optical density of hematoxylin in the nucleus on an H&E slide of average strength.
        z_chromatin: chromatin, standardised.
        clumps: relative strength of the chromatin's texture.
        nucleolus: size of the nucleolus, 0 for none, 1 for the largest.
        ki67_probability: of a positive nucleus, given the look.
        ki67: whether the nucleus is positive.
        cd3_probability: of a positive membrane, given the look.
        cd3: whether the membrane is positive.
        ck818_probability: of a positive cytoplasm, given the look.
        ck818: whether the cytoplasm is positive.
        her2_probability: (n, 3) of a membrane score of at least 1+, 2+, 3+, given the look.
        her2: score of the membrane, 0 to 3.
    """

    id: Ints
    kind: NDArray[np.int8]
    y: Floats
    x: Floats
    radius: Floats
    aspect: Floats
    angle: Floats
    z_radius: Floats
    chromatin: Floats
    z_chromatin: Floats
    clumps: Floats
    nucleolus: Floats
    ki67_probability: Floats
    ki67: NDArray[np.bool_]
    cd3_probability: Floats
    cd3: NDArray[np.bool_]
    ck818_probability: Floats
    ck818: NDArray[np.bool_]
    her2_probability: Floats
    her2: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.id)

    def take(self, which: NDArray[np.bool_] | Ints) -> "CellTable":
        """Return some of the cells: a mask or indices."""
        return CellTable(*(getattr(self, field.name)[which] for field in fields(self)))

    def to_csv(self, path: Path) -> None:
        """Write one line per cell below a header; kinds by name, truths as 0 or 1."""
        columns: dict[str, list[object]] = {}
        for field in fields(self):
            values = getattr(self, field.name)
            if field.name == "kind":
                columns["kind"] = [KIND_NAMES[kind] for kind in values]
            elif values.ndim == 2:
                for step in range(values.shape[1]):
                    columns[f"{field.name}_{step + 1}"] = values[:, step].tolist()
            else:
                columns[field.name] = (values.astype(np.int8) if values.dtype == np.bool_ else values).tolist()
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
