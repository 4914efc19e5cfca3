"""The parent process of the workers: it starts and replaces them, and reports the progress of the search."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING

from dlgd.core.errors import Refusal
from dlgd.core.progress import duration
from dlgd.core.threads import threads
from dlgd.tuning import queue
from dlgd.tuning.outcomes import best_in_words, outcome_in_words
from dlgd.tuning.worker import Job, serve

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

log = logging.getLogger(__name__)

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
POLL_S = 0.5
SILENCE_S = 60.0  # without news, after which the log names the running trials
PATIENCE_S = 60.0  # that an interruption leaves the workers to finish their training step
MOST_USELESS = 3  # workers in a row that end with an error while no worker takes a trial; the search then stops
MOST_FAILED = 5  # failed trials without any success; the search then stops, as all trials have the same fault


def threads_each(workers: int) -> int:
    """Return the threads of one worker: its share of the cores, or of OMP_NUM_THREADS where that is less."""
    return max(1, threads() // workers)


def search(job: Job, study: Study, storage: BaseStorage, *, workers: int, is_alive: Callable[[str], bool]) -> str:
    """Let workers run all waiting trials. Returns "ended" (all is done, or the time is up), "elsewhere" (only other
    machines still run trials) or "interrupted" (by Ctrl-C, within a step of training).

    is_alive: whether the process of that name still runs, see `tracking.store`.
    Raises Refusal where workers cannot begin, or where all trials fail.
    """
    pool = _Pool(job, study, storage, workers)
    queue.recover(study, storage, is_alive)
    try:
        while pool.go_on(is_alive):
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        log.info("stopping after this step of each worker; Ctrl-C once more to stop at once")
        pool.stop()
        with suppress(KeyboardInterrupt):  # the next search recovers what this one does not
            queue.recover_interrupted(study, storage, is_alive)
        return "interrupted"
    finally:
        pool.stop()
    left = queue.standing(study, job.trials)
    if left.running:
        log.info("other processes go on with trials %s", ", ".join(map(str, left.running)))
        return "elsewhere"
    return "ended"


class _Pool:
    """The worker processes of this machine."""

    def __init__(self, job: Job, study: Study, storage: BaseStorage, workers: int) -> None:
        self.job, self.study, self.storage, self.workers = job, study, storage, workers
        self.alive: dict[int, SpawnProcess] = {}  # worker processes by number
        self.started = self.useless = 0
        self.reported = {one.number for one in study.get_trials(deepcopy=False) if one.state.is_finished()}
        self.begun_before = queue.begun(study)
        self.finished_before = queue.standing(study, job.trials).finished
        self.begun = self.last_news = time.monotonic()

    def go_on(self, is_alive: Callable[[str], bool]) -> bool:
        """Replace the workers that have ended. Returns whether to go on waiting."""
        ended = [number for number, process in self.alive.items() if process.exitcode is not None]
        unowned = queue.has_unowned(self.study)
        lost = queue.recover(self.study, self.storage, is_alive) if ended or unowned else []
        for number in ended:
            self._check_end(number, self.alive.pop(number).exitcode, lost)
        self.report_news()
        now = queue.standing(self.study, self.job.trials)
        if now.failed == now.finished >= MOST_FAILED:
            raise Refusal(
                f"the first {now.failed} trials all failed: the last lines of {self.job.folder}/worker_*.log say why; "
                "correct the cause, and type another study=<name>"
            )
        over = self.job.until is not None and time.time() >= self.job.until
        while now.waiting > 0 and not over and len(self.alive) < min(self.workers, now.waiting + len(now.running)):
            self._start()
        return bool(self.alive) or unowned

    def _start(self) -> None:
        number = self.started
        self.started += 1
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(self.job, number))
        with _threads(threads_each(self.workers)):
            process.start()
        self.alive[number] = process

    def _check_end(self, number: int, exit_code: int | None, lost: list[int]) -> None:
        """Log the trials that were lost with a worker. Refusal where several workers in a row cannot begin."""
        if exit_code == 0:
            return
        for trial in lost:
            log.info("trial %d was lost with its process (worker %d, exit code %s)", trial, number, exit_code)
        begun = queue.begun(self.study)
        in_a_row = self.useless + 1 if begun == self.begun_before else 1  # where others begin trials, the search works
        self.useless, self.begun_before = (0 if lost else in_a_row), begun
        if self.useless >= MOST_USELESS:
            path = self.job.folder / f"worker_{number}.log"
            lines = path.read_text(errors="replace").splitlines() if path.exists() else []
            raise Refusal(f"the workers cannot begin ({lines[-1] if lines else exit_code}): see {path}")

    def stop(self) -> None:
        """Ask all workers to end, and kill those that do not."""
        deadline = time.monotonic() + PATIENCE_S
        for process in self.alive.values():
            process.terminate()
        try:
            while any(process.is_alive() for process in self.alive.values()) and time.monotonic() < deadline:
                time.sleep(0.05)
        except KeyboardInterrupt:
            pass
        for process in self.alive.values():
            process.kill()
            process.join()
        self.alive.clear()

    def report_news(self) -> None:
        """A line for each trial that has ended; for those that run, now and then."""
        now = queue.standing(self.study, self.job.trials)
        news = [
            one
            for one in self.study.get_trials(deepcopy=False)
            if one.state.is_finished() and one.number not in self.reported
        ]
        done = now.finished - self.finished_before
        missing = self.job.trials - now.finished
        pace = (time.monotonic() - self.begun) / done if done > 0 and missing > 0 else None
        for trial in news:
            self.reported.add(trial.number)
            log.info("trial %d %s", trial.number, outcome_in_words(trial, self.job.metrics))
        if news:
            left = "" if pace is None else f", about {duration(pace * missing)} left"
            log.info(
                "%d of %d trials, %d pruned, %d failed%s; %s",
                now.finished, self.job.trials, now.pruned, now.failed, left,
                best_in_words(self.study, self.job.metrics),
            )  # fmt: skip
        elif time.monotonic() - self.last_news > SILENCE_S:
            log.info("running: trials %s", ", ".join(map(str, now.running)) or "none yet")
        else:
            return
        self.last_news = time.monotonic()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Give processes that are started meanwhile so many threads: libraries read these variables when imported."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
