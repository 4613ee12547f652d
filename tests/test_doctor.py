"""Each check sees what is broken, and says what mends it."""

import sys
from importlib import metadata
from pathlib import Path

import imagecodecs
import pytest
import typer
from typer.testing import CliRunner

from restain import doctor
from restain.bundle import Card, Stain, save_bundle
from restain.cli.doctor import doctor as command
from restain.diffusion import Sampling
from restain.doctor import GIBIBYTE, Finding, Status, examine
from restain.methods import build_method

SMALL = {"width": 8, "multipliers": (1,), "blocks": 1, "attention": (), "middle_attention": False}
VERSIONS = {"good": "2.1.0", "old": "1.9", "prerelease": "3.0rc1"}


def card_of():
    """Return the card of a small model."""
    return Card(
        name="small",
        summary="A test.",
        source=Stain(name="H&E"),
        target=Stain(name="Ki67"),
        mpp=0.5,
        tile=64,
        halo=16,
        sampling=Sampling(),
        method="regression",
        method_config={"unet": SMALL},
        training={},
        metrics={},
        licence="Apache-2.0",
    )


def version_of(name):
    if name not in VERSIONS:
        raise metadata.PackageNotFoundError(name)
    return VERSIONS[name]


def packages(*requirements):
    return {finding.topic: finding for finding in doctor.packages_among(requirements, version_of)}


def test_nothing_is_wrong_here():
    findings = list(examine())
    assert [finding for finding in findings if finding.status is Status.PROBLEM] == []
    assert {"restain", "packages", "device", "memory", "disk", "codecs", "OpenSlide"} <= {
        finding.topic for finding in findings
    }


def test_every_check_of_the_list_says_something_that_can_be_acted_on():
    for finding in examine():
        assert (finding.status is Status.OK) == (finding.fix == "")
        assert not finding.text.endswith(".")


def test_a_check_that_fails_is_a_finding():
    def broken_thing():
        raise RuntimeError("no such symbol")

    (finding,) = examine([broken_thing])
    assert finding == Finding(
        "broken thing",
        Status.PROBLEM,
        "the check itself failed (RuntimeError: no such symbol)",
        "report it with the whole output of restain doctor",
    )


def test_packages_that_fit_are_listed():
    assert packages("good>=2", "prerelease>=2.5")["packages"].text == "good 2.1.0, prerelease 3.0rc1"


def test_a_missing_package_is_a_problem():
    finding = packages("good>=2", "gone>=1,<3")["gone"]
    assert finding.status is Status.PROBLEM
    assert finding.fix == f"run {sys.executable} -m pip install 'gone<3,>=1'"


def test_an_old_package_is_a_problem():
    finding = packages("old>=2")["old"]
    assert (finding.status, finding.text) == (Status.PROBLEM, "1.9 is installed, >=2 is needed")


def test_what_only_extras_or_other_systems_need_is_not_asked_for():
    assert packages('gone>=1; extra == "viewer"', 'gone>=1; sys_platform == "plan9"') == {}


