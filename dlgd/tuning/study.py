"""Optuna's study of a sweep: where it is kept, which sampler proposes and which pruner stops trials."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from dlgd.core import checks
from dlgd.core.errors import Refusal

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

    from dlgd.core.score import Score

SAMPLERS = ("tpe", "random", "grid", "cmaes", "qmc")
PRUNERS = ("none", "median", "hyperband", "asha")
DIRECTIONS = ("minimize", "maximize")
REDUCTION = 3  # of hyperband and asha: one trial in three goes on


def asked(metrics: object) -> dict[str, str | None]:
    """sweep.metrics as directions by name: a list of names has none, and a metric then has that of its score."""
    if isinstance(metrics, list) and all(isinstance(name, str) for name in metrics):
        metrics = dict.fromkeys(metrics)
    if not isinstance(metrics, dict) or not metrics:
        raise Refusal("sweep.metrics must name scores of the validation, such as [loss]")
    for name, direction in metrics.items():
        if direction not in (*DIRECTIONS, None):
            raise Refusal(f"sweep.metrics: {name} is {direction}: write minimize or maximize, or null for its own")
    return metrics


def check(metrics: Mapping[str, str | None], sampler: str, pruner: str) -> None:
    """Refuse what Optuna cannot do."""
    for key, value, known in (("sampler", sampler, SAMPLERS), ("pruner", pruner, PRUNERS)):
        checks.choice(f"sweep.{key}", value, known)
    if len(metrics) > 1 and pruner != "none":
        raise Refusal(f"sweep.pruner={pruner} works with one metric, not {len(metrics)}: type sweep.pruner=none")
    if len(metrics) > 1 and sampler == "cmaes":
        raise Refusal(f"sweep.sampler=cmaes works with one metric, not {len(metrics)}: type sweep.sampler=tpe")


def direction_of(score: Score, typed: str | None) -> str:
    """Of a metric: that of its score, which what was typed must not contradict."""
    if score.higher_is_better is None:
        if typed is None:
            raise Refusal(f"sweep.metrics: neither more nor less of {score.name} is better: write minimize or maximize")
        return typed
    own = "maximize" if score.higher_is_better else "minimize"
    if typed not in (own, None):
        better = "more" if score.higher_is_better else "less"
        raise Refusal(f"sweep.metrics: {score.name} is {typed}, but {better} of it is better: write {own}, or null")
    return own


def make_sampler(name: str, *, seed: int, draw: int) -> BaseSampler:
    """The sampler of one worker. `draw` is another number in each worker and after each interruption: the same one
    would make it propose again what was proposed before."""
    import numpy as np
    from optuna import samplers
    from optuna.exceptions import ExperimentalWarning

    own = int(np.random.SeedSequence((seed, draw)).generate_state(1)[0])
    independent = samplers.RandomSampler(seed=own)
    match name:
        case "tpe":
            return samplers.TPESampler(seed=own)
        case "cmaes":
            return samplers.CmaEsSampler(seed=own, independent_sampler=independent, warn_independent_sampling=False)
        case "qmc":  # one series of points for all workers, hence one seed
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return samplers.QMCSampler(
                    scramble=True, seed=seed, independent_sampler=independent, warn_independent_sampling=False
                )
    return independent  # "random"; and a grid's values come with the trial


def make_pruner(name: str) -> BasePruner:
    """A pruner; its resource is the number of validations."""
    from optuna import pruners

    match name:
        case "median":
            return pruners.MedianPruner(n_startup_trials=5)
        case "hyperband":
            return pruners.HyperbandPruner(min_resource=1, reduction_factor=REDUCTION)
        case "asha":
            return pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)
    return pruners.NopPruner()  # None would be the median


def storage_of(where: str) -> BaseStorage:
    """A file of Optuna's journal, or any database that an Optuna URL names. Raises Refusal where it cannot be used."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if "://" not in where:
        return _journal(Path(where))
    shown = where.rpartition("@")[2]  # without a password
    try:
        try:
            return optuna.storages.RDBStorage(where)
        except SQLAlchemyError:
            time.sleep(1.0)  # where two make the tables at once, one of them fails
            return optuna.storages.RDBStorage(where)
    except ModuleNotFoundError as error:
        raise Refusal(f"storage={shown} needs a Python package: pip install {error.name}") from error
    except ImportError as error:  # Optuna's own words for a missing driver
        raise Refusal(f"storage={shown} needs a database driver, such as psycopg: {error}") from error
    except (SQLAlchemyError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise Refusal(f"storage={shown} cannot be used: {reason}") from error


def _journal(path: Path) -> BaseStorage:
    """A file that may be killed at any moment, and any number of processes may write to.

    Optuna's own locks stay behind when their process is killed, and then hold up all others for half a minute; this
    one is the system's and ends with its process. What a killed writer left of a line is cut off.
    """
    from filelock import FileLock
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    class Lock:  # as Optuna wants one
        def __init__(self) -> None:
            self._lock = FileLock(f"{path}.lock")

        def acquire(self) -> bool:
            self._lock.acquire(poll_interval=0.002)
            _cut_unfinished_line(path)
            return True

        def release(self) -> None:
            self._lock.release()

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = Lock()
    path.touch()
    lock.acquire()  # before the first reading
    lock.release()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _cut_unfinished_line(path: Path) -> None:
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return
        file.seek(size - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def alone(storage: BaseStorage) -> AbstractContextManager:
    """While entered, no other process takes a trial. Only SQLite needs it, where two may read that a trial waits before
    either writes that it does not; a journal and database servers decide by themselves who was first."""
    from filelock import FileLock

    engine = getattr(storage, "engine", None)
    if engine is None or engine.dialect.name != "sqlite":
        return nullcontext()
    return FileLock(f"{engine.url.database}.lock")


def create(storage: BaseStorage, name: str, metrics: Mapping[str, str]) -> Study:
    """The study of that name, made where it is new. One process does this before the others begin."""
    import optuna

    return optuna.create_study(
        storage=storage, study_name=name, directions=list(metrics.values()), load_if_exists=True,
        sampler=make_sampler("random", seed=0, draw=0), pruner=make_pruner("none"),
    )  # fmt: skip


def load(storage: BaseStorage, name: str, *, sampler: str, pruner: str, seed: int, worker: int) -> Study:
    """The study as a worker uses it."""
    import optuna

    study = optuna.load_study(study_name=name, storage=storage, sampler=make_sampler("random", seed=0, draw=0))
    draw = 1000 * len(study.get_trials(deepcopy=False)) + worker
    study.sampler, study.pruner = make_sampler(sampler, seed=seed, draw=draw), make_pruner(pruner)
    return study
