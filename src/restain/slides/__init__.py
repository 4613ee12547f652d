"""Slides and plain images: read at any scale, write as pyramids that every viewer opens."""

from restain.slides.channel_names import contradict, first_difference, in_words
from restain.slides.folders import image_name, images_in
from restain.slides.images import save_image
from restain.slides.ome_tiff_writer import create_slide
from restain.slides.opening import open_slide
from restain.slides.reader import RGB, SlideInfo, SlideReader, background_of
from restain.slides.split_writer import create_slides
from restain.slides.view import Overview, overview, read_at, scale_at, size_at
from restain.slides.writer import SlideWriter

__all__ = [
    "RGB",
    "Overview",
    "SlideInfo",
    "SlideReader",
    "SlideWriter",
    "background_of",
    "contradict",
    "create_slide",
    "create_slides",
    "first_difference",
    "image_name",
    "images_in",
    "in_words",
    "open_slide",
    "overview",
    "read_at",
    "save_image",
    "scale_at",
    "size_at",
]
