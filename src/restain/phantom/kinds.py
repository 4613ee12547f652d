"""The kinds of cells, and the classes of pixels."""

EPITHELIUM, LYMPHOCYTE, STROMA = 0, 1, 2
"""Kinds of cells."""

KIND_NAMES = ("epithelium", "lymphocyte", "stroma")
"""Names of the kinds, by number."""

CLASS_NAMES = (
    "glass",
    "stroma",
    "epithelium",
    "lumen",
    "epithelial nucleus",
    "lymphocyte nucleus",
    "stromal nucleus",
)
"""Names of the pixel classes, by number; a nucleus' class is ``FIRST_NUCLEUS`` plus the cell's kind."""

GLASS, STROMA_MATRIX, CYTOPLASM, LUMEN, FIRST_NUCLEUS = 0, 1, 2, 3, 4
"""Pixel classes."""
