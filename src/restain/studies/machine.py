"""What a study ran on, in words."""

import platform
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")


def machine_of(on_gpu: bool) -> str:
    """Return the name of the device and the version of torch; of a CPU also how many threads torch uses."""
    threads = torch.get_num_threads()
    device = torch.cuda.get_device_name() if on_gpu else f"{_processor()}, {threads} thread{'s' * (threads > 1)}"
    return f"{device}, torch {torch.__version__}"


def _processor() -> str:
    """Return the name of the processor, which Python does not know on Linux."""
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
