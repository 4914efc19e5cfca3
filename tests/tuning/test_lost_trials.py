"""Trials whose workers were killed or interrupted: nothing lost, nothing done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from dlgd.tracking.store import is_alive
from dlgd.tuning import queue
from tests import mlflow_server
from tests.tuning import toy

HERE = Path(__file__).parent


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
    assert toy.slots(toy.in_turn(job)) == {0: 1}


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
    assert toy.slots(toy.in_turn(job)) == {0: 1}


def test_an_interruption_leaves_no_trial_without_owner(tmp_path, monkeypatch):
    """The worker was ended between the two moments of taking it."""
    from optuna.trial import TrialState

    job = toy.job(tmp_path, trials=1)
    study, storage = toy.opened(job)
    queue.ask(study, 1)
    storage.set_trial_state_values(study.trials[0]._trial_id, state=TrialState.RUNNING)
    monkeypatch.setattr(queue, "UNOWNED_S", 0.3)
    queue.recover_interrupted(study, storage, is_alive)
    standing = queue.standing(study, 1)
    assert (standing.running, standing.waiting, standing.failed) == ((), 1, 0)


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
    assert toy.slots(study) == dict.fromkeys(range(trials), 1)
    begun = [line for line in (folder / "record").read_text().splitlines() if line.startswith("begin")]
    assert len(begun) == len(set(begun))
    repeats = Counter(one.user_attrs["again"] for one in study.trials if "again" in one.user_attrs)
    assert all(count == 1 for count in repeats.values())
    assert not [one for one in study.trials if one.state.name in ("RUNNING", "WAITING")]


def workers_of(process: subprocess.Popen) -> list[int]:
    """Their process ids."""
    import psutil

    found = []
    for child in psutil.Process(process.pid).children():
        with suppress(psutil.NoSuchProcess):  # killed, and not yet buried
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child.pid)
    return found


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
        assert toy.slots(study) == dict.fromkeys(range(12), 1)
        begun = [line for line in (tmp_path / "record").read_text().splitlines() if line.startswith("begin")]
        assert len(begun) == len(set(begun)) == 12
        assert len({one.user_attrs["owner"] for one in study.trials}) > 2
        storage.remove_session()
        storage.engine.dispose()
