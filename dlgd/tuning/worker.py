"""A worker process: it runs one trial after the other, and records their outcomes in the study."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlgd.cli.error_origin import in_a_line
from dlgd.core.errors import Refusal
from dlgd.core.interruption import STOPPED, interruptible, uninterrupted
from dlgd.tuning import queue
from dlgd.tuning import study as studies
from dlgd.tuning.space import Space
from dlgd.tuning.study import Direction

if TYPE_CHECKING:
    from optuna import Study, Trial

log = logging.getLogger(__name__)

AGAIN = "again_"  # before the numbers of the trials that a study trains again, in the name of its folder


class Diverged(Exception):
    """A number became infinite or undefined. The sampler should avoid such values."""


class RunningTrial:
    """A trial as the objective sees it. The objective returns scores by name, the metrics among them.

    values: of the parameters, by name.
    folder: for the files of the trial, in the folder of its study.
    metric: the score that the pruner follows; None where there are several.
    """

    def __init__(self, trial: Trial, values: Mapping[str, Any], folder: Path, metric: str | None) -> None:
        self.number, self.values, self.folder = trial.number, values, folder
        self.stopped = False  # whether the pruner has stopped it
        again = "again " if folder.parent.name.startswith(AGAIN) else ""
        self.name = f"{again}{trial.number} {in_words(values)}"
        self._trial, self._metric, self._reports = trial, metric, 0

    def report(self, scores: Mapping[str, float]) -> bool:
        """Report the scores of a validation. Returns whether the pruner ends the trial here."""
        if self._metric is not None and math.isfinite(scores.get(self._metric, math.nan)):
            self._reports += 1
            self._trial.report(scores[self._metric], self._reports)
            self.stopped = self._trial.should_prune()
        return self.stopped

    def note(self, name: str, value: Any) -> None:
        """Record a value in the trial."""
        self._trial.set_user_attr(name, value)


Objective = Callable[[RunningTrial], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Job:
    """The job of the workers of a search; it is pickled."""

    study: str
    storage: str  # an Optuna URL, or the path of a journal
    folder: Path  # for the folders of the trials and the logs of the workers
    space: Space
    metrics: Mapping[str, Direction]  # by name
    sampler: str
    pruner: str
    seed: int
    trials: int  # how many are wanted
    until: float | None  # seconds since 1970 after which no trial begins
    make_objective: Callable[[], Objective]  # called once in each worker
    owner: Callable[[], str]  # the name of the process that calls it


def serve(job: Job, number: int) -> None:
    """Run trials until none waits or the time is up: the main function of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which then ends the workers
    _end_with_parent()
    _log_to(job.folder / f"worker_{number}.log")
    try:
        with interruptible():
            _run_waiting(job, number)
    except KeyboardInterrupt:  # the parent enqueues the trial again
        log.info("stopped")
        sys.exit(STOPPED)


def _run_waiting(job: Job, number: int) -> None:
    storage = studies.storage_of(job.storage)
    study = studies.load(storage, job.study, sampler=job.sampler, pruner=job.pruner, seed=job.seed, worker=number)
    objective, owner = job.make_objective(), job.owner()
    while job.until is None or time.time() < job.until:
        with uninterrupted():
            trial = queue.take(study, storage, job.trials, owner)
        if trial is None:
            return
        run(study, trial, job, objective)


def run(study: Study, trial: Trial, job: Job, objective: Objective) -> None:
    """Run one trial. An error ends the trial, and is recorded in it; the study goes on."""
    from optuna.trial import TrialState

    single = len(job.metrics) == 1
    begun = time.perf_counter()
    values, outcome, error = None, TrialState.FAIL, ""
    try:
        point = trial.user_attrs.get("values") or job.space.suggest(trial)
        log.info("trial %d: %s", trial.number, in_words(point))
        metric = next(iter(job.metrics)) if single else None
        running = RunningTrial(trial, point, folder_of(job.folder, trial.number), metric)
        scores = objective(running)
        values = [scores[name] for name in job.metrics]
        if not all(map(math.isfinite, values)):
            raise Diverged(f"{', '.join(f'{name}={scores[name]}' for name in job.metrics)}")
        trial.set_user_attr("scores", {name: float(value) for name, value in scores.items()})
        outcome = TrialState.PRUNED if running.stopped else TrialState.COMPLETE
    except Diverged as diverged:
        # The sampler avoids values whose trial was pruned. With several metrics, Optuna prunes nothing.
        outcome, error = TrialState.PRUNED if single else TrialState.FAIL, f"diverged: {diverged}"
    except Refusal as refusal:
        error = str(refusal)
    except Exception as bug:
        error = in_a_line(bug)
        log.exception("trial %d", trial.number)
    seconds = time.perf_counter() - begun
    with uninterrupted():
        _tell(study, trial, outcome, values if outcome == TrialState.COMPLETE else None, error, seconds)
    gc.collect()  # frees the memory that the trial used on the device
    if not gc.get_freeze_count():
        gc.freeze()  # excludes the imported libraries: going through them took 0.4 s after each trial


def _tell(study: Study, trial: Trial, state: Any, values: list[float] | None, error: str, seconds: float) -> None:
    from optuna.exceptions import UpdateFinishedTrialError

    try:
        trial.set_user_attr("seconds", round(seconds, 3))
        if error:
            trial.set_user_attr("error", error[:1000])
        study.tell(trial, values, state=state)
        log.info("trial %d: %s %s%s", trial.number, state.name.lower(), "" if values is None else values, error)
    except (UpdateFinishedTrialError, ValueError) as late:  # another process has marked the trial as lost
        log.warning("trial %d was ended by another process: %s", trial.number, late)


def in_words(values: Mapping[str, Any]) -> str:
    """Return the values of a trial as they are typed: "model=cnn optimizer.lr=0.001234"."""
    return " ".join(f"{key}={f'{value:.4g}' if isinstance(value, float) else value}" for key, value in values.items())


def folder_of(folder: Path, number: int) -> Path:
    """Return the folder of a trial."""
    return folder / f"trial_{number:04d}"


def _end_with_parent() -> None:
    """End at once when the parent process ends, for any reason: the trial is then run again."""
    parent = multiprocessing.parent_process()
    if parent is None:  # called directly
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _log_to(path: Path) -> None:
    """Send all output of this process to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True)
