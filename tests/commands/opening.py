"""How the run or checkpoint of a stranger is opened: each command, in a folder where all that it does is seen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dlgd import baseline, evaluate, predict
from dlgd.cli import run_folder
from dlgd.core import trust
from dlgd.core.paths import ROOT
from dlgd.train import main as train
from tests.commands import strangers
from tests.commands.tiny_digits import DIGITS

SILENT = ["hydra/job_logging=none", "hydra/hydra_logging=none"]
INPUT = ROOT / "tests" / "frozen" / "inputs" / "digits_cnn.nc"
DATA = [word for word in DIGITS if word.startswith("data")]

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
