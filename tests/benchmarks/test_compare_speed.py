"""A table of 200 runs: the whole command, against importing MLflow alone; and the reading, against one by one."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from dlgd.core.paths import ROOT
from dlgd.results.finished import Finished, Selection
from tests.recorded_runs import Recorder

ROWS, SEEDS = 40, 5
OPTIONS = {f"model.option_{number}": "a value" for number in range(50)}  # a real run has some 80 params


def best_of(act: Callable[[], object], tries: int = 3) -> float:
    """Seconds."""
    times = []
    for _ in range(tries):
        begun = time.perf_counter()
        act()
        times.append(time.perf_counter() - begun)
    return min(times)


@pytest.mark.bench
def test_two_hundred_runs_make_a_table_before_mlflow_and_torch_could_be_imported(tmp_path):
    recorder, generator = Recorder(tmp_path / "mlflow.db"), random.Random(0)
    valid = {f"valid/score_{number}": 1.0 for number in range(20)}
    for row in range(ROWS):
        for seed in range(SEEDS):
            eps = 1 + 0.02 * row + generator.gauss(0, 0.02)
            recorder.network(seed, eps, params=OPTIONS | {"model.width": row}, metrics=valid)

    def command(*words: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *words], cwd=tmp_path, env=environment, check=True, stdout=-3)

    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    table = best_of(command("-m", "dlgd.compare", "runs.experiment=nemovar", "scores=[eps_max,seconds_per_sample]"))
    help_text = best_of(command("-m", "dlgd.compare", "--help"))
    imports = best_of(command("-c", "import torch, mlflow, xarray"))
    assert (tmp_path / "outputs" / "comparison" / "runs" / "runs.csv").read_text().count("\n") == ROWS * SEEDS + 1

    finished, selection = Finished(recorder.uri), Selection("nemovar")
    runs = finished.select(selection)
    assert len(runs) == ROWS * SEEDS
    at_once = best_of(lambda: finished.select(selection))
    asked = best_of(lambda: finished.select(Selection("nemovar", filter="params.seed != 'x'")), tries=2)
    one_by_one = best_of(lambda: [recorder.client.get_run(run.run_id) for run in runs[:20]]) * len(runs) / 20
    print(
        f"compare, {len(runs)} runs: {table:.2f} s ({help_text:.2f} s of it for --help alone; importing torch, mlflow "
        f"and xarray {imports:.2f} s); reading them {1e3 * at_once:.0f} ms, by MLflow's client in one query "
        f"{1e3 * asked:.0f} ms, one by one {1e3 * one_by_one:.0f} ms"
    )
    assert table < imports
    assert at_once < one_by_one / 5
