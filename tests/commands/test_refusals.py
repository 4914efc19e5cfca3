"""What is wrong is said in one sentence, before any work, with an exit code that is not zero."""

from __future__ import annotations

import re
from pathlib import Path

import hydra
import pytest
from omegaconf import OmegaConf, open_dict

from dlgd.cli import entry, runs, training
from dlgd.core import trust
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from tests.commands.tiny_run import TINY


def refused(done, *words: str) -> None:
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stderr.rpartition("dlgd: ")[2].count("\n") == 1, "one sentence, and nothing after it"
    for word in words:
        assert word in done.stderr, done.stderr


# --- as commands: what Hydra says, and what we say --------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["model=resnt"], ["resnt", "cnn", "resnet", "unet"]),
        (["data=nemo"], ["nemo", "nemovar", "mercator"]),
        (["model.widht=3"], ["widht"]),
        (["resume=nowhere"], ["nowhere"]),
        (["data.samples.train=0"], ["data.samples.train=0"]),
        (["model=null"], ["model=null is unknown", "resnet"]),
        (["=3"], ["=3 names no option"]),
        (["+modle.x=1"], ["modle, which nothing reads", "model"]),
        (["data.name=../x"], ["data.name=../x"]),
    ],
)
def test_train(dlgd, tmp_path, arguments, words):
    done = dlgd("train", *arguments, environment={"DLGD_CACHE": str(tmp_path / "untouched")})
    refused(done, *words)
    assert not (tmp_path / "untouched").exists(), "no data are made for a command that is refused"


def test_unwritable_output(dlgd, tmp_path):
    (tmp_path / "file").write_text("in the way")
    refused(dlgd("train", *TINY, f"hydra.run.dir={tmp_path}/file/run"), "file")


def test_a_method_that_the_data_do_not_suit(dlgd, tmp_path):
    done = dlgd("baseline", "baseline=usual_product", "data=nemovar", environment={"DLGD_CACHE": str(tmp_path / "no")})
    refused(done, "serves samples with levels only", "data=ocean")
    assert not (tmp_path / "no").exists(), "no data are made for a command that is refused"


def test_evaluate_and_predict(dlgd, tmp_path):
    refused(dlgd("evaluate"), "run")
    refused(dlgd("evaluate", "run=null"), "run=null must be the path")
    refused(dlgd("predict", "run=nowhere", "input=a.nc", "output=b.nc"), "nowhere")


# --- the same code without a process of its own -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["+model.widht=3"], ["widht"]),
        (["training.steps=many"], ["training.steps", "whole number"]),
        (["training.criteria=[eps]"], ["eps", "eps_mean", "loss"]),
        (["training.criteria=[seconds_per_sample]"], ["which the validation does not give", "eps_mean"]),
        (["data.patch=300"], ["data.patch=300", "292 x 360"]),
        (["data.features=all"], ["features=all", "dimensionless"]),
        (["data.coast=imaginary"], ["imaginary", "real"]),
        (["model.skip=jump"], ["jump", "addition"]),
        (["model.activation=rely"], ["rely", "elu"]),
        (["model.layers=7"], ["model.layers=7", "even"]),
        (["device=cuda:9"], ["cuda:9"]),
        (["tracking.uri=ftp://x"], ["tracking.uri"]),
        (["optimizer.lr=-1"], ["-1"]),
        (["evaluation.methods.randomization_100.vectors=0"], ["vectors"]),
        (["+evaluation.methods.a=3"], ["evaluation.methods.a=3 must be a _target_"]),
        (["evaluation.methods=3"], ["evaluation.methods=3 must name methods"]),
        (["evaluation.scores=null"], ["evaluation.scores=null must be names with values"]),
        (["freeze=null"], ["freeze=null must be a list of names"]),
        (["data.name=../x"], ["data.name=../x must be a name"]),
        (["model._target_=foo.bar"], ["there is no module foo"]),
    ],
)
def test_before_any_work(tmp_path, monkeypatch, arguments, words):
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path / "untouched"))
    OmegaConf.register_new_resolver("run_folder", runs.run_folder, replace=True)
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("config", overrides=arguments)
    with open_dict(config):
        config.choices = {"model": "resnet", "data": "nemovar"}
    trust.allow_typed(config)
    with pytest.raises(Refusal, match=".*".join(map(re.escape, words[:1]))) as refusal:
        training.train(config, tmp_path, resumed=False)
    for word in words:
        assert word in str(refusal.value)
    assert not (tmp_path / "untouched").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data=mnist_5k", "data.task=inpant"], r"data\.task=inpant.*inpaint"),
        (["data=lorenz63", "data.task=forcast"], r"data\.task=forcast.*forecast"),
        (["data=nemovar", "evaluation=lorenz"], "data=nemovar has no task"),
    ],
)
def test_tasks_that_nothing_is_known_of(arguments, words):
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("config", overrides=arguments)
    with pytest.raises(Refusal, match=words):
        entry.with_evaluation(config)


def test_folders_that_are_no_runs(tmp_path):
    with pytest.raises(Refusal, match=r"config\.yaml"):
        runs.find_run(str(tmp_path))
    with pytest.raises(Refusal, match="nowhere"):
        runs.find_run("nowhere")


@pytest.fixture
def run(dlgd, tmp_path) -> Path:
    folder = tmp_path / "run"
    small = [*TINY, "model.width=8", "model.layers=4", "training=debug", "tracking=off", "training.steps=2"]
    done = dlgd("train", *small, f"hydra.run.dir={folder}", "evaluation.methods=null")
    assert done.returncode == 0, done.stderr
    return folder


def test_runs_that_do_not_fit(dlgd, run, tmp_path):
    from dlgd import build

    with pytest.raises(Refusal, match="model=unet"):
        runs.resumed_config(run, ["model=unet"])
    with pytest.raises(Refusal, match=r"model\.wdth"):
        runs.resumed_config(run, ["model.wdth=9"])
    assert runs.resumed_config(run, ["resume=x", "training.steps=9"]).training.steps == 9

    config = runs.read_config(run)
    with pytest.raises(Refusal, match="eps_q"):
        build.trained(run, config, "eps_q")
    other = OmegaConf.merge(config, {"model": {"width": 16}})
    with pytest.raises(Refusal, match="another network"):
        build.trained(run, other, None)
    best = run / "checkpoints" / "best_loss.pt"
    best.write_bytes(best.read_bytes()[:1000])
    with pytest.raises(Refusal, match="truncated"):
        build.trained(run, config, None)
    refused(dlgd("evaluate", f"run={run}"), "truncated")
