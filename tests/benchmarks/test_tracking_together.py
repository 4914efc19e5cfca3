"""How much four processes that record in one SQLite file at once slow each other, against one alone."""

import json
import os
import statistics
import subprocess
import sys

import pytest

from dlgd.core.paths import ROOT
from dlgd.tracking import store

SECONDS = 8.0
ROUNDS = 3

# A training whose steps take 10 ms on a GPU, so that no process waits for the processor of another.
CHILD = """
import json, statistics, sys, time
from dlgd.tracking.mlflow import MLflow
from dlgd.tracking.naming import sent_metric
from mlflow import MlflowClient
number, uri, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
tracker = MLflow(experiment="speed", folder=f"run{number}", uri=uri, flush_seconds=1.0)
print("ready", flush=True)
input()
tracker.start(name=number, params={f"p{i}": i for i in range(50)}, tags={})
begun = time.perf_counter()
waits, step = [], 0
while time.perf_counter() - begun < seconds:
    time.sleep(0.01)
    before = time.perf_counter()
    tracker.log({f"train/{i}": float(step) for i in range(4)}, step)
    waits.append(time.perf_counter() - before)
    step += 1
ended = time.perf_counter()
tracker.finish("FINISHED")
finish = time.perf_counter() - ended
there = len(MlflowClient(uri).get_metric_history(tracker.run_id, sent_metric("train/0")))
print(json.dumps({"steps": step, "there": there, "longest": max(waits), "finish": finish}))
"""


def measure(folder, together):
    """What each of so many processes measured; they begin at the same moment."""
    folder.mkdir()
    uri = f"sqlite:///{folder.parent}/mlflow.db"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(number), uri, str(SECONDS)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(together)
    ]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    return [json.loads(child.communicate(timeout=300)[0]) for child in children]


@pytest.mark.bench
def test_four_processes_that_record_at_once(tmp_path):
    store.connect(f"sqlite:///{tmp_path}/mlflow.db")
    rounds = [
        (measure(tmp_path / f"alone{number}", 1), measure(tmp_path / f"four{number}", 4)) for number in range(ROUNDS)
    ]

    def steps(children):
        return statistics.fmean(child["steps"] for child in children)

    def slowest(children):
        return max(child["finish"] for child in children)

    pace = statistics.median(steps(alone) / steps(four) for alone, four in rounds)
    finish = [statistics.median(slowest(each) for each in side) for side in zip(*rounds, strict=True)]
    longest = max(child["longest"] for _, four in rounds for child in four)
    print(
        f"4 processes against 1, 4 scalars at each step of 10 ms: a step takes {pace:.3f} times as long, "
        f"the longest log() {1e3 * longest:.0f} ms, finishing {finish[1]:.1f} s against {finish[0]:.1f} s"
    )
    everyone = [child for pair in rounds for side in pair for child in side]
    assert all(child["there"] == child["steps"] for child in everyone), "nothing is lost"
    assert pace < 1.1
    assert finish[1] < 5 * finish[0] + 5
