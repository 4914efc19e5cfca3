"""A run or a checkpoint of a stranger runs nothing, whichever command opens it: one sentence, and exit code 2."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
import torch
import yaml

from dlgd import evaluate, predict
from dlgd.train import main as train
from tests.commands import strangers
from tests.commands.opening import DATA, INPUT, SILENT, WAYS, command, place, refuses, typed  # noqa: F401  # fixtures too
from tests.commands.tiny_digits import DIGITS

PLACES = list(strangers.PLACES)
CALLS = list(strangers.calls(Path("anywhere")))


# --- every call in one place, every place with one call -----------------------------------------------------------


PAIRS = [
    (call, place, way) for call, place, way in zip(CALLS, itertools.cycle(PLACES), itertools.cycle(WAYS), strict=False)
]


@pytest.mark.parametrize(("call", "where", "way"), PAIRS)
def test_a_call(command, place, call, where, way):
    strangers.prepare(place)
    refuses(command, way, place, strangers.with_call(strangers.calls(place)[call], where))


# A config.yaml with this is no configuration, and damaged: that of the checkpoint beside it, an honest one, is taken.
DAMAGED = "half a reference"
READ_FOLDERS = [way for way, (_, words) in WAYS.items() if any("{folder}" in word for word in words)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "way"),
    [pair for pair in itertools.product(CALLS, WAYS) if not (pair[0] == DAMAGED and pair[1] in READ_FOLDERS)],
)
def test_a_call_in_every_place(command, place, call, way):
    strangers.prepare(place)
    for where in PLACES:
        inner = place / where.replace(" ", "_")
        inner.mkdir()
        refuses(command, way, inner, strangers.with_call(strangers.calls(place)[call], where))
        assert not (place / "canary").exists()


def test_a_damaged_configuration_is_that_of_the_checkpoint(command, place, caplog):
    strangers.prepare(place)
    config = strangers.with_call(strangers.calls(place)[DAMAGED], "in model")
    code, said = command(evaluate.main, *typed("evaluate a folder", place, config))
    assert code == 0, said
    assert "is damaged" in caplog.text
    assert "of mine" not in said + caplog.text
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
