"""Studies: methods by data sets by metrics, as tables; resumable cell by cell."""

from restain.studies.config import (
    CellConfig,
    DatasetConfig,
    ModelConfig,
    SamplingChange,
    StudyConfig,
    TableConfig,
)
from restain.studies.run import PAGE, run_study, study_states
from restain.studies.state import State

__all__ = [
    "PAGE",
    "CellConfig",
    "DatasetConfig",
    "ModelConfig",
    "SamplingChange",
    "State",
    "StudyConfig",
    "TableConfig",
    "run_study",
    "study_states",
]
