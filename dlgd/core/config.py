"""Configurations as plain values, with the types that OmegaConf's own signatures leave open."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from dlgd.core.checks import as_typed
from dlgd.core.errors import Refusal


def plain(config: DictConfig, *, resolve: bool = True) -> dict[str, Any]:
    """Return a configuration as dicts, lists and values; with `resolve`, each `${...}` is replaced by its value."""
    values = OmegaConf.to_container(config, resolve=resolve)
    # OmegaConf's signature names all that any node may become; a DictConfig becomes a dict.
    return cast("dict[str, Any]", values)


def part(config: DictConfig, name: str, *, resolve: bool = True) -> dict[str, Any]:
    """Return a part of a configuration as `plain` does. Refuse one that is no names with values.

    name: such as evaluation.scores.
    """
    found = OmegaConf.select(config, name, throw_on_resolution_failure=resolve)
    if not isinstance(found, DictConfig):
        raise Refusal(f"{name}={as_typed(found)} must be names with values, such as {name}.name=value")
    return plain(found, resolve=resolve)


def load(path: Path) -> DictConfig:
    """Return the configuration in a YAML file that maps names to values."""
    config = OmegaConf.load(path)
    if not isinstance(config, DictConfig):
        raise Refusal(f"{path} must map names to values")
    return config
