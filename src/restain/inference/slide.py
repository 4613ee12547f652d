"""Staining a slide into a slide, in bounded memory, to be killed and started again at will."""

import hashlib
import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

from restain.bundle import Model
from restain.errors import RestainWarning
from restain.geometry import Mpp, Region
from restain.inference.engine import count_tissue, plan_tiles, stain_tiles
from restain.inference.options import StainOptions
from restain.inference.output import check_output, files_of
from restain.inference.progress import Progress
from restain.inference.provenance import provenance
from restain.inference.source import Source
from restain.inference.stainer import Stainer
from restain.slides import SlideReader, SlideWriter, create_slide, create_slides, open_slide, overview, read_at
from restain.slides.failures import writing
from restain.tissue import TilePlan, tissue_mask

OVERVIEW_MPP = 10.0
"""Scale of the picture in which tissue is looked for: a cell per pixel."""

OVERVIEW_SIDE = 2048
"""Its longest edge, which bounds its memory at 200 MB, before the model needs any; slides of 20 mm or less fit."""

SMALLEST_OVERVIEW = 100
"""Slides shorter than a millimetre are stained wholly: there is little to save, and too little to tell glass by."""

UNKNOWN_MPP = 0.5
"""Scale assumed for the overview alone where nobody knows it: that of a 20x scan."""


def stain_slide(
    path: Path | str, model: Model, out: Path | str, *, mpp: Mpp | None = None, options: StainOptions = StainOptions()
) -> None:
    """Stain a slide into a pyramidal OME-TIFF of the same extent and scale, or one per stain of a model of several.

    A call that was killed goes on where it was when it is made again with the same arguments. Nothing stands under the
    final name before it is whole. Memory does not depend on the extent of the slide, but for a strip of the width of
    the slide and half a halo (see ``Blender``).

    Args:
        path: anything ``open_slide`` opens.
        model: from ``load_model``; its networks are moved to the device.
        out: the result, ending in ``.tif`` or ``.tiff``, best in ``.ome.tiff``; of several stains each has its name
            before the suffix, as in ``out.CD3.ome.tiff``.
        mpp: scale of the slide, where the file does not tell it or is wrong.
        options: how the model is run.

    Raises:
        SlideError: the slide cannot be opened or read.
        BundleError: the model takes other channels.
        ScaleError: the scale is needed and missing.
        ConfigError: a device that is not there or too small, or sampling options for a model that does not sample.
        OutputError: the result cannot be written.
    """
    for _ in run_slide(Path(path), Stainer(model, options), Path(out), mpp):
        pass


def run_slide(path: Path, stainer: Stainer, out: Path, mpp: Mpp | None) -> Iterator[Progress]:
    """Do the work of ``stain_slide`` and tell how far it is."""
    card = stainer.model.card
    files = files_of(out, card)
    for file in files:
        check_output(path, file)
    with open_slide(path, mpp) as reader:
        info, source, note = reader.info, Source(reader, card), provenance(path, stainer)
        plan = plan_slide(reader, source, stainer)
        slides = {file: stain.channels for file, stain in zip(files, card.targets, strict=True)}
        tile = plan.across.stride if source.is_native else 512
        with create_slides(
            slides, info.size, info.mpp, compression=stainer.options.compression, tile=tile, provenance=note
        ) as writer:
            if source.is_native:
                yield from _stain(source, plan, stainer, writer)
            else:
                yield from _stain_rescaled(source, plan, stainer, writer, reader, out, note)
    _remove_spools(out, keep="")


def plan_slide(reader: SlideReader, source: Source, stainer: Stainer) -> TilePlan:
    """Cut a slide into tiles and find those with tissue; warns where there is none."""
    info = reader.info
    own = UNKNOWN_MPP if info.mpp is None else info.mpp.mean
    side = max(info.size.width, info.size.height) * own / OVERVIEW_MPP
    if side < SMALLEST_OVERVIEW:
        return plan_tiles(source.size, stainer.model, None)
    mask = tissue_mask(overview(reader, min(round(side), OVERVIEW_SIDE)).image)
    if not mask.any():
        warnings.warn(f"{info.path} shows no tissue; its stain is empty glass.", RestainWarning, stacklevel=2)
    return plan_tiles(source.size, stainer.model, mask)


def _stain(source: Source, plan: TilePlan, stainer: Stainer, writer: SlideWriter) -> Iterator[Progress]:
    """Stain from the first row on that is not whole."""
    side = writer.tile
    first_row = next(
        (
            row[0].row
            for row in plan.rows()
            if not all(writer.has(part.at) for tile in row for part in tile.core.tiles(side))
        ),
        plan.down.count,
    )
    total = count_tissue(plan)
    done = total - count_tissue(plan, first_row)
    yield Progress("staining", done, total)
    if first_row == plan.down.count:
        return
    for tile, pixels in stain_tiles(source, plan, stainer, first_row):
        writer.write(pixels, tile.core.at)
        if tile.is_tissue:
            done += 1
            yield Progress("staining", done, total)


def _stain_rescaled(
    source: Source,
    plan: TilePlan,
    stainer: Stainer,
    writer: SlideWriter,
    reader: SlideReader,
    out: Path,
    note: dict[str, str],
) -> Iterator[Progress]:
    """Stain at the model's scale into a lossless slide beside the output, then bring that to the scale of the input.

    The final ``writer`` is open all the time: its lock keeps other processes away from the spool too.
    """
    channels = stainer.model.card.channels_out
    folder = _spool_folder(out)
    digest = hashlib.sha256(json.dumps([note, str(source.mpp), str(source.size)]).encode()).hexdigest()[:16]
    spool = folder / f"{digest}.ome.tiff"
    with writing(folder):
        _remove_spools(out, keep=digest)
        folder.mkdir(exist_ok=True)
    if not spool.exists():
        with create_slide(
            spool, source.size, source.mpp, channels, compression="zstd", tile=plan.across.stride, provenance=note
        ) as virtual:
            yield from _stain(source, plan, stainer, virtual)
    info = reader.info
    parts = list(Region.of(info.size).tiles(writer.tile))
    with open_slide(spool) as virtual_reader:
        for done, part in enumerate(parts, start=1):
            if not writer.has(part.at):
                writer.write(read_at(virtual_reader, part, info.require_mpp()), part.at)
            yield Progress("rescaling", done, len(parts))


def _spool_folder(out: Path) -> Path:
    return out.with_name(f"{out.name}.spool")


def _remove_spools(out: Path, keep: str) -> None:
    """Remove the spools of an output, finished or not, but for those of the job to keep, and nothing else."""
    folder = _spool_folder(out)
    for spool in [*folder.glob("*.ome.tiff"), *folder.glob("*.ome.tiff.partial")]:
        if not keep or not spool.name.startswith(keep):
            shutil.rmtree(spool) if spool.is_dir() else spool.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
