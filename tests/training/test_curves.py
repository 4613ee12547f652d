"""The picture of a run's curves."""

import json

import numpy as np
from PIL import Image

from restain.training.curves import POINT, draw_curves


def test_a_point_of_a_curve_is_told_by_its_name():
    point = POINT.match("I.t=0100")
    assert (point["curve"], point["variable"], float(point["place"])) == ("I", "t", 100.0)
    assert POINT.match("held_out.model.denoising") is None


def test_losses_and_curves_have_a_panel_each(tmp_path):
    entries = [
        {"images": 10, "model.loss": 2.0, "rate": 1e-3, "images_per_second": 5.0},
        {"images": 20, "model.loss": 1.0, "held_out.model.loss": 1.5, "I.t=0000": 0.7, "I.t=0100": 0.2},
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    draw_curves(tmp_path)
    wide = np.asarray(Image.open(tmp_path / "curves.png"))
    assert wide.shape[:2] == (400, 1500)  # loss and I over the images, I over t
    assert all((panel[..., :3] < 128).any() for panel in np.split(wide, 3, axis=1))
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".partial"] == []
