"""How long `import restain` and `restain --help` take, beside a bare Python and beside others of its kind.

Each command runs in a fresh process, all in turns, so that a busy machine disturbs them alike; the median counts.

    python benchmarks/startup.py [RUNS]

Goals: `import restain` < 0.15 s, `restain --help` < 0.4 s. Without compiled byte-code all take 2-3 times as long.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import restain": [sys.executable, "-c", "import restain"],
    "restain --help": [str(Path(sys.executable).with_name("restain")), "--help"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "import torch": [sys.executable, "-c", "import torch"],
    "import diffusers": [sys.executable, "-c", "import diffusers"],
    "diffusers-cli --help": [str(Path(sys.executable).with_name("diffusers-cli")), "--help"],
}
GOALS = {"import restain": 0.15, "restain --help": 0.4}


def seconds(command: list[str]) -> float:
    """Return how long a command takes from its start to its end."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the medians, their ratios to a bare Python, and the goals."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    times: dict[str, list[float]] = {title: [] for title in COMMANDS}
    for command in COMMANDS.values():
        seconds(command)  # fills the disk cache
    for _ in range(runs):
        for title, command in COMMANDS.items():
            times[title].append(seconds(command))
    bare = statistics.median(times["python -c pass"])
    print(f"{'command':24}{'median s':>10}{'min s':>10}{'x python':>10}   goal")
    for title, values in times.items():
        median = statistics.median(values)
        goal = f"< {GOALS[title]} s: {'met' if median < GOALS[title] else 'missed'}" if title in GOALS else ""
        print(f"{title:24}{median:>10.3f}{min(values):>10.3f}{median / bare:>10.1f}   {goal}")


if __name__ == "__main__":
    main()
