"""Pickles, links, servers and odd files in the folder of a stranger's run: none is run, followed or sent to."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from dlgd import evaluate
from dlgd.cli import multirun_resume, multirun_summary
from dlgd.cli.multirun_summary import Outcome
from dlgd.core.errors import Refusal
from dlgd.core.files import write_text
from dlgd.tracking import late, store
from dlgd.train import main as train
from tests.commands import strangers
from tests.commands.opening import DATA, INPUT, SILENT, WAYS, command, place, refuses, typed  # noqa: F401  # fixtures too


def test_a_server_that_only_the_run_names(command, place):
    config = strangers.configuration()
    config["tracking"]["uri"] = "http://me:password@collects.example"
    folder = strangers.run_folder(place / "theirs", config)
    code, said = command(train, f"resume={folder}")
    assert code == 2
    assert f"{folder} records in http://collects.example, which neither this command nor" in said
    assert "password@" not in said


@pytest.mark.parametrize("flag", ["--experimental-rerun", "--experimental-rerun=pickle", "--exp"])
def test_hydras_pickles(command, place, flag):
    canary = strangers.prepare(place)
    code, said = command(train, flag, "pickle")
    assert code == 2
    assert "would run whatever its file says" in said
    assert not canary.exists()


def test_a_pickle_instead_of_a_checkpoint(command, place):
    canary = strangers.prepare(place)
    torch.save({"format": "dlgd checkpoint 1", "weights": strangers.Canary(canary)}, place / "evil.pt")
    assert command(evaluate.main, f"run={place}/evil.pt")[0] == 2
    folder = strangers.run_folder(place / "theirs", strangers.configuration())
    (folder / "config.yaml").write_text(f"seed: !!python/object/apply:os.mkdir ['{canary}']\n")
    (folder / "checkpoints" / "last.pt").unlink()  # which would give the configuration back
    assert command(evaluate.main, f"run={folder}")[0] == 2
    assert not canary.exists()


def test_a_multirun_that_was_there_before(place, caplog):
    """Its table is made, and nothing that a run of it names is called; a run of this very command may name anything."""
    config = strangers.with_call(strangers.calls(place)["import"], "as scores")
    run = strangers.run_folder(place / "m" / "0", config)
    (run / "scores.json").write_text('[{"method": "cnn", "accuracy": 3.0}]')
    strangers.prepare(place)
    outcome = Outcome(0, ["seed=0"], "FINISHED", tracking={"tracking": strangers.calls(place)["os.system"]})
    rows, _ = multirun_summary.scores({run: outcome}, {run: "0"})
    assert rows[run]["accuracy"] == 3.0
    assert "evaluation.scores._target_=importlib.import_module is nothing that a run needs" in caplog.text
    assert "planted" not in sys.modules
    (place / "m" / "mlflow_run_id").write_text("0" * 32)
    with pytest.raises(Refusal, match=r"os\.system is nothing that a run needs"):
        multirun_summary.close_parent(place / "m", {run: outcome}, "")
    assert not (place / "canary").exists()
    with contextlib.suppress(Exception):
        multirun_summary.scores({run: outcome}, {run: "0"}, ours=[run])
    assert "planted" in sys.modules


def test_a_record_that_waits_to_be_sent(place, monkeypatch):
    """It goes to no server that only the run's folder names, and takes no file from outside of the folder."""
    run, secret = place / "theirs", place / "secret.txt"
    run.mkdir()
    secret.write_text("of mine")
    (run / "own.txt").write_text("of the run")
    record = late.begun(run, uri="http://collects.example", experiment="x", name="x", params={}, tags={})
    names = (str(secret), "../secret.txt", "own.txt")
    record = replace(record, artifacts=tuple((name, "") for name in names), status="FINISHED", ended=1)
    with pytest.raises(Refusal, match=r"recorded in http://collects\.example, which neither this command nor"):
        late.send(run, record)
    run_id = late.send(run, record, store.locate(f"sqlite:///{place}/mlflow.db"))
    sent = store.connect(f"sqlite:///{place}/mlflow.db").list_artifacts(run_id)
    assert [one.path for one in sent] == ["own.txt"]
    (run / "figures").mkdir()
    (run / "figures" / "link.txt").symlink_to(secret)
    with pytest.raises(Refusal, match=r"figures/link\.txt is a link that leads out of the run's folder, to "):
        late.send(run, record, store.locate(f"sqlite:///{place}/mlflow.db"))


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (".config.yaml.partial", "train resume={folder}"),
        ("checkpoints/.last.pt.partial", "train resume={folder}"),
        ("train.log", "train resume={folder}"),
        ("evaluation", "evaluate run={folder}"),
        ("figures/learning_curves.png", "train resume={folder}"),
    ],
)
def test_a_link_out_of_the_folder(command, place, link, words):
    """Through it a file of the person who opens the run would be written."""
    folder, mine = strangers.run_folder(place / "theirs", strangers.configuration()), place / "mine"
    mine.write_text("of mine")
    (folder / link).parent.mkdir(exist_ok=True)
    (folder / link).symlink_to(mine)
    name, word = words.format(folder=folder).split()
    code, said = command({"train": train, "evaluate": evaluate.main}[name], word)
    assert code == 2
    assert "is a link that leads out of the run's folder" in said
    assert mine.read_text() == "of mine"


