"""What a call cannot use is refused in a sentence, before any work, and nothing of a person's is replaced."""

from __future__ import annotations

import json
import shutil
import threading
from typing import Any

import pytest

import dlgd
from dlgd.core.paths import ROOT
from dlgd.interface import report_folder
from dlgd.interface.composing import composed

RUN = ROOT / "tests" / "frozen" / "runs" / "digits_cnn"
load: Any = dlgd.load
train: Any = dlgd.train
compare: Any = dlgd.compare
method: Any = dlgd.method
CALLS = {
    **{f"load {value}": (lambda value=value: load(value), "must be a run folder") for value in (None, 5, [], {}, True)},
    **{f"load trust {value}": (lambda value=value: load(RUN, trust=value), "list of your own packages")
       for value in (None, 5, "ab", [5])},
    **{f"train trust {value}": (lambda value=value: train(trust=value, model="none"), "list of your own packages")
       for value in (None, 5, "ab", [5])},
    "load uri": (lambda: load("a" * 32, tracking_uri=5), "tracking_uri=5 must be the address"),
    "load criterion": (lambda: load(RUN, criterion="nope"), "criterion=nope was not among"),
    "load device": (lambda: load(RUN, device="cpuu"), r"device=cpuu is unknown: .*did you mean cpu"),
    "compare word": (lambda: compare(5), "5 is no option"),
    "compare runs": (lambda: compare(runs="x"), "runs='x' must be a dict"),
    "compare uri": (lambda: compare(experiment="nemovar", tracking={"uri": 5}), r"tracking\.uri=5 must be the address"),
    "evaluate data": (lambda: load(RUN).evaluate(data="mnist_5k"), r"give dlgd\.data\('mnist_5k'\)"),
    "evaluate folder": (lambda: load(RUN).evaluate(folder=5), "folder=5 must be the path"),
    "method data": (lambda: method("pca", data="mnist_5k"), r"give dlgd\.data\('mnist_5k'\)"),
    "train resume": (lambda: train(resume=5), "resume=5 must be a run, its folder, or its id"),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_of_another_kind(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made, sentence = CALLS[call]
    with pytest.raises(dlgd.Refusal, match=sentence):
        made()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_of_others(tmp_path):
    (tmp_path / "notes.txt").touch()
    for call in (lambda: dlgd.train(f"hydra.run.dir={tmp_path}"), lambda: dlgd.train(folder=tmp_path)):
        with pytest.raises(dlgd.Refusal, match=r"is not empty, it holds notes\.txt"):
            call()
    assert [one.name for one in tmp_path.iterdir()] == ["notes.txt"]


def test_the_folder_of_an_evaluation(tmp_path):
    for name in ("scores.json", "predictions.nc", "figures"):
        theirs = tmp_path / name.partition(".")[0]
        (theirs / name).mkdir(parents=True)
        with pytest.raises(dlgd.Refusal, match=f"has {name} already, which would be replaced"):
            report_folder.checked(theirs)
    shutil.copytree(RUN, tmp_path / "run")
    with pytest.raises(dlgd.Refusal, match="is the folder of a run"):
        load(RUN).evaluate(folder=tmp_path / "run")
    again = report_folder.checked(tmp_path / "mine")
    report_folder.prepare(again)
    report_folder.mark(again)
    (again / "scores.json").touch()
    assert report_folder.checked(again) == again, "an evaluation replaces its own files"


def test_a_second_thread_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said: list[str] = []

    def second() -> None:
        try:
            dlgd.data("mnist_5k")
        except dlgd.Refusal as refusal:
            said.append(str(refusal))

    with composed("simulate", ["data=mnist_5k"]):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        dlgd.data("mnist_5k")  # within a call of the same thread
    assert said == ["another thread is in a call of dlgd, such as a training, and two cannot be: wait for its end"]


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A run of which only what is shown is there."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("config.yaml", "scores.json", "metrics.jsonl"):
        (folder / name).write_bytes((RUN / name).read_bytes())
    return folder


DAMAGED = [b'[{"method": "c', b'{"a": 1}', b"[1]", b"\xff\x00", b'[{"method": "c", "x": {"y": 1}}]',
           b'[{"method": "c", "x": null}]', b"[" * 100_000]  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: repr(content[:20]))
def test_a_damaged_run_is_shown(content, mine):
    (mine / "scores.json").write_bytes(content)
    run = dlgd.load(mine)
    assert repr(run) == "<Run cnn on mnist_5k, mine: scores.json is damaged>"
    assert "scores.json is damaged" in run._repr_html_()
    for name in ("scores", "table"):
        with pytest.raises(dlgd.Refusal, match=r"scores\.json is damaged \("):
            getattr(run, name)


def test_curves_with_lines_that_are_damaged(mine):
    whole = dlgd.load(mine).history
    lines = (mine / "metrics.jsonl").read_bytes()
    broken = b'\n{"a": }\n[1]\n{"step": null, "metrics": {}}\n\xff\xfe\n{"step": 9, "metrics": {"train/loss": null}}'
    (mine / "metrics.jsonl").write_bytes(lines + broken)
    assert len(whole)
    assert dlgd.load(mine).history.equals(whole)


def test_a_run_is_found_again_from_another_folder(mine, tmp_path, monkeypatch):
    run = dlgd.load("mine")
    assert repr(run).startswith("<Run cnn on mnist_5k, mine: ")
    scores = json.loads((mine / "scores.json").read_text())
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert run.path == mine
    assert run.scores["accuracy"] == scores[0]["accuracy"]
    assert len(run.history)
    assert repr(run).startswith(f"<Run cnn on mnist_5k, {mine}: ")
