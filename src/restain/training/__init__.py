"""Training: one loop for every method, that can be killed at any instant and goes on where it was."""

from restain.training.config import TrainConfig
from restain.training.fit import Progress, fit
from restain.training.folder import load_run
from restain.training.run import new_method
from restain.training.stainnet import fit_stainnet
from restain.training.stainnet_config import StainNetConfig

__all__ = ["Progress", "StainNetConfig", "TrainConfig", "fit", "fit_stainnet", "load_run", "new_method"]
