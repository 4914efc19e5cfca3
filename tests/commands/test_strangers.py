"""A run or a checkpoint of a stranger runs nothing, whichever command opens it: one sentence, and exit code 2."""

from __future__ import annotations

import contextlib
import itertools
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from dlgd import baseline, evaluate, predict
from dlgd.cli import multirun_resume, multirun_summary, run_folder
from dlgd.cli.multirun_summary import Outcome
from dlgd.core import trust
from dlgd.core.errors import Refusal
from dlgd.core.files import write_text
from dlgd.core.paths import ROOT
from dlgd.tracking import late, store
from dlgd.train import main as train
from tests.commands import strangers
from tests.commands.tiny_digits import DIGITS

SILENT = ["hydra/job_logging=none", "hydra/hydra_logging=none"]
INPUT = ROOT / "tests" / "frozen" / "inputs" / "digits_cnn.nc"
DATA = [word for word in DIGITS if word.startswith("data")]
PLACES = list(strangers.PLACES)
CALLS = list(strangers.calls(Path("anywhere")))

# How each is opened: the command, and what is typed; {} is the run folder or the checkpoint file.
WAYS = {
    "evaluate a folder": (evaluate.main, ["run={folder}"]),
    "evaluate a checkpoint": (evaluate.main, ["run={file}"]),
    "predict from a folder": (predict.main, ["run={folder}", f"input={INPUT}", "output=answer.nc"]),
    "predict from a checkpoint": (predict.main, ["run={file}", f"input={INPUT}", "output=answer.nc"]),
    "resume": (train, ["resume={folder}"]),
    "resume from the last checkpoint": (train, ["resume={honest}"]),
    "begin with a folder's weights": (train, [*DIGITS, "tracking=off", "init_from={folder}"]),
    "begin with a checkpoint's weights": (train, [*DIGITS, "tracking=off", "init_from={file}"]),
    "let it classify": (baseline.main, ["data=mnist_5k", *DATA, "tracking=off", "evaluation.classifier={file}"]),
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The working folder of a command, with the cache of its data elsewhere and a secret in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SECRET", "of mine")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    trust.forget()
    yield tmp_path
    trust.forget()
    sys.modules.pop("planted", None)


@pytest.fixture
def command(place, monkeypatch, capfd):
    """A command as it runs in a process of its own, without the process. Returns its exit code and what it says."""

    def run(main, *words: str) -> tuple[object, str]:
        trust.forget()
        monkeypatch.setattr(sys, "argv", [main.__name__, *words, *SILENT])
        try:
            main()
        except SystemExit as end:
            return end.code, capfd.readouterr().err
        return 0, capfd.readouterr().err

    return run


def typed(way: str, folder: Path, config: strangers.Node) -> list[str]:
    """Make the files of a run with this configuration, and return the words of the command that opens it."""
    words = WAYS[way][1]
    paths = {}
    for word, make in (("folder", strangers.run_folder), ("file", strangers.checkpoint_file)):
        if any(f"{{{word}}}" in one for one in words):
            paths[word] = make(folder / f"theirs_{word}", config)
    if any("{honest}" in one for one in words):
        paths["honest"] = strangers.run_folder(folder / "theirs", strangers.configuration())
        strangers.checkpoint_file(paths["honest"] / "checkpoints" / "last.pt", config)
    return [one.format(**paths) for one in words]


def refuses(command, way: str, folder: Path, config: strangers.Node) -> str:
    """The sentence with which a run of this configuration is refused; nothing else has happened."""
    words = typed(way, folder, config)
    before = {path for path in folder.rglob("*") if "cache" not in path.parts}
    code, said = command(WAYS[way][0], *words)
    assert code == 2, said
    assert said.startswith("dlgd: ")
    assert said.count("\n") == 1, said
    assert said[:-1].isprintable(), "a terminal shows what it says"
    assert "of mine" not in said
    assert not (folder / "canary").exists()
    assert "planted" not in sys.modules
    after = {path for path in folder.rglob("*") if "cache" not in path.parts} - before
    own = {run_folder.LOCK, run_folder.HOLDER}  # of the command, which holds the folder while it looks
    assert not [path for path in after if path.is_file() and path.name not in own], "nothing is written"
    return said


# --- every call in one place, every place with one call -----------------------------------------------------------


PAIRS = [
    (call, place, way) for call, place, way in zip(CALLS, itertools.cycle(PLACES), itertools.cycle(WAYS), strict=False)
]


@pytest.mark.parametrize(("call", "where", "way"), PAIRS)
def test_a_call(command, place, call, where, way):
    strangers.prepare(place)
    refuses(command, way, place, strangers.with_call(strangers.calls(place)[call], where))


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("call", CALLS)
def test_a_call_in_every_place(command, place, call, way):
    strangers.prepare(place)
    for where in PLACES:
        inner = place / where.replace(" ", "_")
        inner.mkdir()
        refuses(command, way, inner, strangers.with_call(strangers.calls(place)[call], where))
        assert not (place / "canary").exists()


@pytest.mark.parametrize("words", ["evaluate run={file}", "train resume={folder}", "evaluate run={folder}"])
def test_a_process_of_a_command(dlgd, tmp_path, words):
    strangers.prepare(tmp_path)
    config = strangers.with_call(strangers.calls(tmp_path)["process of ours"], "in model")
    file, folder = (
        strangers.checkpoint_file(tmp_path / "evil.pt", config),
        strangers.run_folder(tmp_path / "run", config),
    )
    done = dlgd(*words.format(file=file, folder=folder).split())
    assert done.returncode == 2
    assert "model.activation._target_=dlgd.cli.multirun.run_process" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "canary").exists()


