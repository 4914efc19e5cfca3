"""Pictures of one's own, trained on, scored, predicted and exported: the same whichever layout they have."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import xarray as xr
from omegaconf import OmegaConf
from PIL import Image

from tests.commands.test_refusals import refused
from tests.problems.images.data.own_layouts import as_idx, as_npz, as_png, digits

TINY = ["data=pictures", "training=debug", "training.steps=4", "device=cpu", "tracking=off"]


def test_from_training_to_prediction(dlgd, tmp_path):
    images, labels = digits(300)
    as_png(tmp_path / "png", images, labels)
    as_idx(tmp_path / "idx", images, labels, ending=".gz")
    for name in ("png", "idx"):
        done = dlgd("train", "model=cnn", "model.width=8", *TINY, f"path={name}", f"hydra.run.dir=run_{name}")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "run_png" / "scores.md").is_file()
    found = {name: json.loads((tmp_path / f"run_{name}" / "scores.json").read_text()) for name in ("png", "idx")}
    assert without_times(found["png"]) == without_times(found["idx"])
    config = OmegaConf.load(tmp_path / "run_png" / "config.yaml")
    assert list(config.data.size) == [28, 28]
    assert list(config.data.classes) == list("0123456789")

    shutil.move(tmp_path / "png", tmp_path / "moved")
    (tmp_path / "mine").mkdir()
    Image.fromarray(255 - images[0]).resize((56, 56)).save(tmp_path / "mine" / "a.jpg")
    done = dlgd("predict", "run=run_png", "input=mine", "output=a.nc", "data.invert=true")
    assert done.returncode == 0, done.stderr
    answer = xr.load_dataset(tmp_path / "a.nc")
    assert answer.file.values.tolist() == ["a.jpg"]
    np.testing.assert_allclose(answer.probability.sum(), 1, rtol=1e-6)
    done = dlgd("evaluate", "run=run_png", "data.path=moved")
    assert done.returncode == 0, done.stderr
    refused(dlgd("evaluate", "run=run_png"), "path=png is not there: type data.path=<folder or file>")
    done = dlgd("export", "run=run_png", "output=model.pt2")
    assert done.returncode == 0, done.stderr


def without_times(node):
    if isinstance(node, dict):
        return {key: without_times(one) for key, one in node.items() if "second" not in key and "time" not in key}
    return [without_times(one) for one in node] if isinstance(node, list) else node


@pytest.mark.parametrize(
    ("task", "model"), [("denoise", "unet"), pytest.param("generate", "vae", marks=pytest.mark.slow)]
)
def test_other_tasks(dlgd, tmp_path, task, model):
    images, labels = digits(300)
    few = labels < 3
    as_npz(tmp_path / "own.npz", images=images[few][:, 2:26, 4:24], labels=labels[few])
    options = ["model.conditional=true"] if model == "vae" else ["model.levels=1", "model.width=4"]
    done = dlgd("train", f"model={model}", *options, *TINY, f"data.task={task}", "path=own.npz", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "figures").is_dir()
