"""Training with flips and turns, as a person runs it: the margin that they take is given, and resuming is exact."""

from __future__ import annotations

import json

import pytest
import torch

from tests.commands.tiny_run import TINY

QUICK = [*TINY, "model.width=8", "model.layers=4", "training=debug", "evaluation.methods=null", "tracking=off"]


@pytest.mark.slow
def test_trains_and_resumes_exactly(dlgd, tmp_path):
    """On standardized features, whose scalings are known only after the data are made."""
    options = [*QUICK, "scheduler=none", "data.features=standardized"]
    weights = {}
    for augmentation in ("flips_and_turns", "none"):
        folder = tmp_path / augmentation
        done = dlgd("train", *options, f"augmentation={augmentation}", "training.steps=8", f"hydra.run.dir={folder}")
        assert done.returncode == 0, done.stderr
        assert (folder / "scores.json").exists()
        weights[augmentation] = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)["weights"]
    assert any((weights["none"][name] != weight).any() for name, weight in weights["flips_and_turns"].items())

    folder = tmp_path / "resumed"
    begun = dlgd("train", *options, "augmentation=flips_and_turns", "training.steps=3", f"hydra.run.dir={folder}")
    assert begun.returncode == 0, begun.stderr
    assert dlgd("train", f"resume={folder}", "training.steps=8").returncode == 0
    kept = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)
    assert json.loads(kept["state"])["step"] == 8
    assert all(torch.equal(kept["weights"][name], weight) for name, weight in weights["flips_and_turns"].items())


def test_nothing_to_draw_is_refused_before_any_work(dlgd, tmp_path):
    done = dlgd("train", *QUICK, "augmentation=flips", "augmentation.west_east=false", "augmentation.south_north=false")
    assert done.returncode == 2
    assert "augmentation has neither flips nor turns" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("outputs/*/*/checkpoints"))
