"""What a user installs without make: the wheel holds the whole package, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_wheel_holds_the_package(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("restain-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        scripts = next(archive.read(name) for name in archive.namelist() if name.endswith("entry_points.txt"))
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "src"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert packed == {str(Path(file).relative_to("src")) for file in files.splitlines()}
    assert b"restain = restain.cli:main" in scripts
