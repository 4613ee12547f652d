"""``restain mask``."""

from pathlib import Path
from typing import Annotated

import typer


def mask(
    images: Annotated[Path, typer.Argument(help="A folder of images stained with hematoxylin and DAB.")],
    out: Annotated[Path, typer.Option(help="Folder for the masks: PNG files of the same names, 0 and 255.")],
    threshold: Annotated[
        str, typer.Option(help="auto, musigma, otsu, mixture, or the optical density of DAB above which is positive.")
    ] = "auto",
    per_image: Annotated[
        bool, typer.Option("--per-image", help="A threshold for each image instead of one for all.")
    ] = False,
    fill: Annotated[
        bool, typer.Option("--fill/--no-fill", help="Make glands of a marker of cytoplasm: close gaps, fill nuclei.")
    ] = False,
    mpp: Annotated[
        float | None, typer.Option(help="Micrometres per pixel of the images, overriding the files.")
    ] = None,
) -> None:
    """Mask where a marker is, by threshold and morphology. The same command resumes one that was stopped or killed."""
    from rich.console import Console

    from restain.cli.progress import progress_bar
    from restain.geometry import Mpp
    from restain.inference import mask_folder
    from restain.tissue import GLANDS, CoarseMaskConfig, parse_rule

    console = Console()
    with progress_bar(console) as show:
        for progress in mask_folder(
            images,
            out,
            threshold=parse_rule(threshold),
            per_image=per_image,
            steps=GLANDS if fill else CoarseMaskConfig(),
            mpp=None if mpp is None else Mpp.square(mpp),
            tell=lambda sentence: console.print(sentence, markup=False, highlight=False, soft_wrap=True),
        ):
            show(progress)
    console.print(f"masks: {out}", markup=False, highlight=False, soft_wrap=True)
