"""MIU-Diff and its pieces: ``config`` and ``presets``, ``grey`` starts, ``entropy``, ``guidance``, ``refinement``."""

from restain.methods.miu_diff.config import MIUDiffConfig
from restain.methods.miu_diff.method import MIUDiff
from restain.methods.miu_diff.presets import PRESETS

__all__ = ["PRESETS", "MIUDiff", "MIUDiffConfig"]
