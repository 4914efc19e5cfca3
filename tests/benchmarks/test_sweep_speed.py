"""What a search costs beside its trainings: against the bare training call, and against Optuna used directly."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import time
from pathlib import Path

import hydra
import pytest

from dlgd.cli import training
from dlgd.core.paths import CONF, ROOT
from dlgd.tracking.store import owner
from dlgd.tuning import queue, trial
from dlgd.tuning import study as studies
from dlgd.tuning.space import parse
from dlgd.tuning.worker import Job, run

sys.path += [str(ROOT / "tests" / folder) for folder in ("tuning", "commands")]
TRIALS = 200
ROUNDS = 7


def bare_seconds(composer, data, folder) -> float:
    """A training as the search makes it, called directly with its configuration and prepared data."""
    config = trial.with_evaluation(*composer.config({"optimizer.lr": 1e-3}))
    begun = time.perf_counter()
    plain = training.SearchTrial(
        data=data(config), should_stop=lambda scores, improved: False, is_pruned=lambda: False, name="bare", tags={}
    )
    training.train(config, folder, resumed=False, trial=plain)
    return time.perf_counter() - begun


@pytest.mark.bench
@pytest.mark.parametrize("tracking", ["off", "mlflow"])
def test_a_trial_costs_little_more_than_its_training(tmp_path, monkeypatch, tracking):
    """The bare training is not tracked; with tracking=mlflow a trial has a run with params, curves and checkpoints."""
    from tests.commands.tiny_run import TINY

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path / "cache"))
    common = [*TINY, "data=nemovar", "model=cnn", "model.width=8", "model.layers=4", "training=debug", "scheduler=none"]
    common += ["training.steps=200", "training.validate_every=100", "training.batch_size=8"]
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        composer, data = trial.Composer([*common, "tracking=off"]), trial.PreparedData()
        space = parse({"optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True}}, lambda name: None)
        storage = studies.storage_of(str(tmp_path / "study.journal"))
        studies.create(storage, "speed", {"loss": "minimize"})
        study = studies.load(storage, "speed", sampler="tpe", pruner="median", seed=0, worker=0)
        queue.ask(study, ROUNDS + 1)
        job = Job(
            study="speed", storage="", folder=tmp_path, space=space, metrics={"loss": "minimize"}, sampler="tpe",
            pruner="median", seed=0, trials=ROUNDS + 1, until=None, make_objective=lambda: None, owner=owner,
        )  # fmt: skip
        objective = trial.make_objective([*common, f"tracking={tracking}"], {}, 1)

        def searched_seconds() -> float:
            begun = time.perf_counter()
            run(study, queue.take(study, storage, job.trials, owner()), job, objective)
            return time.perf_counter() - begun

        bare_seconds(composer, data, tmp_path / "warm")
        searched_seconds()
        rounds = [
            (bare_seconds(composer, data, tmp_path / f"bare_{number}"), searched_seconds()) for number in range(ROUNDS)
        ]
    assert all(one.state.name == "COMPLETE" for one in study.trials)
    bare = statistics.median(pair[0] for pair in rounds)
    overhead = statistics.median(trial_s - bare_s for bare_s, trial_s in rounds)
    print(f"tracking={tracking}: a trial takes {overhead:.3f} s more than its training alone ({bare:.2f} s)")
    assert overhead < 0.5


def optimize_directly(path: str, trials: int) -> None:
    """One of two processes that use Optuna as its tutorial does."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(one: optuna.Trial) -> float:
        x = one.suggest_float("x", -1.0, 1.0)
        one.suggest_categorical("kind", ["round", "square"])
        time.sleep(0.1)
        for step in range(1, 4):
            one.report(x**2 + 1 / step, step)
            one.should_prune()
        return x**2

    study = optuna.load_study(
        study_name="toy", storage=JournalStorage(JournalFileBackend(path)), pruner=optuna.pruners.NopPruner()
    )
    study.optimize(objective, n_trials=trials)


def trials_per_second(storage) -> float:
    """From the beginning of the first to the end of the last: without the start of processes."""
    import optuna

    trials = optuna.load_study(study_name="toy", storage=storage).trials
    assert sum(one.state.name == "COMPLETE" for one in trials) == TRIALS
    begun, ended = min(one.datetime_start for one in trials), max(one.datetime_complete for one in trials)
    return TRIALS / (ended - begun).total_seconds()


@pytest.mark.bench
def test_trials_per_second_beside_optuna_used_directly(tmp_path, monkeypatch):
    """200 trials of 0.1 s with 2 workers, TPE, three reports each, kept in a journal."""
    import optuna

    from tests.tuning import toy

    here = Path(toy.__file__).parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here), str(ROOT), os.environ.get("PYTHONPATH", "")]))
    job = toy.job(tmp_path / "ours", sampler="tpe", trials=TRIALS, options={"seconds": 0.1})
    toy.search(job, workers=2)
    ours = trials_per_second(studies.storage_of(job.storage))

    path = str(tmp_path / "direct.journal")
    direct = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path))
    optuna.create_study(study_name="toy", storage=direct)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=optimize_directly, args=(path, TRIALS // 2)) for _ in range(2)]
    for one in processes:
        one.start()
    for one in processes:
        one.join()
    theirs = trials_per_second(direct)
    print(f"{ours:.1f} trials per second, {theirs:.1f} with Optuna used directly: {ours / theirs:.2f} times")
    assert ours / theirs > 0.5
