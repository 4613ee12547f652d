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
    "nce_opt",
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
alone, takes its smoothed luma for structure, decouples the two weights of the information, and refines the image itself
by the distance of features.

``paper_literal`` is what Liu et al. (2025) print, where they print it; choose Euler-Maruyama steps as the sampler. What
that does: the critic, trained on clean images, reports *negative* information of noisy ones from t = 40 up, and the
better it is trained the more so; without any scale the guidance moves pixels by less than a grey level over all 300
steps; above t = S/2 the weight of the information is negative, so that structure is pushed away first. It is there to
be compared with, not to be used.

The others change one thing of ``recommended`` each and are the rows of the paper's tables: ``I_guided`` (information
alone), ``U_guided`` (staining information alone), ``wo_MI`` (no guidance), ``l2_opt`` and ``nce_opt`` (distance of
features, which is the recommended loss, or contrast), ``wo_pcl`` (no refinement), ``N...`` (start and guided steps),
``t...`` (start of the refinement t'_0), ``lambda_constant``.
"""

RECOMMENDED: Mapping[str, Any] = {
    "colour_removal": "hematoxylin",
    "structure_of": "grey",
    "proxy": "smoothed",
    "lambda_form": "decoupled",
    "refinement": "latent",
    "refinement_loss": "feature_l2",
    "refinement_start": 100,
}

PRESETS: Mapping[Preset, Mapping[str, Any]] = {
    "recommended": RECOMMENDED,
    "paper_literal": {
        "colour_removal": "luma601",
        "match_luma": False,
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
    "nce_opt": {**RECOMMENDED, "refinement_loss": "nce"},
    "wo_pcl": {**RECOMMENDED, "refinement": "none"},
    "N100": {**RECOMMENDED, "start_step": 100, "guided_steps": 100, "refinement_start": 40},
    "N300": {**RECOMMENDED, "start_step": 300, "guided_steps": 300, "refinement_start": 40},
    "N500": {**RECOMMENDED, "start_step": 500, "guided_steps": 500, "refinement_start": 40},
    "t10": {**RECOMMENDED, "refinement_start": 10},
    "t40": {**RECOMMENDED, "refinement_start": 40},
    "t80": {**RECOMMENDED, "refinement_start": 80},
    "lambda_constant": {**RECOMMENDED, "lambda_course": "constant"},
}
"""Name -> options."""
