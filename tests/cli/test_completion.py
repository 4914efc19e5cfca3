"""What a shell is told when Tab is pressed."""

from __future__ import annotations

import tomllib

import pytest
from hydra.core.global_hydra import GlobalHydra

from dlgd.cli.completion import COMMANDS, candidates
from dlgd.core.paths import ROOT


@pytest.fixture(autouse=True)
def clean():
    yield
    GlobalHydra.instance().clear()


def test_groups_and_their_choices():
    assert {"model=", "data=", "experiment="} <= set(candidates("dlgd-train ", "config"))
    assert candidates("dlgd-train dat", "config") == ["data.", "data="]
    assert candidates("dlgd-train model=c", "config") == ["model=cnn", "model=corrector"]
    assert candidates("dlgd-train -m model=mlp,res", "config") == ["model=mlp,residual_mlp", "model=mlp,resnet"]


def test_choices_in_folders():
    found = candidates("dlgd-train experiment=digits/", "config")
    assert "experiment=digits/gan" in found
    assert not [one for one in found if not one.startswith("experiment=digits/")]
    assert candidates("dlgd-sweep sweep=mnist", "sweep") == ["sweep=mnist_5k"]
    assert candidates("dlgd-baseline baseline=weak_4", "baseline") == ["baseline=weak_4dvar"]


def test_options_are_those_of_what_is_typed_before():
    assert candidates("dlgd-train model=mlp model.", "config") != candidates("dlgd-train model=cnn model.", "config")
    assert "model.kernel=" in candidates("dlgd-train model=cnn model.", "config")
    assert candidates("dlgd-train training=debug training.st", "config") == ["training.steps="]
    assert candidates("dlgd-train training=debug training.steps=", "config") == ["training.steps=20"]
    assert "init_lr_scale=" in candidates("dlgd-train init", "config")


def test_the_line_of_python(tmp_path):
    assert candidates("python -m dlgd.train model=ga", "config") == ["model=gan"]


def test_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs" / "today").mkdir(parents=True)
    (tmp_path / "mine.nc").touch()
    assert candidates("dlgd-evaluate run=outputs/to", "evaluate") == ["run=outputs/today/"]
    assert candidates("dlgd-evaluate run=out", "evaluate") == ["run=outputs/"]
    assert candidates("dlgd-predict input=mi", "predict") == ["input=mine.nc"]
    assert candidates("dlgd-predict input=./mi", "predict") == ["input=./mine.nc"]


def test_every_command_is_completed():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert sorted(scripts) == sorted(f"dlgd-{name}" for name in COMMANDS)


def test_nothing_that_nobody_types():
    assert not [one for one in candidates("dlgd-train model=cnn model.", "config") if "_target_" in one]


def test_a_person_s_own_choices(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("defaults: [cnn]\n")
    assert candidates(f"dlgd-train --config-dir={tmp_path} model=mi", "config") == ["model=mine"]
    assert "model.kernel=" in candidates(f"dlgd-train -cd {tmp_path} model=mine model.", "config")


def test_nonsense_is_answered_with_nothing():
    assert candidates("dlgd-train model=nothing model.w", "config") == []
    assert candidates("dlgd-train =", "config") == []
    assert candidates("dlgd-train --multi", "config") == []
    assert candidates("", "config") != []
