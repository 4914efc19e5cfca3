"""--config-name: the main file that a person names instead of the usual one, also for the runs of a multirun."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from dlgd.cli import main_file, multirun_resume, own_folders
from dlgd.core.errors import Refusal
from tests.cli.test_multirun_resume import recorded
from tests.commands.tiny_digits import DIGITS

QUICK = [*DIGITS, "training.steps=5", "training.validate_every=5", "tracking=off"]


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """Their working folder, with a main file in conf/."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mine.yaml").write_text("defaults: [config, _self_]\nseed: 77\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def taken(*typed: str) -> list[str]:
    return main_file.take(own_folders.take(typed, "config"), "config")


@pytest.mark.parametrize(
    "typed", [["--config-name", "mine"], ["--config-name=mine.yaml"], ["-cn", "mine"], ["--config-n=mine"]]
)
def test_each_way_to_name_it_comes_to_the_same(place, typed):
    flags = [f"--config-dir={place}/conf", "--config-name=mine"]
    assert taken("-cd", "conf", "seed=1", *typed)[:2] == flags
    assert main_file.words() == flags
    assert main_file.read("config") == "mine"
    assert main_file.of_command("mine") == "config"
    assert taken("--config-path=conf", *typed)[0] == "--config-name=mine"


def test_the_usual_one(place):
    for typed in (["seed=1"], ["--config-name=config", "seed=1"]):
        assert taken(*typed) == ["seed=1"]
    assert main_file.read("config") == main_file.of_command("config") == "config"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (["--config-name=nope"], r"^--config-name=nope is unknown: choose one of config$"),
        (["-cn", "mime", "-cd", "conf"], r"choose one of config, mine \(did you mean mine\?\)$"),
        (["--config-name"], r"^--config-name names no configuration: type --config-name=<name>$"),
    ],
)
def test_what_there_is(place, typed, sentence):
    with pytest.raises(Refusal, match=sentence):
        taken(*typed)


def test_a_multirun_is_gone_on_with_by_the_same(place):
    folder = recorded(place / "m", task=["seed=0,1"])
    record = folder / multirun_resume.RECORD
    record.write_text(record.read_text().replace("name: train", "name: train\n    config_name: mine"))
    with pytest.raises(Refusal, match=r"m was begun with --config-name=mine: type that, too$"):
        multirun_resume.arguments(taken("-m", f"resume={folder}", "-cd=conf"), "train")
    assert "seed=0,1" in multirun_resume.arguments(taken("-m", f"resume={folder}", "-cd=conf", "-cn=mine"), "train")


def test_the_runs_of_a_multirun_have_it(dlgd, place):
    done = dlgd("train", "-m", "-cd", "conf", "-cn", "mine", *QUICK, "model.width=4,8", "hydra.sweep.dir=m")
    assert done.returncode == 0, done.stderr
    assert [OmegaConf.load(place / f"m/{number}/config.yaml").seed for number in (0, 1)] == [77, 77]
    done = dlgd("train", "-cd", "conf", "-cn", "mine", *QUICK, "hydra.run.dir=m/1")
    assert done.returncode == 2, "a run of another main file keeps its folder, too"
    assert "m/1 holds a training: go on with it by `python -m dlgd.train resume=m/1`" in done.stderr


def test_no_flag_for_the_usual_one(monkeypatch):
    config = {"job": {"config_name": "config"}, "runtime": {"config_sources": []}}
    monkeypatch.setattr(HydraConfig, "get", lambda: OmegaConf.create(config))
    assert main_file.of_multirun("config") == []
