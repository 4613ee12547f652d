"""What a report says of the read-outs of a pathologist that were found beside an evaluation."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from restain.metrics.resampling import FEW
from restain.reports.report.content import Block, Cell, Figure, Table, Text, count, number, span
from restain.reports.report.figures import draw_agreement
from restain.reports.report.found import find_file, parse_file
from restain.reports.report.options import ReportOptions
from restain.reports.report.record import Record, as_number

UNITS = {"percent": "percent positive, points", "h_score": "H-score", "her2": "HER2 score"}
LINES = {
    "bias": "bias, virtual minus real",
    "lower": "lower limit of agreement",
    "upper": "upper limit of agreement",
    "icc": "ICC(2,1), absolute agreement",
    "icc_consistency": "ICC(3,1), consistency",
    "exact": "share in the same class",
    "linear": "kappa, linear weights",
    "quadratic": "kappa, quadratic weights",
}
"""What each number of a comparison is."""


def readings(record: Record, options: ReportOptions) -> tuple[Sequence[Block], Sequence[str]]:
    """Return what there is to say of ``readout.json``, and what speaks against it.

    Raises:
        DataError: a file that was named and is not there, or one that is damaged.
    """
    path = find_file(record, "readout.json", options.readout)
    if path is None:
        return (), ()
    return parse_file(path, "readout", lambda tree: (list(_blocks(tree)), list(_doubts(tree))))


def _blocks(tree: dict[str, Any]) -> Iterator[Block]:
    yield Text(f"{tree['options']['marker']}, read by restain readout in {tree['pred']}; {tree['purpose']}.")
    if "draws" in tree:
        yield _table_of_draws(tree)
        return
    if tree["agreement"] is None:
        yield _table_of_images(tree["images"])
        return
    found = tree["agreement"]
    both = [(image["pred"]["percent_positive"], image["target"]["percent_positive"]) for image in tree["images"]]
    pairs = [pair for pair in both if None not in pair]
    bias, lower, upper = (found["percent"][name]["value"] for name in ("bias", "lower", "upper"))
    yield Figure(
        "readings",
        draw_agreement(pairs, bias, lower, upper, "% positive"),
        f"Percent positive cells of {len(pairs)} images. The dashed limits hold 95 % of the differences, if these are "
        "normal.",
    )
    rows = [
        (f"{UNITS[kind]}: {LINES[name]}", "", [*_cells(entry), count(found[kind]["n"])])
        for kind in UNITS
        if found[kind] is not None
        for name, entry in found[kind].items()
        if name != "n"
    ]
    rows += [
        (
            f"{UNITS[kind]}: ICC(2,1) of pairs that do not belong together",
            "",
            [*_mismatched(entry), count(found["images"])],
        )
        for kind, entry in found["shuffled"].items()
    ]
    yield Table(
        ["agreement", "value", "95 % interval", "n"],
        rows,
        f"Over {found['patients']} patients. Agreement within the range of pairs that do not belong together may be "
        "chance.",
    )


def _table_of_draws(tree: dict[str, Any]) -> Table:
    kind = tree["interval"]["kind"]
    rows = [
        (name, "", _cells(tree[key]))
        for name, key in (("percent positive", "percent_positive"), ("H-score", "h_score"))
    ]
    return Table([f"of {tree['draws']} draws", "value", "interval"], rows, f"An {kind}: it promises nothing.")


def _table_of_images(images: Sequence[dict[str, Any]]) -> Table:
    shown = images[:20]
    keys = ("cells", "percent_positive", "h_score")
    rows = [(image["name"], "", [number(as_number(image["pred"][key]), 4) for key in keys]) for image in shown]
    more = f"And {len(images) - len(shown)} more images." if len(images) > len(shown) else ""
    return Table(["virtual image", "cells", "percent positive", "H-score"], rows, more)


def _cells(entry: dict[str, Any]) -> list[Cell]:
    value, low, high = (as_number(entry[key]) for key in ("value", "low", "high"))
    return [number(value, 4), span(low, high)]


def _mismatched(entry: dict[str, Any]) -> list[Cell]:
    return [number(as_number(entry["icc"]), 4), span(as_number(entry["low"]), as_number(entry["high"]))]


def _doubts(tree: dict[str, Any]) -> Iterator[str]:
    if "draws" in tree:
        yield "The read-out of draws has an interval that is not calibrated: it promises nothing."
        return
    found = tree["agreement"]
    if found is None:
        return
    if found["patients"] < FEW:
        yield (
            f"Read-outs are of {found['patients']} patients: below {FEW} intervals of their agreement are too narrow "
            "and tell little of others."
        )
    for kind, entry in found["shuffled"].items():
        name = "icc" if kind in ("percent", "h_score") else "quadratic"
        value, chance = as_number(found[kind][name]["value"]), as_number(entry["high"])
        if not math.isnan(value) and value <= chance:
            yield (
                f"Read-outs of {UNITS[kind]} agree no better ({value:.3g}) than those of images that do not belong "
                f"together (up to {chance:.3g}): the agreement may be chance."
            )
