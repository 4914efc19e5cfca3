"""Several runs from one command: what fails alone, what is said of it, and where it is recorded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from omegaconf import OmegaConf

from dlgd.cli import multirun, multirun_summary
from dlgd.core.config import PARTS
from dlgd.core.errors import Refusal
from dlgd.core.paths import ROOT
from dlgd.core.threads import cores
from dlgd.scoring.table import markdown
from dlgd.tracking import parents
from tests.commands.tiny_digits import DIGITS

THREADS = {f"{name}_NUM_THREADS" for name in ("OMP", "MKL", "OPENBLAS", "NUMBA", "NUMEXPR", "BLIS")}
FOREVER = "training.steps=1000000"


@pytest.fixture
def begin(cache, tmp_path):
    """Begin `python -m dlgd.train -m ...` in an empty working folder, in a process group of its own."""
    begun = []

    def start(*arguments: str) -> subprocess.Popen:
        kept = {name: value for name, value in os.environ.items() if name not in THREADS}
        process = subprocess.Popen(
            [sys.executable, "-m", "dlgd.train", "-m", *DIGITS, *arguments],
            cwd=tmp_path,
            env=kept | {"DLGD_CACHE": str(cache), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # the group is of our own making
            process.communicate()


def folder_of(where: Path) -> Path:
    (record,) = where.glob(f"multirun/*/*/{parents.RECORD}")
    return record.parent


def wait_for(found, process, seconds=400):
    """What `found` gives, once it gives something."""
    end = time.monotonic() + seconds
    while not (answer := found()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return answer


def training(process, number):
    """The process of a run that has begun to train."""
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            words = child.cmdline()
        except psutil.Error:  # gone, or not yet itself
            continue
        run = Path(next((word for word in words if word.startswith("hydra.run.dir=")), "").partition("=")[2].strip("'"))
        if run.name == str(number) and (run / "checkpoints" / "last.pt").exists():
            return child
    return None


def recorded(where):
    """The run of the multirun in MLflow, its children by their folders' names, and the client."""
    client = MlflowClient(f"sqlite:///{where}/mlflow.db")
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    (parent,) = [run for run in runs if parents.PARENT_TAG not in run.data.tags]
    children = [run for run in runs if run is not parent]
    assert {run.data.tags[parents.PARENT_TAG] for run in children} == {parent.info.run_id}
    return parent, {Path(run.data.tags["dlgd.folder"]).name: run for run in children}, client


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*loader strategy is deprecated")  # MLflow's use of SQLAlchemy
def test_a_refused_and_a_killed_run_take_no_other_with_them(begin, tmp_path):
    process = begin("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "model.layers=7,4", f"{FOREVER},20")
    wait_for(lambda: training(process, 1), process).kill()
    output, errors = process.communicate(timeout=400)
    assert process.returncode == 1, errors
    folder = folder_of(tmp_path)
    assert "1 of 4 runs finished" in output
    odd = "model.layers=7 must be an even number of at least 4"
    assert f"dlgd: run 0 {FOREVER} model.layers=7: failed: {odd}" in errors
    assert f"dlgd: run 1 {FOREVER} model.layers=4: failed: ended by the signal SIGKILL" in errors
    assert "Traceback" not in errors

    threads = max(cores() // 2, 1)
    assert f"{cores()} cores, {threads} thread" in (folder / "3" / "train.log").read_text()
    assert (folder / "3" / "output.txt").stat().st_size > 0

    parent, children, client = recorded(tmp_path)
    assert {name: run.info.status for name, run in children.items()} == dict(
        zip("0123", ["FAILED", "FAILED", "FAILED", "FINISHED"], strict=True)
    )
    assert children["0"].data.tags[parents.ERROR_TAG].startswith(odd)
    assert children["0"].data.params["model.layers"] == "7"
    assert "SIGKILL" in children["1"].data.tags[parents.ERROR_TAG]
    assert children["1"].data.metrics["curves/train/loss"] > 0  # what it had not sent when it was killed
    names = [children[number].info.run_name for number in "0123"]
    assert names[1:] == [
        f"1 {FOREVER} model.layers=4",
        "2 training.steps=20 model.layers=7",
        "3 training.steps=20 model.layers=4",
    ]
    assert names[0] == f"0 {FOREVER} model.layers=7"
    assert parent.info.status == "FAILED"
    assert "| 3 training.steps=20 model.layers=4 |" in parent.data.tags[parents.NOTE_TAG]
    assert odd in parent.data.tags[parents.NOTE_TAG]
    assert [item.path for item in client.list_artifacts(parent.info.run_id)] == ["multirun.md"]
    assert parent.info.run_name == f"model.layers=7,4 {FOREVER},20"
    assert f"{children['3'].data.metrics['test/accuracy']:.2f}" in parent.data.tags[parents.NOTE_TAG]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*loader strategy is deprecated")
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_run_gently_and_begins_no_other(begin, tmp_path, launcher, number):
    process = begin(f"hydra/launcher={launcher}", FOREVER, "seed=0,1,2")
    wait_for(lambda: training(process, 0), process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)  # as `timeout` and `kill` do
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 130, errors
    assert "dlgd: run 0 seed=0: stopped" in errors or "dlgd: run 0: stopped" in errors
    begun = multirun_summary.read_outcomes(folder_of(tmp_path))
    assert 1 <= len(begun) < 3 or launcher == "joblib"
    assert {one.status for one in begun.values()} <= {"KILLED"}
    parent, children, _ = recorded(tmp_path)
    assert parent.info.status == "KILLED"
    assert children["0"].info.status == "KILLED"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*loader strategy is deprecated")
def test_processes_of_a_cluster(begin, tmp_path):
    """submitit_local sends runs where submitit_slurm would, but for the queue."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs the extra [slurm]")
    process = begin("hydra/launcher=submitit_local", "optimizer.lr=1e-3,1e30", "hydra.launcher.timeout_min=10")
    _, errors = process.communicate(timeout=500)
    assert process.returncode == 1, errors
    assert "dlgd: run 1 optimizer.lr=1e+30: failed: The loss is not finite at step" in errors
    parent, children, _ = recorded(tmp_path)
    assert [children[name].info.status for name in "01"] == ["FINISHED", "FAILED"]
    assert children["1"].data.tags[parents.ERROR_TAG].startswith("The loss is not finite")
    assert parent.info.status == "FAILED"


def test_a_misspelt_choice_ends_the_command_before_any_run(dlgd, tmp_path):
    done = dlgd("train", "-m", "model=cnn,resnt", *DIGITS[:-4])
    assert done.returncode == 2
    assert "resnt" in done.stderr
    assert not multirun_summary.read_outcomes(tmp_path)


def test_words_for_an_end(tmp_path):
    assert multirun.failure_of(-signal.SIGSEGV, tmp_path) == "ended by the signal SIGSEGV"
    assert "lack of memory" in multirun.failure_of(-signal.SIGKILL, tmp_path)
    assert "exit code 3" in multirun.failure_of(3, tmp_path)
    assert multirun.line_of(Refusal("say this\nand more"), "config") == "say this"
    assert multirun.line_of(KeyError("x"), "config") == "KeyError: 'x'"


def test_runs_are_named_by_what_they_do_not_share(tmp_path):
    outcomes = {}
    for number, model in enumerate(["cnn", "unet"]):
        outcomes[tmp_path / str(number)] = multirun_summary.Outcome(number, ["seed=0", f"model={model}"])
        (tmp_path / str(number)).mkdir()
        outcomes[tmp_path / str(number)].write(tmp_path / str(number))
    parents.begin(tmp_path, "model=cnn,unet", ["model"])
    names = multirun_summary.short_names(tmp_path, outcomes)
    assert list(names.values()) == ["0 model=cnn", "1 model=unet"]
    assert {run: multirun_summary.name_in_multirun(run) for run in outcomes} == names  # in MLflow, while they run
    (tmp_path / parents.RECORD).write_text('{"name": "begun before what differs was recorded", "owner": "a:1:2"}')
    assert multirun_summary.short_names(tmp_path, outcomes) == names
    assert multirun_summary.name_in_multirun(tmp_path) is None
    assert multirun_summary.read_outcomes(tmp_path) == outcomes
    assert json.loads((tmp_path / "0" / multirun_summary.OUTCOME).read_text())["status"] == "RUNNING"


def test_the_summary_has_the_scores_of_the_evaluation_and_of_the_network(tmp_path):
    """And knows of which more is better."""
    evaluation = {"scores": {"_target_": "dlgd.problems.images.scores.reconstruction.ReconstructionEvaluation"}}
    rows = {"ae": {"explained_variance": 60.0, "mse": 0.04}, "vae": {"explained_variance": 70.0, "mse": 0.03}}
    rows["vae"]["negative_elbo"] = 100.0
    finished, names = {}, {}
    for number, (name, row) in enumerate(rows.items()):
        run = tmp_path / name
        run.mkdir()
        model = {"_target_": {"ae": "dlgd.models.ae.AE", "vae": "dlgd.models.vae.VAE"}[name]}
        config = {key: {} for key in PARTS} | {"seed": 0, "evaluation": evaluation, "model": model}
        OmegaConf.save(OmegaConf.create(config), run / "config.yaml")
        (run / "scores.json").write_text(json.dumps([{"method": name, **row, "seconds_per_sample": 0.5}]))
        finished[run], names[run] = multirun_summary.Outcome(number, [], status="FINISHED"), name
    table, columns = multirun_summary.scores(finished, names)
    lines = markdown(list(table.values()), columns).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["method", "explained variance (%)", "MSE", "-ELBO (nats)", "time (s/sample)"]
    assert cells[3][:4] == ["vae", "**70.00**", "**3.00e-2**", "100.00"]


@pytest.mark.filterwarnings("ignore:.*loader strategy is deprecated")
def test_the_end_says_nothing_of_the_multirun_s_own_run(place, caplog):
    """Each run has said where it is recorded."""
    caplog.set_level("INFO")
    uri, folder = f"sqlite:///{place}/mlflow.db", place / "m"
    (folder / "0").mkdir(parents=True)
    tracking = {"_target_": "dlgd.tracking.mlflow.MLflow", "uri": uri}
    client = MlflowClient(uri)
    parent = client.create_run(client.create_experiment("tests")).info.run_id
    (folder / "mlflow_run_id").write_text(parent)
    parents.begin(folder, "seed=0", ["seed"])
    (folder / multirun_summary.SUMMARY).write_text("all is well")
    outcome = multirun_summary.Outcome(
        0, ["seed=0"], "FINISHED", tracking={"tracking": tracking, "data": {"name": "tests"}}
    )
    multirun_summary.close_parent(folder, {folder / "0": outcome}, "all is well", [folder / "0"])
    assert client.get_run(parent).info.status == "FINISHED"
    assert [record.getMessage() for record in caplog.records if record.name.startswith("dlgd.tracking")] == []
