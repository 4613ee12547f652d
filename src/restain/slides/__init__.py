"""Slides and plain images: read at any scale, write as pyramids that every viewer opens."""

from restain.slides.reader import RGB, SlideInfo, SlideReader, background_of
from restain.slides.writer import SlideWriter

__all__ = ["RGB", "SlideInfo", "SlideReader", "SlideWriter", "background_of"]
