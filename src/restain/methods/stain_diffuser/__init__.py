"""StainDiffuser: paired staining by diffusion, with an auxiliary task, in both directions, and to several stains."""

from restain.methods.stain_diffuser.config import AuxiliaryConfig, StainDiffuserConfig
from restain.methods.stain_diffuser.method import StainDiffuser

__all__ = ["AuxiliaryConfig", "StainDiffuser", "StainDiffuserConfig"]
