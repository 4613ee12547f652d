import yaml

TREE = {
    "name": "references",
    "datasets": {
        "ki67": {
            "source": {"name": "H&E"},
            "target": {"name": "Ki67"},
            "data": {"kind": "phantom", "slides": 1, "side": 32, "test_slides": 2},
        }
    },
    "cells": [{"name": "truth", "model": "truth"}, {"name": "source", "model": "identity"}],
    "tables": [{"name": "all", "columns": ["psnr", "l1"]}],
}


def write(tmp_path, **changes):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**TREE, "out": str(tmp_path / "out"), **changes}))
    return path


def test_a_dry_run_tells_what_is_to_do_and_does_nothing(restain, tmp_path):
    outcome = restain("study", write(tmp_path), "--dry-run")
    assert outcome.code == 0
    assert "cell ki67, truth missing" in outcome.out
    assert not (tmp_path / "out").exists()


def test_a_study_says_where_its_tables_are(restain, tmp_path):
    outcome = restain("study", write(tmp_path), "--only", "source")
    assert outcome.code == 0
    assert str(tmp_path / "out" / "study.html") in outcome.out
    assert "| source |" in (tmp_path / "out" / "tables" / "all.md").read_text()
    assert "cell ki67, source done" in restain("study", write(tmp_path), "--dry-run").out


def test_a_part_that_fails_is_told_at_the_end_with_exit_code_2(restain, tmp_path):
    outcome = restain("study", write(tmp_path), "datasets.ki67.test_images=5")
    assert outcome.code == 2
    assert "has 2 test images, and the study takes 5" in outcome.err
    assert "study.html" in outcome.out


def test_a_wrong_name_is_told_before_anything_is_done(restain, tmp_path):
    outcome = restain("study", write(tmp_path), "--only", "surce")
    assert outcome.code == 2
    assert outcome.err == "error: there is no cell 'surce': did you mean 'source'."
    assert not (tmp_path / "out").exists()
