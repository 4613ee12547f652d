"""The report of an evaluation or of a training run: one page that needs nothing else, and its figures."""

from restain.reports.report.content import Report
from restain.reports.report.evaluation import report_evaluation
from restain.reports.report.options import ReportOptions
from restain.reports.report.page import render
from restain.reports.report.report import write_report
from restain.reports.report.training import report_run

__all__ = ["Report", "ReportOptions", "render", "report_evaluation", "report_run", "write_report"]
