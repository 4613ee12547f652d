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
"""``recommended`` is what led on synthetic tissue with known truth, see docs/results.md: it starts from the hematoxylin
alone, carried to the luma of the target stain, takes its smoothed luma for structure, decouples the two weights of the
information, guides gently, and refines the image itself.

``paper_literal`` is what Liu et al. (2025) print, where they print it; choose Euler-Maruyama steps as the sampler. What
that does: the critic, trained on clean images, reports *negative* information of noisy ones from t = 40 up, and the
better it is trained the more so; without any scale the guidance moves pixels by less than a grey level over all 300
steps; above t = S/2 the weight of the information is negative, so that structure is pushed away first. It is there to
be compared with, not to be used.

The others change one thing of ``recommended`` each and are the rows of the paper's tables: ``I_guided`` (information
alone), ``U_guided`` (staining information alone, which is the entropy where terms are decoupled), ``wo_MI`` (no
guidance), ``l2_opt`` (distance of features instead of contrast), ``wo_pcl`` (no refinement), ``N...`` (start and guided
steps), ``t...`` (start of the refinement t'_0), ``lambda_constant``. ``N300`` and ``t40`` are the recommended values,
named for tables.
"""

RECOMMENDED: Mapping[str, Any] = {
    "colour_removal": "hematoxylin",
    "match_luma": "quantiles",
    "structure_of": "grey",
    "proxy": "smoothed",
    "lambda_form": "decoupled",
    "kappa": 0.05,
    "refinement": "latent",
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "recommended": RECOMMENDED,
    "paper_literal": {
        "colour_removal": "luma601",
        "match_luma": "none",
        "start_step": 300,
        "guided_steps": 300,
        "proxy": "rgb_gradient",
        "structure_of": "source",
        "critic_input": "clean_literal",
        "source_noise": "shared",
        "entropy": "gauss3",
        "lambda_form": "paper",
        "normalize": "none",
        "at": "mean",
        "refinement": "weights",
        "refinement_loss": "nce",
        "refinement_start": 40,
        "refinement_rate": 1e-5,
    },
    "I_guided": {**RECOMMENDED, "terms": "I"},
    "U_guided": {**RECOMMENDED, "terms": "U"},
    "wo_MI": {**RECOMMENDED, "terms": "none"},
    "l2_opt": {**RECOMMENDED, "refinement_loss": "feature_l2"},
    "wo_pcl": {**RECOMMENDED, "refinement": "none"},
    "N100": {**RECOMMENDED, "start_step": 100, "guided_steps": 100},
    "N300": {**RECOMMENDED, "start_step": 300, "guided_steps": 300},
    "N500": {**RECOMMENDED, "start_step": 500, "guided_steps": 500},
    "t10": {**RECOMMENDED, "refinement_start": 10},
    "t40": {**RECOMMENDED, "refinement_start": 40},
    "t80": {**RECOMMENDED, "refinement_start": 80},
    "lambda_constant": {**RECOMMENDED, "lambda_course": "constant"},
}
"""Name -> options."""
