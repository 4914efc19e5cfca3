"""Configurations as plain values, with the types that OmegaConf's own signatures leave open."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from dlgd.core.errors import Refusal


def plain(config: DictConfig, *, resolve: bool = True) -> dict[str, Any]:
    """Return a configuration as dicts, lists and values; with `resolve`, each `${...}` is replaced by its value."""
    values = OmegaConf.to_container(config, resolve=resolve)
    # OmegaConf's signature names all that any node may become; a DictConfig becomes a dict.
    return cast("dict[str, Any]", values)


def load(path: Path) -> DictConfig:
    """Return the configuration in a YAML file that maps names to values."""
    config = OmegaConf.load(path)
    if not isinstance(config, DictConfig):
        raise Refusal(f"{path} must map names to values")
    return config
