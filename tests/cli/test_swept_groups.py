"""Multiruns over choices of a group, with options that not every choice has."""

from __future__ import annotations

import json

import pytest
from omegaconf import OmegaConf

from dlgd.cli.swept_groups import for_each_run


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("-m model=cnn,vgg model.dropout=0.1", "-m model=cnn,vgg model.dropout=choice(0.1)"),
        ("model.dropout=0.1 model=cnn,vgg --multirun", "model.dropout=choice(0.1) model=cnn,vgg --multirun"),
        ("hydra.mode=MULTIRUN model=a,b model.x=[3,5]", "hydra.mode=MULTIRUN model=a,b model.x=choice([3,5])"),
        ("-m model=a,b model.x='b c'", "-m model=a,b model.x=choice('b c')"),
        ("-m model=a,b +model.x=null", "-m model=a,b +model.x=choice(null)"),
        ("-m experiment=digits/networks model.dropout=0.1", "-m experiment=digits/networks model.dropout=choice(0.1)"),
    ],
)
def test_options_of_a_swept_group_are_each_runs_own(typed, expected):
    assert for_each_run(_words(typed)) == _words(expected)


@pytest.mark.parametrize(
    "typed",
    [
        "model=cnn model.dropout=0.1",
        "-m model=cnn model.dropout=0.1,0.2",
        "-m model=cnn,vgg model.dropout=0.1,0.2 training.steps=3 data.samples.test=2",
        "-m model=cnn,vgg ~model.dropout model.x= tracking.uri=sqlite:///a.db",
        "-m modelcnn,vgg model.dropout=[0.1",
        "-m experiment=digits/nowhere,digits/networks model.dropout=0.1",
    ],
)
def test_everything_else_stays_as_it_was_typed(typed):
    assert for_each_run(_words(typed)) == _words(typed)


def _words(typed: str) -> list[str]:
    return typed.replace("'b c'", "'b_c'").split(" ")


def test_an_option_that_no_network_has_is_refused_before_any_run(dlgd, tmp_path):
    done = dlgd("train", "-m", "data=mnist_5k", "model=cnn,vgg", "model.nothing=0.1")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "model.nothing" in done.stderr
    assert not list(tmp_path.glob("multirun/*/*/0/config.yaml"))


@pytest.mark.slow
def test_a_multirun_over_networks_with_an_option_that_the_default_one_lacks(dlgd, tmp_path):
    samples = [f"data.samples.{split}=50" for split in ("train", "valid", "test")]
    quick = ["data=mnist_5k", *samples, "training=debug", "training.steps=2", "evaluation.methods=null", "tracking=off"]
    done = dlgd("train", "-m", "model=cnn,vgg", "model.dropout=0.1", "model.width=4", *quick)
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("multirun/*/*")
    assert [OmegaConf.load(folder / run / "config.yaml").model.dropout for run in "01"] == [0.1, 0.1]
    assert json.loads((folder / "multirun.json").read_text())["name"] == "model=cnn,vgg"
