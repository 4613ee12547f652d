"""The demonstration: a slide of synthetic tissue, stained virtually, and measured against the truth."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from restain.bundle import SHIPPED
from restain.geometry import Mpp, Region, Size
from restain.inference import Progress, Stainer, StainOptions, load_model
from restain.inference.slide import run_slide
from restain.phantom import Extent, Phantom, PhantomSlide, Stain, write_phantom
from restain.reports import LIMIT, CellReading, Evaluation, comparison, difference, evaluate, read_ki67
from restain.slides import open_slide, save_image

MODEL = SHIPPED / "he-ki67-phantom"
SEED = 7
"""Of the demo's tissue; models are trained on seeds from 1000 on."""
MPP = Mpp.square(0.5)
SHOWN = 512
"""Edge of the field in the picture, in pixels."""


@final
@dataclass(frozen=True)
class Demo:
    """What the demonstration leaves.

    Attributes:
        source: the H&E slide.
        virtual: the virtual Ki67 slide.
        real: the Ki67 slide of the same section.
        picture: H&E, virtual, real and their difference side by side.
        evaluation: virtual against real, pixel by pixel.
        cells: virtual and real against the truth, cell by cell.
    """

    source: Path
    virtual: Path
    real: Path
    picture: Path
    evaluation: Evaluation
    cells: CellReading


def run_demo(out: Path, size: Size, report: Callable[[Progress], None]) -> Demo:
    """Render a slide, stain it with the shipped model, measure, and draw.

    Args:
        out: folder for everything.
        size: of the slide in pixels, at 0.5 um/px.
        report: called with the progress.

    Raises:
        OutputError: the folder cannot be written to.
    """
    phantom = Phantom(SEED, Extent.of(size, MPP))
    source, virtual, real = (out / f"{name}.ome.tiff" for name in ("he", "ki67-virtual", "ki67-real"))
    out.mkdir(parents=True, exist_ok=True)
    stains: tuple[tuple[Stain, Path], ...] = (("he", source), ("ki67", real))
    for done, (stain, path) in enumerate(stains):
        report(Progress("rendering", done, len(stains)))
        write_phantom(path, PhantomSlide(phantom, stain, size, MPP))
    report(Progress("rendering", len(stains), len(stains)))

    for progress in run_slide(source, Stainer(load_model(MODEL), StainOptions()), virtual, None):
        report(progress)

    report(Progress("measuring", 0, 2))
    evaluation = evaluate(virtual, real, out)
    report(Progress("measuring", 1, 2))
    with open_slide(virtual) as virtual_slide, open_slide(real) as real_slide, open_slide(source) as source_slide:
        cells = read_ki67({"virtual": virtual_slide, "real": real_slide}, phantom)
        field = Region((size.width - SHOWN) // 2, (size.height - SHOWN) // 2, SHOWN, SHOWN)
        he, made, true = (slide.read(field) for slide in (source_slide, virtual_slide, real_slide))
    panels = [("H&E", he), ("virtual Ki67", made), ("real Ki67", true), ("difference", difference(made, true))]
    picture = out / "comparison.png"
    save_image(picture, comparison(panels, limit=LIMIT))
    report(Progress("measuring", 2, 2))
    return Demo(source, virtual, real, picture, evaluation, cells)
