import numpy as np
from PIL import Image

from restain.reports import evaluate


def test_a_report_is_written_and_named(restain, tmp_path):
    for folder, level in (("pred", 90), ("target", 100)):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.full((16, 16, 3), level, np.uint8)).save(tmp_path / folder / "a.png")
    evaluate(tmp_path / "pred", tmp_path / "target", tmp_path / "scores", metrics=["l1"])
    outcome = restain("report", tmp_path / "scores", "--out", tmp_path / "page")
    assert outcome.code == 0, outcome.err
    assert f"report: {tmp_path / 'page' / 'report.html'}" in outcome.out
    assert (tmp_path / "page" / "report.html").is_file()


def test_a_folder_without_anything_says_what_to_run(restain, tmp_path):
    outcome = restain("report", tmp_path)
    assert outcome.code == 2
    assert "neither evaluation.json nor a run's config.yaml" in outcome.err
    assert restain("report", tmp_path, "--images", 0).code == 2