def test_what_a_killed_process_left_is_no_link_to_write_through(place):
    (place / "mine").write_text("of mine")
    (place / ".new.txt.partial").symlink_to(place / "mine")
    write_text(place / "new.txt", "new")
    assert (place / "mine").read_text() == "of mine"
    assert not (place / "new.txt").is_symlink()


def test_the_server_of_a_strangers_multirun(place, caplog):
    """MLflow would send it the password of its environment, when a multirun ends or is sent."""
    run = strangers.run_folder(place / "m" / "0", strangers.configuration())
    (place / "m" / "mlflow_run_id").write_text("0" * 32)
    outcome = Outcome(0, ["seed=0"], "FINISHED", tracking={"tracking": {"uri": "http://collects.example"}})
    multirun_summary.close_parent(place / "m", {run: outcome}, "")
    assert "is not sent to http://collects.example, which this command does not name" in caplog.text


def options_of_a_multirun(folder: Path, *options: str) -> list[str]:
    """What `-m resume=` takes of a multirun that was typed with these options."""
    folder.mkdir()
    recorded = {"hydra": {"job": {"name": "train"}, "overrides": {"task": list(options), "hydra": []}}}
    (folder / "multirun.yaml").write_text(yaml.safe_dump(recorded))
    return multirun_resume.arguments(["-m", f"resume={folder}"], "train")[1:-1]


@pytest.mark.parametrize(
    "option", ["tracking={uri: http://collects.example}", "+tracking.uri=x", "tracking={x: y}", "~tracking"]
)
def test_a_server_in_the_options_of_a_strangers_multirun(place, option):
    with pytest.raises(Refusal, match="may name code or a server, and is not taken from a file"):
        options_of_a_multirun(place / "m", option)


def test_options_of_tracking_that_name_no_server(place):
    options = ["tracking=off", "tracking.tags={campaign: winter}", "seed=0,1"]
    assert options_of_a_multirun(place / "m", *options) == options


def test_aliases_that_stand_for_more_than_memory_holds(command, place):
    folder = strangers.run_folder(place / "theirs", strangers.configuration())
    (folder / "checkpoints" / "last.pt").unlink()
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
    (folder / "config.yaml").write_text("\n".join(lines) + "\n")
    code, said = command(evaluate.main, f"run={folder}")
    assert code == 2
    assert "has YAML aliases" in said


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("choices", 3, "choices has no options"),
        ("evaluation", "x", "evaluation has no options"),
        ("scores", {"_target_": "torch.nn.ReLU"}, "makes a ReLU, which is no Evaluation"),
        ("loss", {"_target_": "torch.nn.ReLU"}, "spec"),
    ],
)
@pytest.mark.parametrize("way", ["evaluate a folder", "evaluate a checkpoint"])
def test_parts_of_another_kind(command, place, way, part, value, words):
    config = strangers.configuration()
    (config["evaluation"] if part == "scores" else config)[part] = value
    if way == "evaluate a folder" and part in ("choices", "evaluation"):  # the last checkpoint has it in order
        assert command(evaluate.main, *typed(way, place, config))[0] in (0, 2)
    else:
        assert words in refuses(command, way, place, config)
