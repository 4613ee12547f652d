"""What methods that start from the source, or mix it into the target, ask of their options and channels."""

from restain.diffusion import ScheduleConfig
from restain.errors import ConfigError


def check_start(start_step: int, schedule: ScheduleConfig) -> None:
    """Refuse a start that the schedule of the prior does not reach; for validators of options.

    Raises:
        ValueError: the start is not in 1 .. T.
    """
    if not 1 <= start_step <= schedule.steps:
        raise ValueError(f"start_step is {start_step}, not a step of the prior's schedule, 1 to {schedule.steps}")


def check_channels(method: str, source_channels: int, target_channels: int) -> None:
    """Refuse a source whose pixels cannot stand for pixels of the target.

    Raises:
        ConfigError: the numbers of channels differ.
    """
    if source_channels != target_channels:
        raise ConfigError(
            f"{method} takes the source for a noisy target, and they have {source_channels} and {target_channels} "
            "channels",
            fix="use stains with equally many channels, or a method that is conditioned on the source (conditional)",
        )
