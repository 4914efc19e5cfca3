"""A training in this process leaves what the command leaves, can be stopped, and goes on."""

from __future__ import annotations

import logging
import signal

import pytest
import torch

import dlgd
from dlgd.training.run import Run as Training

DATA = ("mnist_5k", {"samples": {"train": 100, "valid": 20, "test": 20}})
TINY = {
    "model": ("cnn", {"width": 8}),
    "data": DATA,
    "evaluation": {"methods": None},
    "tracking": "off",
    "device": "cpu",
}


def weights(run: dlgd.Run) -> dict[str, torch.Tensor]:
    assert run.folder is not None
    return torch.load(run.folder / "checkpoints" / "last.pt", weights_only=True)["weights"]


def test_a_run_and_what_is_known_of_it(tmp_path, monkeypatch, capsys, caplog):
    monkeypatch.chdir(tmp_path)
    logger, level = logging.getLogger("dlgd"), logging.getLogger("dlgd").level
    run = dlgd.train(training="debug", seed=3, **TINY)
    assert capsys.readouterr().out == "", "nothing is printed"
    assert (logger.level, logger.handlers, logger.propagate) == (level, [], True)
    assert not caplog.records, "what the process shows is up to it, and it asked for warnings"
    assert run.folder is not None
    assert run.folder.parent.parent == tmp_path / "outputs"
    assert {"config.yaml", "scores.json", "scores.md", "predictions.nc", "figures", "train.log"} <= {
        one.name for one in run.folder.iterdir()
    }
    assert "Training finished after 20 steps" in (run.folder / "train.log").read_text()
    assert (run.config.seed, run.config.choices.model, run.name) == (3, "cnn", "cnn on mnist_5k")
    assert list(run.history.index) == [5, 10, 15, 20]
    assert {"train/loss", "valid/loss", "valid/accuracy"} <= set(run.history)
    assert run.table.loc["cnn", "accuracy"] == run.scores["accuracy"]
    assert "learning_curves" in run.figures
    assert run.evaluate(run.data.samples("test"), folder=tmp_path / "again").loc["cnn", "accuracy"] == pytest.approx(
        run.scores["accuracy"]
    )
    assert (tmp_path / "again" / "scores.json").is_file()
    with pytest.raises(dlgd.Refusal, match="holds a training: go on with it"):
        dlgd.train(training="debug", folder=run.folder, **TINY)


def test_stopped_and_resumed_equals_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = Training.step_done

    def stopping(self: Training, *, samples: int) -> None:
        done(self, samples=samples)
        if self.state.step == 7:
            signal.raise_signal(signal.SIGINT)

    options = {**TINY, "training": "debug", "scheduler": "none"}
    with monkeypatch.context() as patch:
        patch.setattr(Training, "step_done", stopping)
        with pytest.raises(KeyboardInterrupt, match=r"stopped; go on with dlgd\.train\(resume='.*run'\)"):
            dlgd.train(folder="run", **options)
    stopped = dlgd.load("run")
    assert stopped.scores == {}
    assert "no scores yet" in repr(stopped)
    resumed = stopped.resume(training={"steps": 12})
    whole = dlgd.train("training.steps=12", folder="whole", **options)
    assert resumed.config.training.steps == 12
    assert all(torch.equal(weights(resumed)[name], weight) for name, weight in weights(whole).items())
