"""Configurations as plain values."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from dlgd.core.config import load, plain
from dlgd.core.errors import Refusal


def test_what_is_referred_to_is_resolved_unless_asked_not_to():
    config = OmegaConf.create({"width": 3, "layers": [{"width": "${width}"}]})
    assert plain(config) == {"width": 3, "layers": [{"width": 3}]}
    assert plain(config, resolve=False) == {"width": 3, "layers": [{"width": "${width}"}]}


def test_a_file_must_map_names_to_values(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n- 2\n")
    with pytest.raises(Refusal, match=r"list\.yaml must map names to values"):
        load(tmp_path / "list.yaml")
