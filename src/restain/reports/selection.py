"""Which metrics are measured: those that are asked for and have a value for all images."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from restain.errors import ConfigError, DataError, MetricWarning
from restain.metrics import METRICS, SOURCE_METRICS, Metric


@final
@dataclass(frozen=True, slots=True)
class Selection:
    """The metrics of an evaluation.

    Args:
        target: those against the truth.
        source: those against the images that were stained.
    """

    target: tuple[Metric, ...]
    source: tuple[Metric, ...] = ()

    @property
    def all(self) -> tuple[Metric, ...]:
        """Return both, in the order of tables."""
        return self.target + self.source

    @property
    def widest(self) -> int:
        """Return the edge of the largest window."""
        return max(metric.window for metric in self.all)

    def without(self, names: set[str]) -> "Selection":
        """Return what is left if some are left out."""
        target, source = (
            tuple(metric for metric in metrics if metric.name not in names) for metrics in (self.target, self.source)
        )
        return Selection(target, source)


def select_metrics(names: Sequence[str] | None, has_source: bool) -> Selection:
    """Return the metrics of these names, or all if there are none.

    Args:
        names: of ``METRICS`` and ``SOURCE_METRICS``; their order does not matter.
        has_source: whether the images that were stained are at hand.

    Raises:
        ConfigError: an unknown name, or the name of a metric against the source where there is none.
    """
    whole = Selection(METRICS, SOURCE_METRICS if has_source else ())
    if names is None:
        return whole
    known = [metric.name for metric in (*METRICS, *SOURCE_METRICS)]
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"there is no metric {', '.join(unknown)}", fix=f"choose among {', '.join(known)}")
    at_hand = {metric.name for metric in whole.all}
    if missing := [name for name in names if name not in at_hand]:
        raise ConfigError(f"{', '.join(missing)} compare with the images that were stained", fix="pass --source")
    if not names:
        raise ConfigError("no metric is chosen", fix=f"choose among {', '.join(known)}")
    return whole.without(at_hand - set(names))


def applicable(selection: Selection, misfit: Callable[[Metric], str | None], *, named: bool) -> Selection:
    """Return the metrics that have a value for all images; a mean over some of them would mislead.

    Args:
        selection: what was asked for.
        misfit: tells why a metric has no value for some image, or None.
        named: whether the user asked for these metrics by name, so that none may be left out.

    Raises:
        DataError: a metric that was named has no value, or none has.
    """
    reasons = {metric.name: reason for metric in selection.all if (reason := misfit(metric))}
    if reasons and (named or len(reasons) == len(selection.all)):
        raise DataError(
            f"the images have no {' and no '.join(reasons)}: {next(iter(reasons.values()))}",
            fix="choose other metrics with --metrics, or compare other images",
        )
    if reasons:
        why = "; ".join(dict.fromkeys(reasons.values()))
        warnings.warn(f"left out: {', '.join(reasons)} ({why}).", MetricWarning, stacklevel=3)
    return selection.without(set(reasons))
