"""Pictures through the commands: every task trains, is scored and leaves figures; fine-tuning, evaluate and predict."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.training import checkpoint

pytestmark = pytest.mark.usefixtures("database")

FEW = ["data=mnist_5k", "data.samples={train:120,valid:40,test:40}", "training=debug", "training.batch_size=16"]
QUICK = [*FEW, "tracking=off", "scheduler=none"]
SMALL_MODEL = ["model=cnn", "model.width=8", "model.layers=4"]


def run_folder(where: Path) -> Path:
    return max((where / "outputs").glob("*/*"), key=lambda folder: folder.stat().st_mtime)


def scores(folder: Path) -> dict[str, dict[str, float]]:
    return {row["method"]: row for row in json.loads((folder / "scores.json").read_text())}


def figures(folder: Path) -> set[str]:
    return {path.name for path in (folder / "figures").glob("*.png")}


@pytest.fixture
def trained(dlgd, tmp_path):
    """Runs `train` and gives its folder."""

    def run(*overrides: str) -> Path:
        done = dlgd("train", *QUICK, *overrides)
        assert done.returncode == 0, done.stderr + done.stdout
        return run_folder(tmp_path)

    return run


def test_classify_fine_tune_predict_and_evaluate(trained, dlgd, tmp_path):
    first = trained(*SMALL_MODEL)
    assert scores(first).keys() == {"cnn", "nearest centroid", "nearest neighbours 3"}
    assert {"confusion.png", "wrong.png", "reliability.png"} <= figures(first)
    second = trained(*SMALL_MODEL, "seed=1", f"init_from={first}", "freeze=[layers]", "training.steps=3")
    log = (second / "train.log").read_text()
    assert "Loaded from" in log
    assert "Left at random: nothing" in log
    before, after = (torch.load(f / "checkpoints" / "last.pt", weights_only=True)["weights"] for f in (first, second))
    best = torch.load(first / "checkpoints" / "best_loss.pt", weights_only=True)["weights"]
    for name, weight in after.items():
        if name.startswith("layers") and "num_batches" not in name:
            assert torch.equal(weight, best[name]), name
    assert not torch.equal(after["last.weight"], before["last.weight"])

    done = dlgd("evaluate", f"run={second}", "split=valid")
    assert done.returncode == 0, done.stderr
    assert (second / "evaluation" / "valid" / "scores.json").exists()

    rng = np.random.default_rng(0)
    pictures = xr.Dataset({"intensity": (("sample", "y", "x"), rng.random((3, 28, 28), np.float32))})
    pictures.to_netcdf(tmp_path / "mine.nc")
    done = dlgd("predict", f"run={first}", f"input={tmp_path / 'mine.nc'}", f"output={tmp_path / 'out.nc'}")
    assert done.returncode == 0, done.stderr
    assert xr.open_dataset(tmp_path / "out.nc").sizes["sample"] == 3
    done = dlgd("evaluate", f"run={first}", f"input={tmp_path / 'mine.nc'}")
    assert done.returncode == 2
    assert "has no label to compare with" in done.stderr

    classifier = f"+evaluation.classifier={first / 'checkpoints' / 'best_loss.pt'}"
    drawn = trained("model=gan", "model.width=8", "data.task=generate", classifier)
    assert 0 <= scores(drawn)["gan"]["asked_recognised"] <= 100


def test_the_best_weights_may_be_those_of_the_highest_score(trained, dlgd):
    """Before and after a resumption, whose accuracies are compared with the earlier ones."""
    often = ["training.criteria=[accuracy]", "training.validate_every=4", "evaluation.methods=null"]
    folder = trained("model=mlp", "model.sizes=[16]", *often, "training.steps=20", "optimizer.lr=1e-2")
    best = folder / "checkpoints" / "best_accuracy.pt"
    for steps in (20, 40):
        if steps == 40:
            done = dlgd("train", f"resume={folder}", f"training.steps={steps}", "evaluation.methods=null")
            assert done.returncode == 0, done.stderr
        state = checkpoint.load(checkpoint.last_path(folder)).state
        accuracies = {row["step"]: row["valid/accuracy"] for row in state.history if "valid/accuracy" in row}
        assert len(set(accuracies.values())) > 2
        highest = max(accuracies, key=accuracies.get)
        assert checkpoint.load(best).state.step == highest
        assert state.best == {"accuracy": accuracies[highest]}
    done = dlgd("evaluate", f"run={folder}", "split=valid")
    assert done.returncode == 0, done.stderr
    rows = json.loads((folder / "evaluation" / "valid" / "scores.json").read_text())
    assert rows[0]["accuracy"] == pytest.approx(accuracies[highest])


@pytest.mark.parametrize(("task", "model"), [("denoise", "unet"), ("inpaint", "ae"), ("reconstruct", "vae")])
def test_pictures_from_pictures(trained, task, model):
    loss = ["loss=bernoulli"] if model == "vae" else []
    # EOFs need more pictures than there are of them
    fewer = ["~evaluation.of.inpaint.methods.pca_100"] if task == "inpaint" else []
    folder = trained(f"model={model}", "model.width=8", f"data.task={task}", *loss, *fewer)
    rows = scores(folder)
    assert any(name.startswith("PCA") or name.startswith("pca") for name in rows)
    assert all(np.isfinite(row["mse"]) for row in rows.values())
    assert ("negative_elbo" in rows[model]) == (model == "vae")
    assert figures(folder), "something to look at"


def test_new_pictures(trained):
    folder = trained("model=vae", "model.width=8", "data.task=generate")
    row = scores(folder)["vae"]
    assert row["frechet_pca"] > 0
    assert np.isfinite(row["nearest_ratio"])
    assert len(list((folder / "snapshots").glob("*.npy"))) == 2
    assert (folder / "checkpoints" / "best_frechet_pca.pt").exists()
    assert "progress.png" in figures(folder)
