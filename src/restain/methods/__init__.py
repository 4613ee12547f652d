"""Methods: one file per method (family), and the catalogue of them."""

from restain.methods.base import Batch, Method, Part
from restain.methods.catalogue import METHODS, build_method, find_method

__all__ = ["METHODS", "Batch", "Method", "Part", "build_method", "find_method"]
