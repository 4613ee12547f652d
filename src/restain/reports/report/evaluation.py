"""The report of an evaluation."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from restain.geometry import Mpp
from restain.reports.picture import LIMIT, comparison
from restain.reports.report import doubts
from restain.reports.report.books import CHANNELS, Reading, read_all
from restain.reports.report.cases import (
    Case,
    Ranked,
    Views,
    are_large,
    choose_metric,
    draw_pieces,
    extremes,
    find_cases,
    info_of,
    measure,
    rank,
    read,
)
from restain.reports.report.content import (
    Block,
    Cell,
    Facts,
    Figure,
    Legend,
    Report,
    Section,
    Strip,
    Table,
    Text,
    count,
    number,
    span,
)
from restain.reports.report.figures import draw_agreement, draw_densities
from restain.reports.report.intervals import RESAMPLES, agreement_of, mean_interval, read_patients, units_of
from restain.reports.report.leakage import Leakage, find_leakage
from restain.reports.report.model import SHOWN, Origin, find_origin, is_dab
from restain.reports.report.options import ReportOptions
from restain.reports.report.pictures import legend, panels_of, png_of, strip
from restain.reports.report.readings import readings
from restain.reports.report.record import MetricRecord, Record, read_record
from restain.reports.report.sureness import sureness

PAGE, SHEET = 320, 512
"""Longer edge of a picture in the page, and in its file."""


def report_evaluation(folder: Path, options: ReportOptions) -> Report:
    """Return the report of what ``restain evaluate`` wrote into a folder.

    Raises:
        DataError: files of the evaluation, or its images, that are missing, changed or do not fit together.
        BundleError: a model that was named and is none.
        SlideError: an image that cannot be read.
    """
    record = read_record(folder)
    cases = find_cases(record)
    origin = find_origin(cases, options)
    patients = None if options.patients is None else read_patients(options.patients)
    names = [row.name for row in record.rows]
    units = units_of(names, patients, options.patients)
    dab, why = is_dab(origin.card, options)
    reading = read_all(draw_pieces(record, cases, options.images, options.seed), dab=dab)
    leakage = find_leakage(origin.card, cases, patients)
    shown, changed = _extremes(record, cases, reading, options)
    sure = sureness(record, cases, reading, origin, options, set(units) if patients else ())
    read_outs, against_readings = readings(record, options)
    found = [
        *changed,
        *doubts.doubts_of_identity(record, reading.identical),
        *doubts.doubts_of_leakage(leakage),
        *doubts.doubts_of_values(record, units, patients=patients is not None),
        *doubts.doubts_of_distance(record.distance),
        *sure.doubts,
        *against_readings,
    ]
    sections = [
        Section("Numbers", list(_numbers(record, units, patients is not None, options.seed))),
        Section("Best, median, worst", list(_panels(record, shown, _mpp(cases, origin, options), options))),
        Section("Density of the stain", list(_densities(record, reading, dab, why))),
        Section("Positive area", list(_positive(record, reading, dict(zip(names, units, strict=True)), options.seed))),
        Section("Read-outs", read_outs),
        Section("Uncertainty", sure.blocks),
        Section("Provenance", list(_provenance(record, origin, leakage, options))),
    ]
    return Report(_title(record, origin), _lead(record), found, [section for section in sections if section.blocks])


def _title(record: Record, origin: Origin) -> str:
    if origin.card is not None:
        return f"{origin.card.source.name} to {origin.card.made} by {origin.card.name}"
    return f"{record.pred.name} against {record.target.name}"


def _lead(record: Record) -> str:
    if not record.rows:
        return (
            f"The images of {record.pred} as a set, compared with those of {record.target}. Nothing has a partner, so "
            "there are no values of single images."
        )
    images = "1 virtual image" if len(record.rows) == 1 else f"{len(record.rows)} virtual images"
    source = "" if record.source is None else f" and with what was stained, {record.source}"
    return f"{images} in {record.pred}, compared pixel by pixel with the real ones in {record.target}{source}."


def _mpp(cases: Sequence[Case], origin: Origin, options: ReportOptions) -> Mpp | None:
    """Return the scale of the images: as told, as their files tell, or as the card does."""
    if options.mpp is not None:
        return Mpp.square(options.mpp)
    own = info_of(cases[0]).mpp if cases else None
    if own is None and origin.card is not None and origin.card.mpp is not None:
        return Mpp.square(origin.card.mpp)
    return own


def _numbers(record: Record, units: Sequence[str], patients: bool, seed: int) -> Iterator[Block]:
    if record.metrics:
        rows = []
        for metric in record.metrics:
            interval = mean_interval([row.values[metric.name] for row in record.rows], units, seed)
            cells = [number(metric.mean), span(interval.low, interval.high), number(metric.std, 4)]
            cells += [number(metric.pooled), count(metric.n), Cell(metric.better)]
            rows.append((_with_unit(metric), metric.source, cells))
        what = f"{len(set(units))} patients with all their images" if patients else "images, as patients are not known"
        without = {metric.name: metric.without for metric in record.metrics if metric.without}
        left = "".join(
            f" {name} has no value for {images} images, which its mean leaves out." for name, images in without.items()
        )
        yield Table(
            ["metric", "mean", "95 % interval of the mean", "std", "pooled", "n", "better is"],
            rows,
            f"Means over n images; pooled takes all pixels as one image. Intervals: percentile bootstrap over {what}, "
            f"{RESAMPLES} resamples; they tell what other images would change, not another training.{left}",
        )
    if record.distance is not None:
        found = record.distance
        counts = [count(found.pred), count(found.target)]
        noun, tiles = ("images", "whole images") if found.tile is None else ("tiles", f"tiles of {found.tile} px")
        distances = [
            (each.name, "", [number(each.value), span(each.low, each.high), number(each.floor, 4), *counts])
            for each in found.numbers
        ]
        floor = f"floor, {found.floor} and {found.floor} real" if found.floor else "floor: too few real images"
        yield Table(
            ["distance", "value", "95 % interval", floor, f"n virtual {noun}", f"n real {noun}"],
            distances,
            f"Of {tiles}, from {found.pred_images} virtual and {found.target_images} real images. Features: "
            f"{found.features}, {found.dimension} numbers, SHA-256 of the weights {found.sha256}; only numbers of "
            "the same features and of equally many tiles compare. The floor "
            "is what two random halves of the real images are apart.",
        )


def _with_unit(metric: MetricRecord) -> str:
    return f"{metric.name} ({metric.unit})" if metric.unit else metric.name


def _extremes(
    record: Record, cases: Sequence[Case], reading: Reading, options: ReportOptions
) -> tuple[dict[str, tuple[Ranked, Views]], list[str]]:
    """Return the best, the median and the worst with their pixels, and what is to be said if these have changed."""
    if not record.metrics:
        return {}, []
    metric = choose_metric(record, options.metric)
    ranked = extremes(rank(record, cases, reading.pieces, metric))
    shown = {name: (each, read(each.piece)) for name, each in ranked.items()}
    changed = sorted({each.piece.name for each, views in shown.values() if each.value != measure(metric.name, views)})
    sentence = (
        f"{', '.join(changed)} changed since {metric.name} was measured, so pictures and numbers do not belong "
        "together: run `restain evaluate` again."
    )
    return shown, [sentence] if changed else []


def _panels(
    record: Record, shown: dict[str, tuple[Ranked, Views]], mpp: Mpp | None, options: ReportOptions
) -> Iterator[Block]:
    if not shown:
        return
    metric = choose_metric(record, options.metric)
    many = (
        "regions of 512 px that were drawn at random from the tissue"
        if are_large(record)
        else f"{len(record.rows)} images"
    )
    scale = "" if mpp is not None else " Their scale is not known, so there is no scale bar; pass --mpp."
    yield Text(f"By {metric.name} among {many}.{scale}")
    for name, (ranked, views) in shown.items():
        panels = panels_of(views)
        sheet = comparison(strip(panels, SHEET, mpp), side=SHEET, limit=LIMIT)
        value = number(ranked.value).text
        yield Strip(
            name.replace(" ", "-"),
            name.capitalize(),
            f"{ranked.piece.name}: {metric.name} {value}{f' {metric.unit}' if metric.unit else ''}",
            [(title, png_of(picture)) for title, picture in strip(panels, PAGE, mpp)],
            png_of(sheet),
        )
    yield Legend(png_of(legend()), LIMIT)


def _densities(record: Record, reading: Reading, dab: bool, why: str) -> Iterator[Block]:
    if not reading.densities:
        return
    drawn = draw_densities(reading.densities)
    stains = f"; hematoxylin and DAB as Fiji's H DAB separates them ({why})" if dab else f". Not as DAB: {why}"
    yield Figure(
        "densities",
        drawn,
        f"Optical density, base 10, of red, green and blue{stains}. {_read(record, reading)}",
    )
    rows = []
    for density in reading.densities:
        virtual, real = density.means
        what = "channel" if density.name in CHANNELS else "amount"
        rows.append((density.name, what, [number(virtual, 4), number(real, 4), number(virtual - real, 3)]))
    yield Table(["mean optical density", "virtual", "real", "difference"], rows)


def _positive(record: Record, reading: Reading, units: Mapping[str, str], seed: int) -> Iterator[Block]:
    of_pieces = [units[piece.case.name] for piece in reading.pieces]
    if not reading.positive or len(set(of_pieces)) < 2:
        return
    pairs = [(100 * virtual, 100 * real) for virtual, real in reading.positive]
    found = agreement_of(pairs, of_pieces, seed)
    yield Figure(
        "agreement",
        draw_agreement(pairs, found.bias.value, found.lower.value, found.upper.value, "% of pixels"),
        "Share of positive pixels (grey level of DAB at most 100, a density of 0.41). The dashed limits hold 95 % of "
        f"the differences, if these are normal. {_read(record, reading)}",
    )
    names = {"bias": found.bias, "lower limit": found.lower, "upper limit": found.upper, "ICC(2,1)": found.icc}
    yield Table(
        ["positive area, virtual minus real, % of pixels", "value", "95 % interval", "n"],
        [
            (name, "", [number(each.value, 4), span(each.low, each.high), count(found.n)])
            for name, each in names.items()
        ],
        "ICC(2,1) is the intraclass correlation for absolute agreement; 1 is perfect.",
    )


def _read(record: Record, reading: Reading) -> str:
    """Return which pixels a figure is of."""
    if are_large(record):
        slides = len({piece.case.name for piece in reading.pieces})
        return (
            f"Of {len(reading.pieces)} regions of tissue, drawn at random from {slides} of {len(record.rows)} images."
        )
    if len(reading.pieces) < len(record.rows):
        return f"Of {len(reading.pieces)} images, drawn at random from {len(record.rows)}."
    return f"Of all {len(reading.pieces)} images."


def _provenance(record: Record, origin: Origin, leakage: Leakage, options: ReportOptions) -> Iterator[Block]:
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    entries = [
        ("measured", f"{record.date} (as its file says), by {versions}"),
        ("again by", record.command),
        ("virtual images", str(record.pred)),
        ("real images", str(record.target)),
    ]
    if record.source is not None:
        entries.append(("stained images", str(record.source)))
    entries += [(f"SHA-256 of {name}", digest) for name, digest in record.digests.items()]
    if record.distance is not None:
        entries.append((f"features {record.distance.features}", f"SHA-256 {record.distance.sha256}"))
    if origin.notes:
        entries += [(name, origin.notes[name]) for name in SHOWN if name in origin.notes]
    else:
        entries.append(("model", "the virtual images do not say what made them"))
    if origin.card is not None:
        entries += [("licence of the weights", origin.card.licence), ("bundle", str(origin.folder))]
    entries += [("training images", leakage.compared), ("seed of this page", str(options.seed))]
    yield Facts(entries)
