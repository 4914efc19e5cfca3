"""What is wrong is said in one sentence, at once, with an exit code that is not zero."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import TINY


def refused(done, *words: str) -> None:
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["model=resnt"], ["resnt", "cnn", "resnet", "unet"]),
        (["data=nemo"], ["nemo", "nemovar", "mercator"]),
        (["model.widht=3"], ["widht"]),
        (["+model.widht=3"], ["widht"]),
        (["training.steps=many"], ["training.steps", "whole number"]),
        (["data.samples.train=0"], ["data.samples.train=0"]),
        (["data.patch=300"], ["data.patch=300", "292 x 360"]),
        (["data.features=all"], ["features=all", "dimensionless"]),
        (["model.skip=jump"], ["jump", "addition"]),
        (["model.activation=rely"], ["rely", "elu"]),
        (["device=cuda:9"], ["cuda:9"]),
        (["resume=nowhere"], ["nowhere"]),
        (["tracking.uri=ftp://x"], ["tracking.uri"]),
        (["optimizer.lr=-1"], ["-1"]),
    ],
)
def test_train(dlgd, tmp_path, arguments, words):
    done = dlgd("train", *arguments, environment={"DLGD_CACHE": str(tmp_path / "untouched")})
    refused(done, *words)
    assert not (tmp_path / "untouched").exists(), "no data are made for a command that is refused"


def test_unwritable_output(dlgd, tmp_path):
    (tmp_path / "file").write_text("in the way")
    refused(dlgd("train", *TINY, f"hydra.run.dir={tmp_path}/file/run"), "file")


def test_evaluate_and_predict(dlgd, tmp_path):
    refused(dlgd("evaluate"), "run")
    refused(dlgd("evaluate", "run=nowhere"), "nowhere")
    refused(dlgd("predict", "run=nowhere", "input=a.nc", "output=b.nc"), "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(dlgd("evaluate", f"run={empty}"), "config.yaml")


@pytest.fixture
def run(dlgd, tmp_path) -> Path:
    folder = tmp_path / "run"
    small = [*TINY, "model.width=8", "model.layers=4", "training=debug", "tracking=off", "training.steps=2"]
    done = dlgd("train", *small, f"hydra.run.dir={folder}", "evaluation.methods=null")
    assert done.returncode == 0, done.stderr
    return folder


def test_checkpoints(dlgd, run):
    refused(dlgd("train", f"resume={run}", "model=unet"), "model=unet")
    refused(dlgd("train", f"resume={run}", "model.wdth=9"), "model.wdth")
    refused(dlgd("evaluate", f"run={run}", "criterion=eps_q"), "eps_q", "loss")
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("width: 8", "width: 16"))
    refused(dlgd("evaluate", f"run={run}"), "another network")
    (run / "config.yaml").write_text(config)
    best = run / "checkpoints" / "best_loss.pt"
    best.write_bytes(best.read_bytes()[:1000])
    refused(dlgd("evaluate", f"run={run}"), "truncated")
    refused(dlgd("predict", f"run={run}", "input=no.nc", "output=out.nc"), "truncated")
