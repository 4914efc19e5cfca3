"""A person's own folders of choices are found by every part of a command."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from dlgd.cli import own_folders
from dlgd.cli.multirun_resume import arguments as resumed
from dlgd.cli.swept_groups import for_each_run
from dlgd.cli.typed_options import choices_of, refuse_misformed
from dlgd.core import trust
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.results import command_line
from dlgd.tuning.trial import Composer, is_group, make_objective

EXPERIMENT = """# @package _global_
# Question: is mine better?
defaults: [_self_, override /model: mine]
hydra: {sweeper: {params: {model: "mine,cnn"}}}
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> Path:
    """Their working folder, with choices in conf/ and in other/."""
    for name, text in {
        "conf/model/mine.yaml": "defaults: [cnn]\n_target_: my_package.nets.Mine\n",
        "conf/experiment/own/mine.yaml": EXPERIMENT,
        "other/model/yours.yaml": "defaults: [resnet]\n",
        "sp ace's/model/third.yaml": "defaults: [resnet]\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    GlobalHydra.instance().clear()
    trust.forget()


def found(place: Path, *names: str) -> str:
    return f"hydra.searchpath=[{','.join(f'file://{place}/{name}' for name in names)}]"


@pytest.mark.parametrize(
    "typed",
    [
        ["--config-dir", "conf"],
        ["--config-dir=conf"],
        ["--config-d=./conf/"],
        ["-cd", "conf"],
        ["-cd=other/../conf"],
        ["hydra.searchpath=[conf]"],
        ["hydra.searchpath=[file://conf]"],
        ["hydra.searchpath=['conf']"],
        ["--config-dir=conf", "hydra.searchpath=[conf]"],
    ],
)
def test_each_way_to_name_a_folder_comes_to_the_same(place, typed):
    assert own_folders.take([*typed, "seed=1"], "config") == [found(place, "conf"), "seed=1"]
    assert own_folders.folders() == [CONF, place / "conf"]
    assert own_folders.words() == own_folders.search_path() == [found(place, "conf")]


def test_options_stand_together_for_python_s_parser(place):
    typed = ["-m", "--config-dir", "conf", "--config-dir=other", "seed=1,2", "--cfg", "job"]
    assert own_folders.take(typed, "config") == ["-m", found(place, "conf", "other"), "seed=1,2", "--cfg", "job"]


def test_nothing_is_added_where_no_folder_is_named():
    typed = ["-m", "seed=1,2", "--config-name", "config", "hydra.searchpath=3"]
    assert own_folders.take(typed, "config") == typed
    assert own_folders.words() == own_folders.own() == []


def test_a_name_that_needs_quotes(place):
    own_folders.take(["-cd", "sp ace's"], "config")
    assert Composer(["model=third"]).config({})[1]["model"] == "third"
    assert own_folders.take(own_folders.words(), "config") == own_folders.words(), "as a worker takes them"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (["--config-dir=nowhere"], "--config-dir names nowhere, but there is no such folder"),
        (["--config-path=nowhere"], "--config-path names nowhere, but there is no such folder"),
        (["--config-dir"], "--config-dir names no folder: type --config-dir=<folder>"),
        (["hydra.searchpath=[conf,nowhere]"], "hydra.searchpath names nowhere, but there is no such folder"),
        (["hydra.searchpath=[pkg://no_package]"], "Python finds no such package"),
        (["hydra.searchpath=[pkg://dlgd.conf]"], "has no __init__.py"),
    ],
)
def test_refusals(typed, sentence):
    with pytest.raises(Refusal, match=sentence):
        own_folders.take(typed, "config")


def test_a_package_is_a_folder_too():
    own_folders.take(["hydra.searchpath=[pkg://dlgd.models]"], "config")
    assert own_folders.own() == [CONF.parent / "models"]


def test_a_main_file_of_their_own(place):
    """--config-path: their folder comes first, the one that their file names next, and that of dlgd last."""
    (place / "conf" / "config.yaml").write_text("hydra: {searchpath: [file://other]}\n")
    search = f"hydra.searchpath=[file://{place}/other,file://{CONF}]"
    assert own_folders.take(["--config-path=conf", "seed=1"], "config") == [
        f"--config-path={place}/conf",
        search,
        "seed=1",
    ]
    assert own_folders.folders() == [place / "conf", place / "other", CONF]
    assert own_folders.find("config.yaml") == place / "conf" / "config.yaml"


def test_a_file_that_would_not_be_read_is_refused(place):
    """Hydra takes the file of dlgd, unless the folder is that of --config-path."""
    (place / "mine" / "model").mkdir(parents=True, exist_ok=True)
    (place / "mine" / "model" / "cnn.yaml").write_text("defaults: [resnet]\n")
    own_folders.take(["--config-dir=mine"], "config")
    with pytest.raises(Refusal, match=r"model=cnn is .*conf/model/cnn.yaml, which comes before .*mine/model/cnn.yaml"):
        refuse_misformed(["model=cnn"], "config")
    refuse_misformed(["model=resnet"], "config")
    own_folders.take(["--config-path=mine"], "config")
    refuse_misformed(["model=cnn"], "config")


def test_choices_are_known(place):
    own_folders.take(["-cd", "conf"], "config")
    assert {"mine", "cnn"} <= set(choices_of("model"))
    assert is_group("model")
    refuse_misformed(["model=mine"], "config")
    assert for_each_run(["-m", "experiment=own/mine", "model.dropout=0.1"])[-1] == "model.dropout=choice(0.1)"
    assert command_line.question("own/mine") == "Is mine better?"
    assert command_line.command("seed=1") == f"python -m dlgd.train '{found(place, 'conf')}' seed=1"


def test_a_search_finds_them_in_its_workers(place):
    own_folders.take(["-cd", "conf"], "sweep")
    words = own_folders.words()
    own_folders.forget()
    make_objective([], {}, 1, folders=words)
    assert Composer(["model=mine"]).config({})[0].model._target_ == "my_package.nets.Mine"
    trust.check("my_package.nets.Mine", "model._target_")


def test_what_their_folders_name_may_be_built(place):
    with pytest.raises(Refusal, match="my_package"):
        trust.check("my_package.nets.Mine", "model._target_")
    trust.allow_folders([place / "conf"])
    trust.check("my_package.nets.Mine", "model._target_")
    with pytest.raises(Refusal, match="my_package"):
        trust.check("my_package.nets.Other", "model._target_")


def test_a_multirun_s_record_is_no_command(place):
    """A folder that it names may name code: it must be typed again."""
    record = place / "multirun" / "multirun.yaml"
    record.parent.mkdir()
    record.write_text(
        f"hydra: {{job: {{name: train}}, overrides: {{task: [seed=1], hydra: ['{found(place, 'conf')}']}}}}\n"
    )
    with pytest.raises(Refusal, match=r"is not taken from a file: type it again, too"):
        resumed(["-m", f"resume={record.parent}"], "train")
    typed = own_folders.take(["-m", "--config-dir=conf", f"resume={record.parent}"], "config")
    assert resumed(typed, "train") == [
        "-m",
        found(place, "conf"),
        "seed=1",
        f"hydra.sweep.dir='{record.parent}'",
    ]
