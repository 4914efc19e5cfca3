"""Optuna's study of a sweep: its storage, its sampler, which proposes trials, and its pruner, which stops them."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dlgd.core import checks, passwords
from dlgd.core.errors import Refusal

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

    from dlgd.core.score import Score

SAMPLERS = ("tpe", "random", "grid", "cmaes", "qmc")
PRUNERS = ("none", "median", "hyperband", "asha")
Direction = Literal["minimize", "maximize"]
DIRECTIONS: tuple[Direction, ...] = ("minimize", "maximize")
REDUCTION = 3  # hyperband and asha let one trial in three go on


def parse_metrics(metrics: object) -> dict[str, Direction | None]:
    """Return sweep.metrics as directions by name; None stands for the direction of the score, as in a list of names."""
    if isinstance(metrics, list) and all(isinstance(name, str) for name in metrics):
        metrics = dict.fromkeys(metrics)
    if not isinstance(metrics, dict) or not metrics:
        raise Refusal("sweep.metrics must name scores of the validation, such as [loss]")
    for name, direction in metrics.items():
        if direction not in (*DIRECTIONS, None):
            raise Refusal(f"sweep.metrics: {name} is {direction}: write minimize or maximize, or null for its own")
    return metrics


def check(metrics: Mapping[str, Direction | None], sampler: str, pruner: str) -> None:
    """Refuse unknown samplers and pruners, and those that cannot serve several metrics."""
    for key, value, known in (("sampler", sampler, SAMPLERS), ("pruner", pruner, PRUNERS)):
        checks.choice(f"sweep.{key}", value, known)
    if len(metrics) > 1 and pruner != "none":
        raise Refusal(f"sweep.pruner={pruner} works with one metric, not {len(metrics)}: type sweep.pruner=none")
    if len(metrics) > 1 and sampler == "cmaes":
        raise Refusal(f"sweep.sampler=cmaes works with one metric, not {len(metrics)}: type sweep.sampler=tpe")


def direction_of(score: Score, requested: Direction | None) -> Direction:
    """Return the direction of a metric: that of its score, which the requested one must not contradict."""
    if score.higher_is_better is None:
        if requested is None:
            raise Refusal(f"sweep.metrics: neither more nor less of {score.name} is better: write minimize or maximize")
        return requested
    own: Direction = "maximize" if score.higher_is_better else "minimize"
    if requested not in (own, None):
        better = "more" if score.higher_is_better else "less"
        raise Refusal(f"sweep.metrics: {score.name} is {requested}, but {better} of it is better: write {own}, or null")
    return own


def make_sampler(name: str, *, seed: int, draw: int) -> BaseSampler:
    """Return the sampler of one worker.

    draw: a number that differs between workers and after each interruption; otherwise the sampler would propose the
        same values again.
    """
    import numpy as np
    from optuna import samplers
    from optuna.exceptions import ExperimentalWarning

    own = int(np.random.SeedSequence((seed, draw)).generate_state(1)[0])
    independent = samplers.RandomSampler(seed=own)
    match name:
        case "tpe":
            return samplers.TPESampler(seed=own)
        case "cmaes":
            from dlgd.tuning.cma_sampler import OwnCmaEsSampler

            return OwnCmaEsSampler(seed=own, independent_sampler=independent, warn_independent_sampling=False)
        case "qmc":  # all workers share one series of points, hence one seed
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return samplers.QMCSampler(
                    scramble=True, seed=seed, independent_sampler=independent, warn_independent_sampling=False
                )
    return independent  # "random"; also "grid", as its trials have their values already


def make_pruner(name: str) -> BasePruner:
    """Return a pruner, whose resource is the number of validations."""
    from optuna import pruners

    match name:
        case "median":
            return pruners.MedianPruner(n_startup_trials=5)
        case "hyperband":
            return pruners.HyperbandPruner(min_resource=1, reduction_factor=REDUCTION)
        case "asha":
            return pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)
    return pruners.NopPruner()  # Optuna takes None for the median pruner


def storage_of(where: str) -> BaseStorage:
    """Open a file for Optuna's journal, or the database of an Optuna URL. Refusal where it cannot be used."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if "://" not in where:
        return _journal(Path(where))
    shown = passwords.shown(where)
    try:
        try:
            return optuna.storages.RDBStorage(where)
        except SQLAlchemyError:
            time.sleep(1.0)  # where two processes make the tables at once, one of them fails
            return optuna.storages.RDBStorage(where)
    except ModuleNotFoundError as error:
        raise Refusal(f"storage={shown} needs a Python package: pip install {error.name}") from error
    except ImportError as error:  # Optuna raises it where a driver is missing
        raise Refusal(f"storage={shown} needs a database driver, such as psycopg: {error}") from error
    except (SQLAlchemyError, ValueError) as error:
        reason = passwords.without_password((str(error).splitlines() or [type(error).__name__])[0])
        raise Refusal(f"storage={shown} cannot be used: {reason}") from error


def _journal(path: Path) -> BaseStorage:
    """Open a journal to which any number of processes may write, and each may be killed at any moment.

    Optuna's own locks outlive a killed process, and then hold up all others for half a minute; this lock is the
    system's and ends with its process. A line that a killed process has left unfinished is cut off.
    """
    from filelock import FileLock
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    class Lock:  # with the methods of Optuna's locks
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
    lock.acquire()  # cuts an unfinished line before the first reading
    lock.release()
    # Optuna does not export the base class of its locks.
    backend = JournalFileBackend(str(path), lock_obj=lock)  # pyright: ignore[reportArgumentType]
    return JournalStorage(backend)


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
    """Return a context in which no other process takes a trial.

    Only SQLite needs it: two processes may both read that a trial waits before one of them writes that it is taken. A
    journal and database servers decide themselves which process was first.
    """
    from filelock import FileLock

    engine = getattr(storage, "engine", None)
    if engine is None or engine.dialect.name != "sqlite":
        return nullcontext()
    return FileLock(f"{engine.url.database}.lock")


def create(storage: BaseStorage, name: str, metrics: Mapping[str, Direction]) -> Study:
    """Open the study of that name, or make it. One process must do this before the others begin."""
    import optuna

    study = optuna.create_study(
        storage=storage, study_name=name, directions=list(metrics.values()), load_if_exists=True,
        sampler=make_sampler("random", seed=0, draw=0), pruner=make_pruner("none"),
    )  # fmt: skip
    if study.metric_names is None and len(study.directions) == len(metrics):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(list(metrics))  # for Optuna's own tables and pages
    return study


def load(storage: BaseStorage, name: str, *, sampler: str, pruner: str, seed: int, worker: int) -> Study:
    """Open the study with the sampler and the pruner of a worker."""
    import optuna

    study = optuna.load_study(study_name=name, storage=storage, sampler=make_sampler("random", seed=0, draw=0))
    draw = 1000 * len(study.get_trials(deepcopy=False)) + worker
    study.sampler, study.pruner = make_sampler(sampler, seed=seed, draw=draw), make_pruner(pruner)
    return study
