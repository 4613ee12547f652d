"""Named settings of MIU-Diff: options that take the place of the defaults, and yield to what is set explicitly."""

from collections.abc import Mapping
from typing import Any, Literal

Preset = Literal[
    "recommended",
    "paper_literal",
    "I_guided",
    "U_guided",
    "wo_MI",
    "l2_opt",
    "wo_pcl",
    "N100",
    "N300",
    "N500",
    "t10",
    "t40",
    "t80",
    "lambda_constant",
]
"""``recommended`` is full MIU-Diff with the defaults of ``MIUDiffConfig``.

``paper_literal`` is what Liu et al. (2025) print, where they print it, with Euler-Maruyama steps chosen as the sampler.
What that does: the critic, trained on clean images, reports *negative* information of noisy ones from t = 40 up, and
the better it is trained the more so; without any scale the guidance moves pixels by less than a grey level over all
300 steps; above t = S/2 the weight of the information is negative, so that structure is pushed away first. It is
there to be compared with, not to be used.

The others change one thing of ``recommended`` each and are the rows of the paper's tables: ``I_guided`` (information
alone), ``U_guided`` (staining information alone), ``wo_MI`` (no guidance), ``l2_opt`` (distance of features instead of
contrast), ``wo_pcl`` (no refinement), ``N...`` (start and guided steps), ``t...`` (start of the refinement t'_0).
"""

PRESETS: Mapping[Preset, Mapping[str, Any]] = {
    "recommended": {},
    "paper_literal": {
        "proxy": "rgb_gradient",
        "critic_input": "clean_literal",
        "source_noise": "shared",
        "normalize": "none",
        "refinement": "weights",
        "refinement_rate": 1e-5,
        "colour_removal": "luma601",
        "match_luma": False,
        "lambda_form": "paper",
        "entropy": "gauss3",
        "start_step": 300,
        "guided_steps": 300,
    },
    "I_guided": {"terms": "I"},
    "U_guided": {"terms": "U"},
    "wo_MI": {"terms": "none"},
    "l2_opt": {"refinement_loss": "feature_l2"},
    "wo_pcl": {"refinement": "off"},
    "N100": {"start_step": 100, "guided_steps": 100},
    "N300": {"start_step": 300, "guided_steps": 300},
    "N500": {"start_step": 500, "guided_steps": 500},
    "t10": {"refinement_start": 10},
    "t40": {"refinement_start": 40},
    "t80": {"refinement_start": 80},
    "lambda_constant": {"lambda_course": "constant"},
}
"""Name -> options."""
