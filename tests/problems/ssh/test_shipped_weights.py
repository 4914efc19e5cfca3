"""The weights that come with the project: small, read by it as it is now, and better than OI on another sea."""

from __future__ import annotations

import json

import pytest
import torch

from dlgd import build
from dlgd.core.paths import ROOT

WEIGHTS = ROOT / "experiments" / "ssh" / "four_nadirs.pt"


def test_they_are_those_of_a_network_and_less_than_two_megabytes():
    assert WEIGHTS.stat().st_size < 2e6
    _, data, network, _ = build.trained(WEIGHTS, None, None)
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32}
    assert data.spec.days == 15


def test_what_they_see_is_that_of_their_training(dlgd):
    """data=ssh gives nine days: the fifteen of the training are taken, and others that are typed refused."""
    done = dlgd("evaluate", f"run={WEIGHTS}", "data.days=9")
    assert done.returncode == 2
    assert "data.days=9" in done.stderr
    done = dlgd("evaluate", f"run={WEIGHTS}", "data=ssh", "data.sea.years=-1")
    assert done.returncode == 2
    assert "As the network was trained: data.days=15, data.predict=centre" in done.stdout + done.stderr
    assert "data.sea.years" in done.stderr


@pytest.mark.slow
def test_a_quarter_of_the_error_of_optimal_interpolation_is_gone_on_another_sea(dlgd, tmp_path):
    """30 days; on 180 days of two seas it was two fifths."""
    sea = ["data.sea.seed=21", "data.sea.years=0.5", "data.splits={train:40,valid:20,test:30,gap:30,skipped:0}"]
    done = dlgd("evaluate", f"run={WEIGHTS}", "data=ssh", *sea, "evaluation.methods.oi_tuned=null")
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.rglob("scores.json")
    rmse = {row["method"]: row["rmse"] for row in json.loads(file.read_text())}
    assert rmse["corrector"] < 0.75 * rmse["OI"]
