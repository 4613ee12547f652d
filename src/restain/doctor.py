"""What is wrong with this installation, this machine, this folder: small checks, and for each finding its fix.

A check is a function without arguments that yields findings. What it looks at may be broken or missing, so it imports
nothing but the standard library before it runs.
"""

import importlib.util
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, final

from restain import __version__

if TYPE_CHECKING:
    import torch

GIBIBYTE = 2**30

ENOUGH_MEMORY = 3 * GIBIBYTE
"""Python with torch takes about half a gigabyte, a batch of tiles through a UNet one to two more."""

ENOUGH_DISK = 5 * GIBIBYTE
"""A stained slide takes about as much as its source, often one to two gigabytes; so does a run with checkpoints."""

CODECS = {
    "JPEG": ("jpeg8", "problem"),
    "deflate": ("zlib", "problem"),
    "zstd": ("zstd", "problem"),
    "JPEG 2000": ("jpeg2k", "warning"),
    "WebP": ("webp", "warning"),
}
"""Compression -> its name in imagecodecs, and how bad its absence is: the first three are also written."""


@final
class Status(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        topic: what was looked at, in a word or two.
        status: how bad it is.
        text: what was found, without a full stop at the end.
        fix: what mends it, as an imperative; empty where there is nothing to mend.
    """

    topic: str
    status: Status
    text: str
    fix: str = ""


Check = Callable[[], Iterable[Finding]]
"""Looks at one thing."""


def examine(checks: Iterable[Check] | None = None) -> Iterator[Finding]:
    """Run all checks; one that fails is a finding itself.

    Args:
        checks: which ones; all of them unless told.

    Yields:
        What was found, as soon as it is.
    """
    for check in CHECKS if checks is None else checks:
        try:
            yield from check()
        except Exception as error:
            name = check.__name__.replace("_", " ")
            text = f"the check itself failed ({type(error).__name__}: {error})"
            yield Finding(name, Status.PROBLEM, text, "report it with the whole output of restain doctor")


def python() -> Iterator[Finding]:
    """Which restain runs on which Python and system."""
    system = f"{platform.system()} {platform.machine()}"
    yield Finding("restain", Status.OK, f"{__version__}, Python {platform.python_version()}, {system}")


def packages() -> Iterator[Finding]:
    """Whether what restain requires is there, new enough."""
    return packages_among(metadata.requires("restain") or [], metadata.version)


def packages_among(requirements: Iterable[str], version_of: Callable[[str], str]) -> Iterator[Finding]:
    """Compare requirements with what is installed.

    Args:
        requirements: as in the metadata of a package, for example ``"torch>=2.8"``.
        version_of: gives the installed version of a package; raises PackageNotFoundError where there is none.
    """
    from packaging.requirements import Requirement

    fine = []
    for requirement in map(Requirement, requirements):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        repair = f"run {sys.executable} -m pip install '{requirement.name}{requirement.specifier}'"
        try:
            version = version_of(requirement.name)
        except metadata.PackageNotFoundError:
            yield Finding(requirement.name, Status.PROBLEM, "is not installed", repair)
            continue
        if requirement.specifier.contains(version, prereleases=True):
            fine.append(f"{requirement.name} {version}")
        else:
            text = f"{version} is installed, {requirement.specifier} is needed"
            yield Finding(requirement.name, Status.PROBLEM, text, repair)
    if fine:
        yield Finding("packages", Status.OK, ", ".join(fine))


def torchvision() -> Iterator[Finding]:
    """Whether a torchvision is there that does not fit torch: it breaks other packages by its mere presence."""
    if importlib.util.find_spec("torchvision") is None:
        return
    attempt = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, text=True, check=False)
    versions = f"torchvision {metadata.version('torchvision')} beside torch {metadata.version('torch')}"
    if attempt.returncode:
        reason = (attempt.stderr.strip().splitlines() or ["no message"])[-1]
        repair = f"run {sys.executable} -m pip uninstall torchvision; restain does not use it"
        yield Finding("torchvision", Status.PROBLEM, f"{versions} cannot be imported ({reason})", repair)
    else:
        yield Finding("torchvision", Status.OK, f"{versions} can be imported")


def device() -> Iterator[Finding]:
    """Where networks will run, and whether bfloat16 is worth it there."""
    import psutil
    import torch

    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(index)
            bf16 = "with" if torch.cuda.is_bf16_supported(including_emulation=False) else "without"
            text = f"CUDA {index}: {facts.name}, {facts.total_memory / GIBIBYTE:.0f} GiB, {bf16} bfloat16"
            yield Finding("device", Status.OK, text)
        return
    if (
        shutil.which("nvidia-smi")
        and not subprocess.run(["nvidia-smi", "-L"], capture_output=True, check=False).returncode
    ):
        text = f"an NVIDIA GPU is there, but torch {torch.__version__} cannot use it"
        yield Finding(
            "device", Status.WARNING, text, "install the CUDA build of torch that fits the driver (pytorch.org)"
        )
    elif torch.backends.mps.is_available():
        yield Finding("device", Status.OK, "MPS: the GPU of this Mac")
    yield Finding("device", Status.OK, f"CPU with {psutil.cpu_count()} cores, {torch.get_num_threads()} used by torch")
    yield bf16_worth(bf16_gain())


def bf16_gain() -> float:
    """Return how many times faster a convolution of the size networks use runs in bfloat16 than in float32 here.

    One thread, in turns, the best of many: a busy machine then changes the answer by a few percent only.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fp32, bf16 = (
            (torch.zeros(1, 64, 64, 64, dtype=dtype), torch.zeros(64, 64, 3, 3, dtype=dtype))
            for dtype in (torch.float32, torch.bfloat16)
        )
        rounds = [(_convolve(*fp32), _convolve(*bf16)) for _ in range(20)]
    finally:
        torch.set_num_threads(threads)
    return min(seconds for seconds, _ in rounds) / min(seconds for _, seconds in rounds)


def bf16_worth(gain: float) -> Finding:
    """Judge the gain of bfloat16 over float32."""
    if gain >= 1:
        return Finding("bfloat16", Status.OK, f"a convolution runs {gain:.1f} times as fast as in float32")
    text = f"a convolution takes {1 / gain:.1f} times as long as in float32"
    return Finding(
        "bfloat16", Status.WARNING, text, "train with training.precision=fp32 and stain with --precision fp32"
    )


def memory() -> Iterator[Finding]:
    """Whether there is room for a network and its tiles."""
    import psutil

    facts = psutil.virtual_memory()
    yield memory_worth(min(facts.available, _container_limit()), min(facts.total, _container_limit()))


def memory_worth(free: int, total: int) -> Finding:
    """Judge the memory, in bytes."""
    text = f"{free / GIBIBYTE:.1f} of {total / GIBIBYTE:.1f} GiB free"
    if free >= ENOUGH_MEMORY:
        return Finding("memory", Status.OK, text)
    return Finding("memory", Status.WARNING, text, "close other programs, or stain with --batch 1")


def disk() -> Iterator[Finding]:
    """Whether results can be written here."""
    here = Path.cwd()
    yield from (writable("this folder", here), writable("temporary folder", Path(tempfile.gettempdir())))
    yield disk_worth(here, shutil.disk_usage(here).free)


def writable(topic: str, folder: Path) -> Finding:
    """Try to write a file into a folder."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Finding(topic, Status.OK, f"{folder} can be written")
    except OSError as error:
        fix = "change its permissions, or set TMPDIR" if topic.startswith("temporary") else "work in another folder"
        return Finding(topic, Status.PROBLEM, f"{folder} cannot be written ({error.strerror})", fix)


def disk_worth(folder: Path, free: int) -> Finding:
    """Judge the free space, in bytes, of the disk that holds a folder."""
    text = f"{free / GIBIBYTE:.1f} GiB free at {folder}"
    if free >= ENOUGH_DISK:
        return Finding("disk", Status.OK, text)
    return Finding("disk", Status.WARNING, text, "make room, or write to another disk with --out")


def codecs() -> Iterator[Finding]:
    """Whether each compression that slides use survives a round trip."""
    import imagecodecs
    import numpy as np

    image = np.full((16, 16, 3), 128, np.uint8)
    working = []
    for title, (name, absence) in CODECS.items():
        try:
            stored = getattr(imagecodecs, f"{name}_encode")(image)
            shown = np.frombuffer(getattr(imagecodecs, f"{name}_decode")(stored), np.uint8)
        except Exception as error:
            fix = f"run {sys.executable} -m pip install --force-reinstall imagecodecs"
            yield Finding(title, Status(absence), f"cannot be coded ({error})", fix)
            continue
        if np.abs(shown.astype(int) - 128).max() <= 3:
            working.append(title)
        else:
            yield Finding(title, Status(absence), "gives back other pixels", "install another version of imagecodecs")
    if working:
        yield Finding("codecs", Status.OK, ", ".join(working))


def openslide() -> Iterator[Finding]:
    """Whether the OpenSlide library is there; most vendors' slides are read through it."""
    try:
        import openslide
    except (ImportError, OSError) as error:
        fix = f"run {sys.executable} -m pip install openslide-python openslide-bin"
        yield Finding("OpenSlide", Status.PROBLEM, f"cannot be loaded ({error})", fix)
        return
    yield openslide_worth(openslide.__library_version__)


def openslide_worth(version: str) -> Finding:
    """Judge the version of the OpenSlide library."""
    if int(version.split(".")[0]) >= 4:
        return Finding("OpenSlide", Status.OK, version)
    fix = f"run {sys.executable} -m pip install openslide-bin"
    return Finding("OpenSlide", Status.WARNING, f"{version} is old and reads no DICOM slides", fix)


def models() -> Iterator[Finding]:
    """Whether the model bundles on this machine are whole."""
    from restain.bundle import bundles, load_bundle
    from restain.errors import RestainError

    whole = []
    for folder in bundles():
        try:
            load_bundle(folder)
        except RestainError as error:
            yield Finding("model", Status.PROBLEM, error.problem, error.fix)
        else:
            whole.append(folder.name)
    if whole:
        yield Finding("models", Status.OK, ", ".join(whole))


CHECKS: tuple[Check, ...] = (python, packages, torchvision, device, memory, disk, codecs, openslide, models)
"""All checks, in the order they are shown."""


def _container_limit() -> int:
    """Return the memory limit of the container (cgroup v2) in bytes; a huge number where there is none."""
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # no such file outside containers; the word `max` where nothing is limited
        return sys.maxsize


def _convolve(image: "torch.Tensor", weight: "torch.Tensor") -> float:
    """Return how many seconds one convolution takes."""
    import torch

    start = time.perf_counter()
    torch.conv2d(image, weight, padding=1)
    return time.perf_counter() - start
