"""Training: one loop for every method, that can be killed at any instant and goes on where it was."""

from restain.training.config import TrainConfig
from restain.training.fit import Progress, fit
from restain.training.run import new_method

__all__ = ["Progress", "TrainConfig", "fit", "new_method"]
