"""Staining a slide into a slide, in bounded memory, to be killed and started again at will."""

import hashlib
import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import final

from restain.bundle import Model
from restain.errors import RestainWarning
from restain.geometry import Mpp, Region
from restain.inference.engine import count_tissue, plan_tiles
from restain.inference.options import StainOptions
from restain.inference.output import check_output
from restain.inference.products import files_for, products_of
from restain.inference.progress import Progress
from restain.inference.provenance import provenance
from restain.inference.source import Source
from restain.inference.stainer import Stainer
from restain.inference.tissue import tissue_to_stain
from restain.inference.uncertainty import Uncertainty, UncertaintyOptions, finished_tiles
from restain.inference.uncertainty_summary import write_summaries, write_text
from restain.slides import SlideReader, SlideWriter, create_slide, create_slides, open_slide, read_at
from restain.slides.failures import writing
from restain.slides.spool import is_unfinished
from restain.tissue import TilePlan


def stain_slide(
    path: Path | str,
    model: Model,
    out: Path | str,
    *,
    mpp: Mpp | None = None,
    options: StainOptions = StainOptions(),
    uncertainty: UncertaintyOptions | None = None,
) -> None:
    """Stain a slide into a pyramidal OME-TIFF of the same extent and scale, or one per stain of a model of several.

    A call that was killed goes on where it was when it is made again with the same arguments. Nothing stands under the
    final name before it is whole. Memory does not depend on the extent of the slide, but for a strip of the width of
    the slide and half a halo (see ``Blender``), one for each sample.

    Args:
        path: anything ``open_slide`` opens.
        model: from ``load_model``; its networks are moved to the device.
        out: the result, ending in ``.tif`` or ``.tiff``, best in ``.ome.tiff``; of several stains each has its name
            before the suffix, as in ``out.CD3.ome.tiff``.
        mpp: scale of the slide, where the file does not tell it or is wrong.
        options: how the model is run.
        uncertainty: what is told of how sure the model is, beside the stain; None for nothing.

    Raises:
        SlideError: the slide cannot be opened or read.
        BundleError: the model takes other channels.
        ScaleError: the scale is needed and missing.
        ConfigError: a device that is not there or too small, sampling options for a model that does not sample, or
            intervals that it does not have (see ``Uncertainty``).
        OutputError: the result cannot be written.
    """
    stainer = Stainer(model, options)
    sureness = None if uncertainty is None else Uncertainty(stainer, uncertainty)
    for _ in run_slide(Path(path), stainer, Path(out), mpp, sureness):
        pass


def run_slide(
    path: Path, stainer: Stainer, out: Path, mpp: Mpp | None, uncertainty: Uncertainty | None = None
) -> Iterator[Progress]:
    """Do the work of ``stain_slide`` and tell how far it is."""
    job = _Job(path, stainer, out, mpp, uncertainty)
    for file in job.files:
        check_output(path, file)
    if uncertainty is None or not job.is_painted():
        job.painted_note.unlink(missing_ok=True)  # it speaks of slides that are now replaced
        yield from _paint(job, mpp)
    if uncertainty is None:
        return
    yield Progress("measuring", 0, 1)
    write_summaries(path, mpp, stainer, uncertainty, job.files)
    job.painted_note.unlink()
    yield Progress("measuring", 1, 1)


def plan_slide(reader: SlideReader, source: Source, stainer: Stainer) -> TilePlan:
    """Cut a slide into tiles and find those with tissue; warns where there is none."""
    mask = tissue_to_stain(reader)
    if mask is not None and not mask.any():
        warnings.warn(f"{reader.info.path} shows no tissue; its stain is empty glass.", RestainWarning, stacklevel=2)
    return plan_tiles(source.size, stainer.model, mask)


@final
class _Job:
    """What a call makes of a slide.

    Args:
        path: the slide.
        stainer: the model.
        out: the name of the result.
        mpp: scale of the slide, where the user tells it.
        uncertainty: what is told of it.
    """

    def __init__(
        self, path: Path, stainer: Stainer, out: Path, mpp: Mpp | None, uncertainty: Uncertainty | None
    ) -> None:
        card = stainer.model.card
        self.path, self.stainer, self.out, self.uncertainty = path, stainer, out, uncertainty
        self.products = products_of(card) if uncertainty is None else uncertainty.products
        self.files = files_for(out, card, self.products)
        self.note = provenance(path, stainer, mpp) | ({} if uncertainty is None else uncertainty.note)

    @property
    def painted_note(self) -> Path:
        """A file that says that all slides are painted and only the summary is missing."""
        return self.out.with_name(f"{self.out.name}.painted")

    @property
    def painted_text(self) -> str:
        """What stands in that file: all that the slides depend on."""
        return json.dumps(self.note | {"compression": self.stainer.options.compression})

    def is_painted(self) -> bool:
        """Whether an earlier call made all slides, in the same way, and died over the summary."""
        note = self.painted_note
        is_same = note.is_file() and note.read_text(encoding="utf-8") == self.painted_text
        return is_same and all(file.is_file() and not is_unfinished(file) for file in self.files)


def _paint(job: _Job, mpp: Mpp | None) -> Iterator[Progress]:
    """Make the slides."""
    stainer = job.stainer
    slides = {file: product.channels for file, product in zip(job.files, job.products, strict=True)}
    told = {file for file, product in zip(job.files, job.products, strict=True) if product.content != "stain"}
    with open_slide(job.path, mpp) as reader:
        info, source = reader.info, Source(reader, stainer.model.card)
        plan = plan_slide(reader, source, stainer)
        tile, compression = plan.across.stride if source.is_native else 512, stainer.options.compression
        with create_slides(
            slides, info.size, info.mpp, compression=compression, lossless=told, tile=tile, provenance=job.note
        ) as writer:
            if source.is_native:
                yield from _stain(source, plan, job, writer)
            else:
                yield from _stain_rescaled(source, plan, job, writer, reader)
            if job.uncertainty is not None:
                write_text(job.painted_note, job.painted_text)
    _remove_spools(job.out, keep="")


def _stain(source: Source, plan: TilePlan, job: _Job, writer: SlideWriter) -> Iterator[Progress]:
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
    for tile, pixels in finished_tiles(source, plan, job.stainer, job.uncertainty, first_row):
        writer.write(pixels, tile.core.at)
        if tile.is_tissue:
            done += 1
            yield Progress("staining", done, total)


def _stain_rescaled(
    source: Source, plan: TilePlan, job: _Job, writer: SlideWriter, reader: SlideReader
) -> Iterator[Progress]:
    """Stain at the model's scale into a lossless slide beside the output, then bring that to the scale of the input.

    Intervals are made at the model's scale, at which they are calibrated, and brought along. The final ``writer`` is
    open all the time: its lock keeps other processes away from the spool too.
    """
    channels = tuple(channel for product in job.products for channel in product.channels)
    folder = _spool_folder(job.out)
    digest = hashlib.sha256(json.dumps([job.note, channels, str(source.mpp), str(source.size)]).encode()).hexdigest()[
        :16
    ]
    spool = folder / f"{digest}.ome.tiff"
    with writing(folder):
        _remove_spools(job.out, keep=digest)
        folder.mkdir(exist_ok=True)
    if not spool.exists():
        with create_slide(
            spool, source.size, source.mpp, channels, compression="zstd", tile=plan.across.stride, provenance=job.note
        ) as virtual:
            yield from _stain(source, plan, job, virtual)
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
