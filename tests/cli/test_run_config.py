"""A damaged config.yaml of a run: last.pt has its values, and gives them back."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from dlgd.cli import runs
from dlgd.core.errors import Refusal

RECORDED = Path(__file__).parents[1] / "frozen" / "runs" / "lorenz63_bilstm"  # of which last.pt is kept


@pytest.fixture
def run(tmp_path) -> Path:
    """A run whose config.yaml is as it was written."""
    shutil.copytree(RECORDED, tmp_path / "run")
    return tmp_path / "run"


DAMAGES = {
    "missing": lambda file: file.unlink(),
    "empty": lambda file: os.truncate(file, 0),
    "cut in a group": lambda file: os.truncate(file, file.stat().st_size // 2),
    "cut in the last line": lambda file: os.truncate(file, file.stat().st_size - 3),
    "no YAML": lambda file: file.write_text("a: [1\n"),
    "a list": lambda file: file.write_text("- 1\n"),
    "a word": lambda file: file.write_text("word\n"),
    "no text": lambda file: file.write_bytes(b"\xff\x00" * 100),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_last_checkpoint_gives_the_values_back(run, caplog, damage):
    wanted = OmegaConf.to_container(runs.read_config(run))
    assert not caplog.records
    DAMAGES[damage](run / runs.CONFIG)
    assert runs.find_run(str(run)) == run
    with caplog.at_level(logging.WARNING):
        assert OmegaConf.to_container(runs.read_config(run)) == wanted
    assert f"{runs.CONFIG} " in caplog.text
    assert "are taken from" in caplog.text


@pytest.mark.parametrize("damage", DAMAGES)
def test_without_a_checkpoint_it_is_said(run, damage):
    DAMAGES[damage](run / runs.CONFIG)
    (run / "checkpoints" / "last.pt").write_bytes(b"PK")
    with pytest.raises(Refusal, match=r"config\.yaml .*, and no .*last\.pt has its values: give another run"):
        runs.read_config(run)


def test_every_cut_is_noticed(run, caplog):
    wanted = OmegaConf.to_container(runs.read_config(run))
    file = run / runs.CONFIG
    text = file.read_bytes()
    for end in range(0, text.rindex(b"choices:"), 97):
        file.write_bytes(text[:end])
        assert OmegaConf.to_container(runs.read_config(run)) == wanted


def test_a_resumed_run_writes_it_again(run):
    (run / runs.CONFIG).unlink()
    runs.write_config(runs.resumed_config(run, ["resume=x", "training.steps=9"]), run)
    assert OmegaConf.load(run / runs.CONFIG).training.steps == 9
