"""From a folder to its report."""

from pathlib import Path

from restain.errors import DataError
from restain.reports.report.evaluation import report_evaluation
from restain.reports.report.options import ReportOptions
from restain.reports.report.page import write
from restain.reports.report.record import JSON
from restain.reports.report.training import report_run
from restain.training.folder import RESOLVED


def write_report(place: Path, out: Path | None = None, options: ReportOptions = ReportOptions()) -> Path:
    """Write the page of an evaluation or a training run, and PNG files of its figures.

    The same files give the same page, byte by byte.

    Args:
        place: folder that ``restain evaluate --out`` or ``restain train`` wrote.
        out: folder for ``report.html`` and the PNG files; None for ``report`` in that folder.
        options: of the report of an evaluation.

    Returns:
        The page.

    Raises:
        DataError: the folder holds neither, or what it holds is damaged, of another version, or without its images.
        BundleError, ConfigError, SlideError: a model, a configuration or an image that cannot be read.
        OutputError: the disk does not take the page.
    """
    out = place / "report" if out is None else out
    if (place / JSON).is_file():
        return write(report_evaluation(place, options), out)
    if (place / RESOLVED).is_file():
        return write(report_run(place), out)
    raise DataError(
        f"{place} holds neither {JSON} nor a run's {RESOLVED}",
        fix="pass the folder of `restain evaluate --out` or of `restain train`",
    )
