"""A search as a person runs it: commands in an empty folder, on a problem of seconds."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import hydra
import pytest
from omegaconf import OmegaConf

from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF, ROOT
from dlgd.training import checkpoint
from dlgd.tuning import search, trial
from tests.commands.tiny_run import TINY

pytestmark = pytest.mark.usefixtures("database")

SMALL = [
    *TINY,
    "model.layers=4",
    "training=debug",
    "scheduler=none",
    "evaluation.methods.randomization_100=null",
]
SWEEP = """# @package _global_
# Question: which network?
defaults:
  - _self_
  - override /data: nemovar
trials: 4
sweep:
  metrics: {eps_mean: minimize}
  sampler: random
  search:
    model: [cnn, resnet]
    model.width: {low: 4, high: 8, step: 2}
    model.skip: {values: [addition, none], when: {model: resnet}}
    optimizer.lr: {low: 1e-4, high: 1e-2, log: true}
"""


@pytest.fixture
def arguments(tmp_path):
    """Of a command that searches."""
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "small.yaml").write_text(SWEEP)
    return [
        f"hydra.searchpath=[file://{tmp_path}]",
        "sweep=small",
        f"best={tmp_path}/experiment/found.yaml",
        *SMALL,
    ]


def rows(folder):
    lines = (folder / "trials.csv").read_text().splitlines()
    header = lines[0].split(",")
    return [dict(zip(header, line.split(","), strict=False)) for line in lines[1:]]


def best_score(folder) -> float:
    return checkpoint.load(checkpoint.last_path(folder)).state.best["loss"]


@pytest.mark.filterwarnings("ignore:.*loader strategy is deprecated")  # MLflow's use of SQLAlchemy
def test_a_search_and_what_it_leaves(dlgd, tmp_path, arguments):
    done = dlgd("sweep", *arguments, "workers=2")
    assert done.returncode == 0, done.stderr + done.stdout
    folder = tmp_path / "outputs" / "sweeps" / "small"
    table = rows(folder)
    assert [row["state"] for row in table] == ["complete"] * 4
    for name in ("history", "slice", "parallel", "importances"):
        assert (folder / "figures" / f"{name}.png").stat().st_size > 10_000
    scores = json.loads((folder / "scores.json").read_text())
    assert [row["method"] for row in scores] == [
        *(table[0]["model"], "homogeneous", "separable", "bridge"),
        *("exact 0.01", "exact 0.0001", "exact 1e-06"),
    ]

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'nemovar'")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if run.info.run_name == "sweep small"]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == 4
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {item.path for item in client.list_artifacts(parent.info.run_id)} >= {"trials.md", "trials.csv", "figures"}
    assert parent.data.metrics["test/eps_mean"] == pytest.approx(scores[0]["eps_mean"])
    for child in children:
        assert not any(name.startswith("test/") for name in child.data.metrics), (
            "the search leaves the test split alone"
        )
        assert "sweep.sampler" not in child.data.params
        assert child.data.params["model"] in ("cnn", "resnet")
        assert "checkpoints" in {item.path for item in client.list_artifacts(child.info.run_id)}


@pytest.mark.slow
def test_the_experiment_that_is_written_repeats_the_best_trial(dlgd, tmp_path, arguments):
    done = dlgd("sweep", *arguments, "tracking=off", "test=false")
    assert done.returncode == 0, done.stderr + done.stdout
    folder = tmp_path / "outputs" / "sweeps" / "small"
    number = int(rows(folder)[0]["trial"])
    wanted = best_score(folder / f"trial_{number:04d}")
    found = [f"hydra.searchpath=[file://{tmp_path}]", "experiment=found", "tracking=off", "evaluation.methods=null"]
    done = dlgd("train", *found, f"hydra.run.dir={tmp_path}/again")
    assert done.returncode == 0, done.stderr + done.stdout
    assert best_score(tmp_path / "again") == wanted, "bit for bit"
    ours = OmegaConf.load(tmp_path / "again" / "config.yaml")
    theirs = OmegaConf.load(folder / f"trial_{number:04d}" / "config.yaml")
    for one in (ours, theirs):
        one.choices.pop("experiment", None)
        one.evaluation.methods = None
    assert ours == theirs


@pytest.mark.slow
def test_goes_on_and_refuses_another_question(dlgd, tmp_path, arguments):
    quick = [*arguments, "tracking=off", "test=false"]
    assert dlgd("sweep", *quick, "trials=2").returncode == 0
    folder = tmp_path / "outputs" / "sweeps" / "small"
    before = {row["trial"]: row for row in rows(folder)}
    done = dlgd("sweep", *quick, "trials=3")
    assert done.returncode == 0, done.stderr
    after = {row["trial"]: row for row in rows(folder)}
    assert len(after) == 3
    assert all(after[number] == before[number] for number in before), "nothing is tried twice"
    done = dlgd("sweep", *quick, "training.steps=10")
    assert done.returncode == 2
    assert "training.steps=20, not 10" in done.stderr
    assert "type study=" in done.stderr
    (tmp_path / "experiment" / "found.yaml").write_text("mine")
    done = dlgd("sweep", *quick)
    assert done.returncode == 2
    assert "was not written by a search" in done.stderr


def test_interrupted_then_gone_on_with(dlgd, cache, tmp_path, arguments):
    command = [sys.executable, "-m", "dlgd.sweep", *arguments, "training.steps=300", "tracking=off", "test=false"]
    environment = os.environ | {"DLGD_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    folder = tmp_path / "outputs" / "sweeps" / "small"
    while not list(folder.glob("trial_*/checkpoints/last.pt")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=120)
    assert process.returncode == 130, words
    assert re.search(r"go on with: python -m dlgd\.sweep .*sweep=small", words)
    assert "Traceback" not in words
    done = dlgd("sweep", *command[3:])
    assert done.returncode == 0, done.stderr
    states = [row["state"] for row in rows(folder)]
    assert states.count("complete") == 4
    assert "was lost" not in done.stderr


@pytest.mark.slow
def test_best_with_other_seeds(dlgd, tmp_path, arguments):
    done = dlgd("sweep", *arguments, "tracking=off", "trials=2", "reruns=2")
    assert done.returncode == 0, done.stderr + done.stdout
    folder = tmp_path / "outputs" / "sweeps" / "small"
    (again,) = folder.glob("again_*")
    table = rows(again)
    assert sorted(row["seed"] for row in table) == ["1", "1", "2", "2"]
    scores = json.loads((folder / "scores.json").read_text())
    assert [row["method"].split(" seed ")[1] for row in scores[:2]] == ["1", "2"]
    assert "with 2 other seeds" in (tmp_path / "experiment" / "found.yaml").read_text()


def test_a_classical_method(dlgd, tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "classical.yaml").write_text(
        "# @package _global_\ndefaults:\n  - _self_\n  - override /baseline: randomization\n"
        "sweep:\n  metrics: {eps_mean: minimize}\n  sampler: grid\n"
        "  search:\n    baseline.vectors: [5, 50, 500]\n"
    )
    quick = [*TINY, "tracking=off", "evaluation.methods=null"]
    done = dlgd("sweep", f"hydra.searchpath=[file://{tmp_path}]", "sweep=classical", *quick)
    assert done.returncode == 0, done.stderr + done.stdout
    table = rows(tmp_path / "outputs" / "sweeps" / "classical")
    assert [row["baseline.vectors"] for row in table] == ["500", "50", "5"], "the more vectors the better"
    best = tmp_path / "outputs" / "sweeps" / "classical" / "best.yaml"
    assert OmegaConf.load(best).vectors == 500
    assert "mkdir -p baseline && cp -i outputs/sweeps/classical/best.yaml baseline/classical.yaml && " in done.stdout
    assert not (tmp_path / "baseline").exists(), "nothing is written among the choices by itself"


# --- what is refused, before any work ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "words"), [(["trials=3"], ["nothing is searched", "mnist_5k"]), (["sweep=smal"], ["smal", "mnist_5k"])]
)
def test_a_command_that_is_refused(dlgd, typed, words):
    done = dlgd("sweep", *typed)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["trials=0"], "trials=0"),
        (["workers=2.5"], "workers=2.5"),
        (["minutes=-1"], "minutes=-1"),
        (["reruns=2", "+sweep.metrics.eps_q=minimize"], "reruns=2 needs one metric"),
        (["sweep.sampler=gauss"], "sampler=gauss.*tpe"),
        (["sweep.pruner=mean"], "pruner=mean.*median"),
        (["sweep.sampler=grid"], "a grid needs the values of optimizer.lr"),
        (["+sweep.metrics.accuracy=maximize"], "accuracy.*eps_mean"),
        (["data=mnist_5k", "training.criteria=[loss]"], "eps_mean.*accuracy"),
        (["sweep.metrics.eps_mean=maximize"], "eps_mean is maximize, but less of it is better"),
        (["model.width=7", "data.patch=300"], "data.patch=300"),
        (["model=cnn", "model.wdth=7"], "wdth"),
    ],
)
def test_what_is_refused_before_any_work(tmp_path, monkeypatch, typed, words):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "small.yaml").write_text(SWEEP)
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path / "untouched"))
    monkeypatch.chdir(tmp_path)
    overrides = [f"hydra.searchpath=[file://{tmp_path}]", "sweep=small", *typed]
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(Exception, match=words):
        search.check_search(hydra.compose("sweep", overrides), overrides, tmp_path)
    assert not (tmp_path / "untouched").exists()


@pytest.mark.parametrize(
    ("metrics", "directions"),
    [
        ("[accuracy,loss]", {"accuracy": "maximize", "loss": "minimize"}),
        ("{accuracy: }", {"accuracy": "maximize"}),
        ("{accuracy: maximize}", {"accuracy": "maximize"}),
        ("{accuracy: minimize}", "accuracy is minimize, but more of it is better: write maximize, or null"),
    ],
)
def test_a_search_follows_the_direction_of_a_score(tmp_path, monkeypatch, metrics, directions):
    (tmp_path / "sweep").mkdir()
    text = SWEEP.replace("{eps_mean: minimize}", metrics).replace("/data: nemovar", "/data: mnist_5k")
    (tmp_path / "sweep" / "small.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    overrides = [f"hydra.searchpath=[file://{tmp_path}]", "sweep=small"]
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("sweep", overrides)
        if isinstance(directions, str):
            with pytest.raises(Refusal, match=directions):
                search.check_search(config, overrides, tmp_path)
        else:
            composer, space, _ = search.check_search(config, overrides, tmp_path)
            assert config.sweep.metrics == directions
            kept = search.settings(config, composer, space)
            assert kept["sweep.metrics"] == str(directions), "as of a study for which they were typed"


def test_options_that_do_not_exist(tmp_path):
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        composer = trial.Composer(["model=cnn"])
        with pytest.raises(Refusal, match=r"model\.skp.*when"):
            composer.config({"model.skp": "addition"})
        with pytest.raises(Refusal, match=r"model\.skip.*beside model=cnn"):
            composer.config({"model": "cnn", "model.skip": "addition"})
        config, choices = composer.config({"model.width": 12, "loss": "mae"})
        assert (config.model.width, choices["loss"], config.loss._target_) == (12, "mae", "dlgd.losses.pointwise.mae")
        assert "sweep" not in config
        assert composer.config({})[0].model.width == 64, "trials do not change one another"
