"""Runs read from MLflow's SQLite file itself, in four queries whatever their number.

Asking MLflow for them costs seconds before the first answer, because its import does. What is read here are five tables
that MLflow has had for years; a test holds that its own client gives the same runs. Nothing is written.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

NOT_DELETED = "runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active'"
RUNS = """SELECT run_uuid, status, start_time, end_time
    FROM runs JOIN experiments USING (experiment_id) WHERE """
# A CASE, because MLflow writes 0 and a flag for what is not a number, and sqlite3 would read NaN as None.
TABLES = {
    "params": "key, value",
    "tags": "key, value",
    "latest_metrics": "key, CASE WHEN is_nan THEN NULL ELSE value END",
}


@dataclass
class Record:
    """A run as MLflow has it, whatever became of it."""

    run_id: str
    status: str
    start: int  # milliseconds since 1970
    end: int | None  # likewise; None while it is running
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


def records(path: Path, *, experiment: str | None, tags: Mapping[str, str], ids: Sequence[str]) -> list[Record]:
    """The runs that were not deleted and have all that is given, in no order. Raises sqlite3.Error."""
    conditions, values = [NOT_DELETED], []
    if experiment is not None:
        conditions.append("experiments.name = ?")
        values.append(experiment)
    for key, value in tags.items():
        conditions.append("run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value = ?)")
        values += [key, value]
    if ids:
        conditions.append(f"run_uuid IN ({', '.join('?' * len(ids))})")
        values += ids
    chosen = RUNS + " AND ".join(conditions)
    with _reading(path) as database:
        found = {row[0]: Record(*row) for row in database.execute(chosen, values)}
        for table, columns in TABLES.items():
            filled = "metrics" if table == "latest_metrics" else table
            query = f"SELECT run_uuid, {columns} FROM {table} WHERE run_uuid IN (SELECT run_uuid FROM ({chosen}))"
            for run_id, key, value in database.execute(query, values):
                getattr(found[run_id], filled)[key] = math.nan if value is None and filled == "metrics" else value
    return list(found.values())


def experiments(path: Path) -> list[str]:
    """The names of MLflow's experiments. Raises sqlite3.Error."""
    with _reading(path) as database:
        return [name for (name,) in database.execute("SELECT name FROM experiments WHERE lifecycle_stage = 'active'")]


def history(path: Path, run_id: str, metric: str) -> list[tuple[int, float]]:
    """(step, value) of a metric, in no order. Raises sqlite3.Error."""
    query = "SELECT step, CASE WHEN is_nan THEN NULL ELSE value END FROM metrics WHERE run_uuid = ? AND key = ?"
    with _reading(path) as database:
        return [(step, math.nan if v is None else v) for step, v in database.execute(query, (run_id, metric))]


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    # One transaction: runs that end in the meantime do not tear what is read apart.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=20)) as database:
        database.execute("BEGIN")
        yield database
