"""Methods: one file per method (family), and the catalogue of them."""

from restain.methods.base import Batch, Method, Side
from restain.methods.catalogue import METHODS, build_method, find_method

__all__ = ["METHODS", "Batch", "Method", "Side", "build_method", "find_method"]