def test_a_torchvision_that_does_not_fit_torch_is_a_problem(tmp_path, monkeypatch):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("raise RuntimeError('operator nms does not exist')")
    (tmp_path / "torchvision-0.1.dist-info").mkdir()
    (tmp_path / "torchvision-0.1.dist-info" / "METADATA").write_text("Name: torchvision\nVersion: 0.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (finding,) = doctor.torchvision()
    assert finding.status is Status.PROBLEM
    assert "operator nms does not exist" in finding.text
    (tmp_path / "torchvision" / "__init__.py").write_text("")
    (finding,) = doctor.torchvision()
    assert finding.status is Status.OK


def test_bfloat16_is_judged_by_its_gain():
    assert doctor.bf16_gain() > 0
    assert doctor.bf16_worth(2.0).status is Status.OK
    slow = doctor.bf16_worth(0.1)
    assert (slow.status, slow.text) == (Status.WARNING, "a convolution takes 10.0 times as long as in float32")


def test_little_memory_is_a_warning():
    assert doctor.memory_worth(8 * GIBIBYTE, 16 * GIBIBYTE) == Finding("memory", Status.OK, "8.0 of 16.0 GiB free")
    assert doctor.memory_worth(GIBIBYTE, 16 * GIBIBYTE).status is Status.WARNING


def test_a_full_disk_is_a_warning():
    assert doctor.disk_worth(Path("out"), 6 * GIBIBYTE).status is Status.OK
    assert doctor.disk_worth(Path("out"), GIBIBYTE).status is Status.WARNING


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path):
    assert doctor.writable("this folder", tmp_path).status is Status.OK
    assert list(tmp_path.iterdir()) == []
    finding = doctor.writable("this folder", tmp_path / "gone")
    assert (finding.status, finding.fix) == (Status.PROBLEM, "work in another folder")
    assert "No such file or directory" in finding.text


@pytest.mark.parametrize(
    ("coder", "title", "status"),
    [("jpeg8_encode", "JPEG", Status.PROBLEM), ("jpeg2k_decode", "JPEG 2000", Status.WARNING)],
)
def test_a_codec_that_is_not_there_is_found(monkeypatch, coder, title, status):
    def missing(*_):
        raise imagecodecs.DelayedImportError(coder)

    monkeypatch.setattr(imagecodecs, coder, missing)
    findings = {finding.topic: finding for finding in doctor.codecs()}
    assert findings[title].status is status
    assert "imagecodecs" in findings[title].fix
    assert title not in findings["codecs"].text.split(", ")


def test_a_codec_that_gives_back_other_pixels_is_found(monkeypatch):
    monkeypatch.setattr(imagecodecs, "zstd_decode", lambda stored: bytes(16 * 16 * 3))
    findings = {finding.topic: finding for finding in doctor.codecs()}
    assert (findings["zstd"].status, findings["zstd"].text) == (Status.PROBLEM, "gives back other pixels")


def test_a_missing_openslide_is_a_problem(monkeypatch):
    monkeypatch.setitem(sys.modules, "openslide", None)
    (finding,) = doctor.openslide()
    assert finding.status is Status.PROBLEM
    assert "openslide-bin" in finding.fix


def test_an_old_openslide_is_a_warning():
    assert doctor.openslide_worth("4.0.1").status is Status.OK
    assert doctor.openslide_worth("3.4.1").status is Status.WARNING


def test_models_are_whole_or_not(tmp_path, monkeypatch):
    monkeypatch.setenv("RESTAIN_MODELS", str(tmp_path))
    method = build_method("regression", {"unet": SMALL}, source_channels=3, target_channels=3)
    save_bundle(tmp_path / "good", card_of(), method)
    save_bundle(tmp_path / "bad", card_of(), method)
    with (tmp_path / "bad" / "weights.safetensors").open("ab") as file:
        file.write(b"more")
    findings = list(doctor.models())
    (broken,) = [finding for finding in findings if finding.status is Status.PROBLEM]
    assert str(tmp_path / "bad") in broken.text
    assert "fetch the bundle again" in broken.fix
    (whole,) = [finding for finding in findings if finding.status is Status.OK]
    assert "good" in whole.text.split(", ")
    assert "bad" not in whole.text.split(", ")


@pytest.fixture
def run():
    """Run the command as the shell would."""
    app = typer.Typer()
    app.command()(command)
    return lambda: CliRunner().invoke(app, [])


def test_the_command_leaves_with_0_where_nothing_is_wrong(run):
    result = run()
    assert result.exit_code == 0
    assert "OpenSlide" in result.output


def test_the_command_leaves_with_2_and_the_fix_where_something_is_wrong(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "openslide", None)
    result = run()
    assert result.exit_code == 2
    assert "fix: run" in result.output