def test_a_run_that_mlflow_knows(command, tracker, place):
    """By its id: MLflow's record names the folder."""
    config = strangers.with_call(strangers.calls(place)["os.system"], "as unused")
    strangers.run_folder(place / "run", config)
    made = tracker()
    made.start(name="theirs", params={}, tags={})
    made.finish("FINISHED")
    code, said = command(evaluate.main, f"run={made.run_id}")
    assert code == 2
    assert "unused._target_=os.system" in said
    assert not (place / "canary").exists()


# --- what is not refused -----------------------------------------------------------------------------------------


def test_an_honest_run_is_opened(command, place):
    file = strangers.checkpoint_file(place / "file.pt", strangers.configuration())
    assert command(predict.main, f"run={file}", f"input={INPUT}", "output=answer.nc") == (0, "")


def own_run(folder: Path) -> tuple[Path, strangers.Node]:
    """A run whose network a person has written in a package of their own."""
    (folder / "my_package").mkdir()
    (folder / "my_package" / "__init__.py").write_text("import os\n")
    (folder / "my_package" / "nets.py").write_text("from dlgd.models.cnn import CNN\n\n\nclass Net(CNN):\n    pass\n")
    config = strangers.configuration()
    config["model"]["_target_"] = "my_package.nets.Net"
    return strangers.run_folder(folder / "own", config), config


@pytest.fixture
def own(place):
    yield own_run(place)
    for name in ("my_package", "my_package.nets"):
        sys.modules.pop(name, None)


def test_a_package_of_ones_own(command, place, own):
    folder, _ = own
    words = [f"run={folder}", f"input={INPUT}", "output=answer.nc"]
    code, said = command(predict.main, *words)
    assert code == 2
    assert "type trust=[my_package], which lets this run call anything in my_package" in said
    assert "my_package" not in sys.modules
    assert command(predict.main, *words, "trust=[my_package]") == (0, "")
    assert command(predict.main, *words, "trust=[my_package.nets]") == (0, "")
    assert command(predict.main, *words, "trust=[my_package.net]")[0] == 2
    assert command(predict.main, *words)[0] == 2, "it is for one command at a time"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("my_package.os.mkdir", "is not defined in what trust=[my_package] names"),
        ("my_package.nets.CNN", "is not defined in what trust=[my_package] names"),
        ("my_package_of_another.Net", "type trust=[my_package_of_another]"),
        ("subprocess.run", "is nothing that a run needs"),
    ],
)
def test_trust_ends_at_the_package(command, place, own, target, words):
    folder, config = own
    config["model"] = {"_target_": target, "path": str(place / "canary")}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    code, said = command(evaluate.main, f"run={folder}", "trust=[my_package]")
    assert code == 2
    assert words in said
    assert not (place / "canary").exists()


def test_a_run_cannot_trust_itself(command, place, own):
    folder, config = own
    (folder / "config.yaml").write_text(yaml.safe_dump(config | {"trust": ["my_package"]}))
    for main, option in ((evaluate.main, "run"), (train, "resume")):
        code, said = command(main, f"{option}={folder}")
        assert code == 2
        assert "type trust=[my_package]" in said


@pytest.mark.parametrize("name", ["os", "dlgd", "dlgd.cli", "torch", "builtins", "numpy", "joblib", "''", "a b"])
def test_libraries_are_not_to_be_trusted(command, place, name):
    code, said = command(evaluate.main, "run=nowhere", f"trust=[{name}]")
    assert code == 2
    assert said.startswith("dlgd: trust")


def test_trust_must_be_typed(command, place):
    (place / "conf" / "experiment").mkdir(parents=True)
    (place / "conf" / "experiment" / "theirs.yaml").write_text("# @package _global_\ntrust: [their_package]\n")
    code, said = command(train, f"--config-dir={place}/conf", "experiment=theirs")
    assert (code, said) == (2, "dlgd: trust stands in a file: it is for one command at a time, so type it\n")


def test_trust_is_recorded_nowhere(command, place, own):
    """Neither by a training nor by its resumption, which needs it again."""
    (place / "conf" / "model").mkdir(parents=True)
    (place / "conf" / "model" / "mine.yaml").write_text("defaults: [cnn]\n_target_: my_package.nets.Net\n")
    words = [f"--config-dir={place}/conf", *[word for word in DIGITS if "model" not in word], "model=mine"]
    words += ["model.layers=4", "model.width=4", "tracking=off", f"hydra.run.dir={place}/run", "trust=[their_package]"]
    assert command(train, *words)[0] == 0, "what is typed needs no trust"
    longer = [f"resume={place}/run", "training.steps=21"]
    code, said = command(train, *longer)
    assert code == 2
    assert "type trust=[my_package]" in said
    assert command(train, *longer, "trust=[my_package]")[0] == 0
    stored = torch.load(place / "run" / "checkpoints" / "last.pt", weights_only=True)
    assert '"step": 21' in stored["state"]
    assert "trust" not in stored["config"]
    assert "trust" not in (place / "run" / "config.yaml").read_text()


# --- other ways to have something run, or sent ---------------------------------------------------------------------


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
