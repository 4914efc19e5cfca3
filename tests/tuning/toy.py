"""A search without trainings: objectives that workers in processes of their own can import."""

from __future__ import annotations

import functools
import time
from collections import Counter
from pathlib import Path

from dlgd.tracking.store import is_alive, owner
from dlgd.tuning import pool, queue
from dlgd.tuning import study as studies
from dlgd.tuning.space import parse
from dlgd.tuning.worker import Diverged, Job, run

SEARCH = {"x": {"low": -1.0, "high": 1.0}, "kind": ["round", "square"]}


def bowl(task, *, seconds: float = 0.0, record: str | None = None):
    """x squared. Notes each time that it begins and ends, in a file to which any process may append."""
    note(record, f"begin {task.number}")
    time.sleep(seconds)
    x = task.values["x"]
    for step in range(1, 4):
        if task.report({"loss": x**2 + 1 / step}):
            break
    note(record, f"end {task.number}")
    return {"loss": x**2, "size": abs(x - 0.5)}


def moody(task):
    """Everything that can go wrong with a set of values."""
    if task.number == 0:
        raise ZeroDivisionError("bad luck")
    if task.number == 1:
        raise Diverged("loss is nan at step 3")
    if task.number == 2:
        return {"loss": float("nan"), "size": 1.0}
    return bowl(task)


def note(record: str | None, line: str) -> None:
    if record is not None:
        with open(record, "a") as file:
            file.write(f"{line}\n")


def make(objective=bowl, **options):
    """What a worker calls to have its objective."""
    return functools.partial(objective, **options)


def job(folder: Path, objective=bowl, *, search=SEARCH, url: str | None = None, **changes) -> Job:
    options = changes.pop("options", {})
    return Job(
        **{
            "study": "toy",
            "storage": url or str(folder / "study.journal"),
            "folder": folder,
            "space": parse(search, lambda name: None),
            "metrics": {"loss": "minimize"},
            "sampler": "random",
            "pruner": "none",
            "seed": 0,
            "trials": 8,
            "until": None,
            "make_objective": functools.partial(make, objective, **options),
            "owner": owner,
        }
        | changes
    )


def opened(job: Job):
    """(study, storage), as the parent has them."""
    storage = studies.storage_of(job.storage)
    return studies.create(storage, job.study, job.metrics), storage


def search(job: Job, *, workers: int = 1, values=None) -> bool:
    """From the first to the last trial."""
    study, storage = opened(job)
    queue.ask(study, job.trials, values)
    return pool.search(job, study, storage, workers=workers, is_alive=is_alive)


def slots(study):
    """How many results stand for each slot."""
    done = [one for one in study.get_trials(deepcopy=False) if one.state.is_finished() and queue.is_result(one)]
    return Counter(one.user_attrs["slot"] for one in done)


def in_turn(job, *, worker=0):
    """What a worker does, without a process of its own."""
    study, storage = opened(job)
    queue.ask(study, job.trials)
    loaded = studies.load(storage, job.study, sampler=job.sampler, pruner=job.pruner, seed=job.seed, worker=worker)
    objective = job.make_objective()
    while (trial := queue.take(loaded, storage, job.trials, owner())) is not None:
        run(loaded, trial, job, objective)
    return study
