"""Searches by real workers, in processes of their own: nothing lost, nothing done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import mlflow_server
import numpy as np
import pytest
import toy

from dlgd.searching import queue, results
from dlgd.searching import study as studies
from dlgd.settings import Refusal
from dlgd.tracking.store import is_alive, owner

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    """Workers find the objectives."""
    path = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent.parent), path]))


def slots(study):
    """How many results stand for each slot."""
    done = [one for one in study.get_trials(deepcopy=False) if one.state.is_finished() and queue.is_result(one)]
    return Counter(one.user_attrs["slot"] for one in done)


# --- in this process -----------------------------------------------------------------------------------------------


def in_turn(job, *, worker=0):
    """What a worker does, without a process of its own."""
    from dlgd.searching.worker import run

    study, storage = toy.opened(job)
    queue.ask(study, job.trials)
    loaded = studies.load(storage, job.study, sampler=job.sampler, pruner=job.pruner, seed=job.seed, worker=worker)
    objective = job.make_objective()
    while (trial := queue.take(loaded, storage, job.trials, owner())) is not None:
        run(loaded, trial, job, objective)
    return study


@pytest.mark.parametrize("sampler", studies.SAMPLERS[:2] + studies.SAMPLERS[3:])
def test_samplers(tmp_path, sampler):
    study = in_turn(toy.job(tmp_path, sampler=sampler, trials=15))
    x = [one.params["x"] for one in study.trials]
    assert len(set(x)) == 15, "no value is proposed twice"
    assert min(x) < -0.2 < 0.2 < max(x)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_seed_repeats_a_search_but_a_second_sitting_or_worker_proposes_other_values(tmp_path, sampler):
    job = toy.job(tmp_path / "a", sampler=sampler, trials=4)
    first = [one.params for one in in_turn(job).trials]
    again = [one.params for one in in_turn(toy.job(tmp_path / "b", sampler=sampler, trials=4)).trials]
    assert first == again
    other = [one.params for one in in_turn(toy.job(tmp_path / "c", sampler=sampler, trials=4), worker=1).trials]
    more = [one.params["x"] for one in in_turn(replace(job, trials=8)).trials]
    assert len({*more, *(one["x"] for one in other)}) == 12


def test_grid(tmp_path):
    job = toy.job(tmp_path, search={"x": [0.5, -0.1, 0.2], "kind": ["round", "square"]}, sampler="grid", trials=6)
    assert toy.search(job, workers=2, values=job.space.grid()) == "ended"
    study, _ = toy.opened(job)
    assert {(one.params["x"], one.params["kind"]) for one in study.trials} == {
        (x, kind) for x in (0.5, -0.1, 0.2) for kind in ("round", "square")
    }
    assert results.best_trials(study, job.metrics)[0].params["x"] == -0.1


@pytest.mark.parametrize(
    "pruner",
    ["median", *(pytest.param(name, marks=pytest.mark.slow) for name in sorted({*studies.PRUNERS} - {"median"}))],
)
def test_pruners(tmp_path, pruner):
    study = in_turn(toy.job(tmp_path, pruner=pruner, trials=20))
    pruned = [one for one in study.trials if one.state.name == "PRUNED"]
    assert bool(pruned) == (pruner != "none")
    best = min(one.params["x"] ** 2 for one in study.trials)
    assert study.best_value == pytest.approx(best), "the best one is never stopped here"
    rows = results.rows(study, {"loss": "minimize"})
    assert [row["state"] for row in rows] == ["complete"] * (20 - len(pruned)) + ["pruned"] * len(pruned)
    values = [float(row["loss"]) for row in rows if row["loss"]]
    assert values == sorted(values)


def test_whatever_goes_wrong_is_the_trials(tmp_path):
    study = in_turn(toy.job(tmp_path, toy.moody, trials=6))
    assert [one.state.name for one in study.trials] == ["FAIL", "PRUNED", "PRUNED", *["COMPLETE"] * 3]
    remarks = {row["trial"]: row["remark"] for row in results.rows(study, {"loss": "minimize"})}
    assert "ZeroDivisionError: bad luck" in remarks["0"]
    assert "diverged: loss is nan at step 3" in remarks["1"]
    assert "diverged: loss=nan" in remarks["2"]
    assert study.trials[3].user_attrs["scores"]["size"] == pytest.approx(abs(study.trials[3].params["x"] - 0.5))


def test_several_metrics(tmp_path):
    job = toy.job(tmp_path, metrics={"loss": "minimize", "size": "minimize"}, sampler="tpe", trials=20)
    study = in_turn(job)
    front = results.best_trials(study, job.metrics)
    assert len(front) > 1
    for one in front:
        assert not any(other.values[0] < one.values[0] and other.values[1] < one.values[1] for other in study.trials)
    losses = [one.values[0] for one in front]
    assert losses == sorted(losses)
    names = {path.name for path in results.draw(study, job.metrics, tmp_path / "figures")}
    assert names >= {"pareto_front.png", "history_loss.png", "slice_size.png"}


def test_table_and_figures(tmp_path):
    job = toy.job(tmp_path, trials=8, metrics={"loss": "maximize"})
    study = in_turn(job)
    rows = results.rows(study, job.metrics)
    assert float(rows[0]["loss"]) == max(float(row["loss"]) for row in rows)
    markdown, comma_separated = results.write_table(tmp_path, rows, "title")
    assert markdown.read_text().count("\n") == 2 + 2 + 8
    assert comma_separated.read_text().startswith("trial,state,loss,x,kind,seconds,remark")
    for path in results.draw(study, job.metrics, tmp_path / "figures"):
        assert path.stat().st_size > 10_000
    drawn = {path.name for path in (tmp_path / "figures").glob("*.png")}
    assert drawn == {"history.png", "importances.png", "slice.png", "parallel.png"}


def test_a_line_that_a_killed_writer_left_unfinished_is_cut_off(tmp_path):
    job = toy.job(tmp_path, trials=3)
    in_turn(job)
    with (tmp_path / "study.journal").open("ab") as file:
        file.write(b'{"op_code": 4, "worker_id": "x')
    study = in_turn(replace(job, trials=5))
    assert slots(study) == dict.fromkeys(range(5), 1)


@pytest.mark.parametrize(
    ("metrics", "sampler", "pruner", "words"),
    [
        ({}, "tpe", "none", "sweep.metrics"),
        ({"loss": "lower"}, "tpe", "none", "minimize or maximize"),
        ({"loss": "minimize"}, "gauss", "none", "sampler=gauss"),
        ({"loss": "minimize"}, "tpe", "mean", "pruner=mean"),
        ({"a": "minimize", "b": "minimize"}, "tpe", "median", "cannot judge 2 metrics"),
        ({"a": "minimize", "b": "minimize"}, "cmaes", "none", "cannot judge 2 metrics"),
    ],
)
def test_refusals(metrics, sampler, pruner, words):
    with pytest.raises(Refusal, match=words):
        studies.check(metrics, sampler, pruner)


@pytest.mark.parametrize(
    ("url", "words"),
    [("nowhere://x", "cannot be used"), ("sqlite:////nowhere/a/b.db", "cannot be used")],
)
def test_a_storage_that_cannot_be_used(url, words):
    with pytest.raises(Refusal, match=words):
        studies.storage_of(url)


# --- two workers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_two_who_take_at_once_never_take_the_same(tmp_path, kind):
    """Eight threads with storages of their own, on one study."""
    job = toy.job(tmp_path, trials=24, url=f"sqlite:///{tmp_path}/study.db" if kind == "sqlite" else None)
    study, _ = toy.opened(job)
    queue.ask(study, 24)
    taken = []

    def greedy():
        storage = studies.storage_of(job.storage)
        own = studies.load(storage, "toy", sampler="random", pruner="none", seed=0, worker=0)
        while (trial := queue.take(own, storage, 24, "someone")) is not None:
            taken.append(trial.number)

    threads = [threading.Thread(target=greedy) for _ in range(8 if kind == "journal" else 3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(taken) == list(range(24))


def test_two_workers_share_the_work(tmp_path):
    record = tmp_path / "record"
    job = toy.job(tmp_path, trials=16, options={"seconds": 0.2, "record": str(record)})
    assert toy.search(job, workers=2) == "ended"
    study, _ = toy.opened(job)
    assert slots(study) == dict.fromkeys(range(16), 1)
    begun = [line for line in record.read_text().splitlines() if line.startswith("begin")]
    assert len(begun) == len(set(begun)) == 16
    assert len({one.user_attrs["owner"] for one in study.trials}) == 2


def test_trials_asked_for_twice_at_the_same_moment_are_run_once(tmp_path):
    job = toy.job(tmp_path, trials=3)
    study, _ = toy.opened(job)
    for _ in range(2):
        for slot in range(3):
            study.enqueue_trial({}, user_attrs={"slot": slot})
    study = in_turn(job)
    assert slots(study) == dict.fromkeys(range(3), 1)
    assert sum(one.user_attrs.get("double", False) for one in study.trials) == 3


# --- what is lost is tried again, once -----------------------------------------------------------------------------


def alive_but(dead):
    return lambda name: name != dead


def test_a_lost_trial_is_tried_again_with_its_values_and_only_once(tmp_path):
    job = toy.job(tmp_path, trials=2)
    study, storage = toy.opened(job)
    queue.ask(study, 2)
    trial = queue.take(study, storage, 2, "dead")
    values = job.space.suggest(trial)
    assert queue.recover(study, storage, alive_but("nobody")) == []
    for _ in range(3):  # as often as one likes
        queue.recover(study, storage, alive_but("dead"))
    assert study.trials[0].state.name == "FAIL"
    assert len(study.trials) == 3
    queue.take(study, storage, 2, "other")
    again = queue.take(study, storage, 2, "dead")
    assert again.user_attrs["again"] == 0
    assert job.space.suggest(again) == values
    queue.recover(study, storage, alive_but("dead"))
    assert len(study.trials) == 3, "lost twice: not tried a third time"
    assert queue.standing(study, 2).failed == 1


def test_interruptions_do_not_count(tmp_path):
    job = toy.job(tmp_path, trials=1)
    study, storage = toy.opened(job)
    queue.ask(study, 1)
    for _ in range(4):
        assert queue.take(study, storage, 1, "dead") is not None
        queue.recover(study, storage, alive_but("dead"), interrupted=True)
    assert queue.standing(study, 1).waiting == 1
    assert slots(in_turn(job)) == {0: 1}


def test_a_trial_without_owner_is_given_up_and_its_taker_finds_out(tmp_path, monkeypatch):
    """Killed, or held up, between the two moments of taking it."""
    from optuna.trial import TrialState

    job = toy.job(tmp_path, trials=1)
    study, storage = toy.opened(job)
    queue.ask(study, 1)
    storage.set_trial_state_values(study.trials[0]._trial_id, state=TrialState.RUNNING)
    assert queue.recover(study, storage, is_alive) == [], "it may be in that moment"
    monkeypatch.setattr(queue, "UNOWNED_S", 0.0)
    assert queue.recover(study, storage, is_alive) == [0]
    assert slots(in_turn(job)) == {0: 1}


@pytest.fixture
def parent(tmp_path):
    """Starts searches with two workers as processes of their own, which may be killed; none survives the test."""
    started = []

    def start(trials: int, seconds: float, *, url: str | None = None, name: str = "search") -> subprocess.Popen:
        script = tmp_path / f"{name}.py"
        script.write_text(
            f"import toy, pathlib; folder = pathlib.Path({str(tmp_path)!r})\n"
            "if __name__ == '__main__':\n"
            f"    options = {{'seconds': {seconds}, 'record': str(folder / 'record')}}\n"
            f"    job = toy.job(folder, trials={trials}, options=options, url={url!r})\n"
            f"    print(toy.search(job, workers=2))\n"
        )
        started.append(subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()  # its workers end with it
        process.wait()
        process.stdout.close()


def wait_for(condition, seconds: float = 120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def lines(folder: Path, word: str) -> int:
    record = folder / "record"
    return sum(line.startswith(word) for line in record.read_text().splitlines()) if record.exists() else 0


def check_nothing_lost(folder: Path, trials: int) -> None:
    """Every slot has one result; no trial of Optuna was begun twice."""
    study, _ = toy.opened(toy.job(folder))
    assert slots(study) == dict.fromkeys(range(trials), 1)
    begun = [line for line in (folder / "record").read_text().splitlines() if line.startswith("begin")]
    assert len(begun) == len(set(begun))
    repeats = Counter(one.user_attrs["again"] for one in study.trials if "again" in one.user_attrs)
    assert all(count == 1 for count in repeats.values())
    assert not [one for one in study.trials if one.state.name in ("RUNNING", "WAITING")]


def workers_of(process: subprocess.Popen) -> list[int]:
    """Their process ids."""
    import psutil

    children = psutil.Process(process.pid).children()
    return [one.pid for one in children if "spawn_main" in " ".join(one.cmdline())]


def test_a_killed_search_goes_on_where_it_stopped(parent, tmp_path):
    first = parent(12, 0.3)
    wait_for(lambda: lines(tmp_path, "end") >= 3)
    pids = workers_of(first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    import psutil

    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids))  # workers end with their parent
    done = lines(tmp_path, "end")
    assert done < 12
    second = parent(12, 0.0)
    assert second.communicate(timeout=120)[0].strip() == "ended"
    check_nothing_lost(tmp_path, 12)
    assert lines(tmp_path, "begin") <= 12 + 2, "only what was running is repeated"


def test_interrupted(parent, tmp_path):
    process = parent(30, 0.3)
    wait_for(lambda: lines(tmp_path, "end") >= 2)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0].strip() == "interrupted"
    study, _ = toy.opened(toy.job(tmp_path))
    standing = queue.standing(study, 30)
    assert standing.running == ()
    assert standing.finished + standing.waiting == 30
    assert standing.failed == 0


def test_time_is_up(tmp_path):
    job = toy.job(tmp_path, trials=40, until=time.time() + 8.0, options={"seconds": 0.5})
    assert toy.search(job) == "ended"
    study, _ = toy.opened(job)
    standing = queue.standing(study, 40)
    assert 0 < standing.finished < 40
    assert standing.finished + standing.waiting == 40


def kill_workers(process: subprocess.Popen, folder: Path, *, kills: int, seconds: float) -> None:
    """Kill a worker at so many random moments, while the search goes on."""
    rng = np.random.default_rng(kills)
    wait_for(lambda: lines(folder, "begin") >= 1)
    for _ in range(kills):
        time.sleep(rng.uniform(0.0, 2 * seconds))
        wait_for(lambda: workers_of(process) or process.poll() is not None)
        assert process.poll() is None, "it ended before all were killed"
        victim = rng.choice(workers_of(process))
        os.kill(victim, signal.SIGKILL)
        began = lines(folder, "begin")
        wait_for(lambda began=began: lines(folder, "begin") > began or process.poll() is not None)
    assert process.communicate(timeout=300)[0].strip() == "ended"


def test_killed_workers(parent, tmp_path):
    kill_workers(parent(12, 0.3), tmp_path, kills=2, seconds=0.3)
    check_nothing_lost(tmp_path, 12)


@pytest.mark.slow
def test_workers_killed_at_ten_random_moments(parent, tmp_path):
    kill_workers(parent(100, 0.3), tmp_path, kills=10, seconds=0.3)
    check_nothing_lost(tmp_path, 100)


# --- a database that several machines share ------------------------------------------------------------------------


@pytest.mark.slow
def test_two_machines_share_a_postgresql_database(parent, tmp_path):
    """Two searches at once, each with a folder and two workers of its own."""
    with mlflow_server.postgresql() as url:
        study, storage = toy.opened(toy.job(tmp_path, url=url))
        searches = [parent(12, 0.2, url=url, name=name) for name in ("one", "two")]
        assert {one.communicate(timeout=200)[0].strip() for one in searches} <= {"ended", "elsewhere"}
        assert slots(study) == dict.fromkeys(range(12), 1)
        begun = [line for line in (tmp_path / "record").read_text().splitlines() if line.startswith("begin")]
        assert len(begun) == len(set(begun)) == 12
        assert len({one.user_attrs["owner"] for one in study.trials}) > 2
        storage.remove_session()
        storage.engine.dispose()
