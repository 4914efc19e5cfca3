"""The addresses of MLflow's pages of runs: python -m dlgd.tracking.pages mlflow.db http://127.0.0.1:5000

MLflow's first page, and that of an experiment, are about language models; those of runs must be addressed.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

SERVED = "http://127.0.0.1:5000"  # where `make ui` serves the pages


def page(address: str, experiment_id: str | int, run_id: str | None = None) -> str:
    """Return the address of the list of runs of an experiment, or of the page of a run.

    address: of the server.
    """
    runs = f"{address.rstrip('/')}/#/experiments/{experiment_id}/runs"
    return runs if run_id is None else f"{runs}/{run_id}"


def lists(database: Path, address: str) -> list[str]:
    """Return a line for each experiment that has runs: its name and the address of its runs."""
    query = """SELECT DISTINCT experiments.name, experiments.experiment_id FROM experiments
        JOIN runs USING (experiment_id) WHERE experiments.lifecycle_stage = 'active' ORDER BY experiments.name"""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=20)) as connection:
        return [f"{name}: {page(address, number)}" for name, number in connection.execute(query)]


if __name__ == "__main__":
    path = Path(sys.argv[1]).absolute()
    print("\n".join(lists(path, sys.argv[2]) if path.exists() else [f"{path} has no run yet"]))
