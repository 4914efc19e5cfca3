"""What was once made and cached is found again: the folders of the shipped options never change their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlgd import build
from dlgd.core import cache
from tests.configs.config_files import compose, setup

FOLDERS = {
    ("nemovar", None): "nemovar-0b7aec1e7ef8",
    ("mercator", None): "mercator-654768e0164c",
    ("ssh", None): "ssh-f2c09e21f958",
    ("deep_currents", None): "deep_currents-f2c09e21f958",
    ("lorenz63", "assimilate"): "lorenz63-340e1efc830c",
    ("lorenz63", "forecast"): "lorenz63-08cd5a6cb0a9",
    ("lorenz96", "assimilate"): "lorenz96-9a247ad11b91",
    ("lorenz96", "identify"): "lorenz96-fb45f9301692",
}


class Found(Exception):
    """In place of the work that would follow."""


@pytest.fixture
def asked(tmp_path, monkeypatch) -> list[str]:
    """Names of the folders that are asked for; then nothing more is done."""
    names: list[str] = []
    folder_for = cache.folder_for

    def stopped(_: Path, name: str, config: dict[str, Any]) -> Path:
        names.append(folder_for(tmp_path, name, config).name)
        raise Found

    monkeypatch.setattr(cache, "folder_for", stopped)
    return names


@pytest.mark.parametrize("setting", FOLDERS, ids=str)
def test_the_folder_of_the_shipped_options(setting, asked):
    with pytest.raises(Found):
        build.data(setup(*setting)).prepare()
    assert asked == [FOLDERS[setting]]


def test_that_of_a_preset(asked):
    """One whose patterns are those of a split."""
    with pytest.raises(Found):
        build.data(compose("config", "data=lorenz96", "data.preset=dinae2020")).prepare()
    assert asked == ["lorenz96-69402ad6790b"]
