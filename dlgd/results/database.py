"""Runs read from MLflow's SQLite file itself, in four queries whatever their number.

MLflow itself takes seconds to import. The five tables that are read here have been part of MLflow for years, and a test
checks that MLflow's own client gives the same runs. Nothing is written.
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
# MLflow stores NaN as 0 with a flag, hence the CASE; a NULL is turned into NaN below, as sqlite3 has no NaN.
TABLES = {
    "params": "key, value",
    "tags": "key, value",
    "latest_metrics": "key, CASE WHEN is_nan THEN NULL ELSE value END",
}


@dataclass
class StoredRun:
    """A run as MLflow stores it, whether it has finished or not."""

    run_id: str
    status: str
    start: int  # milliseconds since 1970
    end: int | None  # milliseconds since 1970; None while it is running
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


def stored_runs(path: Path, *, experiment: str | None, tags: Mapping[str, str], ids: Sequence[str]) -> list[StoredRun]:
    """Return the runs that were not deleted and meet all conditions, in no order. Raises sqlite3.Error."""
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
    selected = RUNS + " AND ".join(conditions)
    with _reading(path) as database:
        found = {row[0]: StoredRun(*row) for row in database.execute(selected, values)}
        for table, columns in TABLES.items():
            attribute = "metrics" if table == "latest_metrics" else table
            query = f"SELECT run_uuid, {columns} FROM {table} WHERE run_uuid IN (SELECT run_uuid FROM ({selected}))"
            for run_id, key, value in database.execute(query, values):
                getattr(found[run_id], attribute)[key] = math.nan if value is None and attribute == "metrics" else value
    return list(found.values())


def experiments(path: Path) -> list[str]:
    """Return the names of MLflow's experiments. Raises sqlite3.Error."""
    with _reading(path) as database:
        return [name for (name,) in database.execute("SELECT name FROM experiments WHERE lifecycle_stage = 'active'")]


def history(path: Path, run_id: str, metric: str) -> list[tuple[int, float]]:
    """Return (step, value) of a metric, in no order. Raises sqlite3.Error."""
    query = "SELECT step, CASE WHEN is_nan THEN NULL ELSE value END FROM metrics WHERE run_uuid = ? AND key = ?"
    with _reading(path) as database:
        return [(step, math.nan if v is None else v) for step, v in database.execute(query, (run_id, metric))]


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    # One transaction: all queries see the same state, even if runs end in the meantime.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=20)) as database:
        database.execute("BEGIN")
        yield database
