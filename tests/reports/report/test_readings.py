import json

import pytest
import typer
from typer.testing import CliRunner

from restain.cli.readout import readout
from restain.reports.report import ReportOptions, write_report
from restain.reports.report.readings import readings
from restain.reports.report.record import read_record

from .conftest import Page


@pytest.fixture(scope="module")
def read(whole, tmp_path_factory):
    """The read-outs of the twelve tiles by the command itself."""
    out = tmp_path_factory.mktemp("readout")
    app = typer.Typer()
    app.command()(readout)
    arguments = [whole.root / "virtual", "--marker", "ki67", "--target", whole.root / "real", "--out", out]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return out / "readout.json"


def test_agreement_of_read_outs_is_that_of_their_file(whole, read, tmp_path):
    page = Page(write_report(whole.scores, tmp_path, ReportOptions(readout=read)))
    found = json.loads(read.read_text())["agreement"]
    for kind, name in (("percent", "percent positive, points"), ("h_score", "H-score")):
        for line, key in (("bias, virtual minus real", "bias"), ("ICC(2,1), absolute agreement", "icc")):
            value, interval, n = page.rows[f"{name}: {line}"]
            assert float(value[1]) == found[kind][key]["value"]
            assert list(map(float, interval[1].split())) == [found[kind][key]["low"], found[kind][key]["high"]]
            assert int(n[1]) == found[kind]["n"]
    assert (tmp_path / "readings.png").is_file()


def test_agreement_no_better_than_chance_and_few_patients_are_told(whole, read, tmp_path, undrawn):
    record = read_record(whole.scores)

    def said(**changes) -> str:
        tree = json.loads(read.read_text())
        tree["agreement"] |= changes
        path = tmp_path / "readout.json"
        path.write_text(json.dumps(tree))
        return " ".join(readings(record, ReportOptions(readout=path))[1])

    chance = {"percent": {"icc": 0.0, "low": -0.5, "high": 0.999999, "shuffles": 100}}
    sure = {"percent": {"icc": 0.0, "low": -0.5, "high": -0.4, "shuffles": 100}}
    assert "agree no better" in said(shuffled=chance)
    assert "agree no better" not in said(shuffled=sure)
    assert "Read-outs are of 9 patients" in said(patients=9)
    assert "Read-outs are of" not in said(patients=10)
