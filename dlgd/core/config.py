"""Configurations as plain values, with the types that OmegaConf's own signatures leave open."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from dlgd.core.checks import as_typed
from dlgd.core.errors import Refusal

# What the configuration of a training has besides single values, the last of them at the end of its file.
PARTS = (
    *("loss", "evaluation", "data", "model", "augmentation", "optimizer", "scheduler", "training", "tracking"),
    "choices",
)


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


def check_parts(values: Mapping[str, Any], source: Path) -> None:
    """Refuse the configuration of a run whose parts have no options."""
    bare = next((name for name in PARTS if name in values and not isinstance(values[name], Mapping)), None)
    if bare is not None:
        raise Refusal(f"{source} is damaged, or another program has changed it ({bare} has no options)")


def from_text(text: str) -> DictConfig | None:
    """Return the configuration in a text that a run has written; None where it does not map names to values.

    Raises errors of YAML and OmegaConf of many kinds where it is damaged. Runs write no aliases (*name); so no small
    file can stand for more values than the memory holds.
    """
    import yaml

    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
        raise ValueError("it has YAML aliases")
    config = OmegaConf.create(text)
    return config if isinstance(config, DictConfig) else None


def why_unreadable(error: BaseException) -> str:
    """Return what is wrong with a YAML file, and in which line where that is known, to stand behind other words."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f", line {error.problem_mark.line + 1}: {error.problem or error.context}"
    reason = " ".join(str(error).split())
    return f" ({reason})" if reason else ""


def load(path: Path) -> DictConfig:
    """Return the configuration in a YAML file that maps names to values. Refusal where it cannot be read."""
    try:
        config = OmegaConf.load(path)
    except (YAMLError, UnicodeDecodeError, OmegaConfBaseException) as error:
        raise Refusal(f"{path} is no YAML that can be read{why_unreadable(error)}") from error
    if not isinstance(config, DictConfig):
        raise Refusal(f"{path} must map names to values")
    return config
