"""The errors of Hydra and OmegaConf, each in one sentence that says what was mistyped and what there is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from hydra.errors import MissingConfigException
from omegaconf.errors import ConfigAttributeError, ConfigKeyError

from dlgd.core.config import load
from dlgd.core.paths import CONF

NOT_TYPED = {"hydra", "init_loaded"}  # options that nobody would mean; nor those that begin with _


def in_a_sentence(error: Exception, config_name: str) -> str:
    """Of an error while the configuration conf/<config_name>.yaml was composed."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file is not None:
        group, _, choice = error.missing_cfg_file.partition("/")
        if not (CONF / group).is_dir():  # of Hydra's own, such as hydra/launcher
            group, _, choice = error.missing_cfg_file.rpartition("/")
        return f"{group}={choice} is unknown: {_among(choice, choices_of(group) or error.options or ())}"
    cause = error.__cause__
    if isinstance(cause, ConfigAttributeError | ConfigKeyError) and cause.parent_node is not None:
        outer = str(cause.full_key).rpartition(".")[0]
        there = {str(name) for name in cause.parent_node} | (set() if outer else groups_of(config_name))
        typed = [f"{outer}.{name}" if outer else name for name in there - NOT_TYPED if not name.startswith("_")]
        return f"{cause.full_key} is no option: {_among(str(cause.full_key), typed)}"
    if isinstance(error, ConfigAttributeError | ConfigKeyError):
        return f"{error.full_key} is missing from the configuration: leave out what removes it, such as ~{error.key}"
    return " ".join(str(error).split())


def choices_of(group: str) -> list[str]:
    """The names of the files in conf/<group> and its folders, as they are typed."""
    folder = CONF / group
    return [str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.yaml")]


def groups_of(config_name: str) -> set[str]:
    """Those of which conf/<config_name>.yaml has a choice, if only none."""
    defaults = load(CONF / f"{config_name}.yaml").get("defaults", [])
    return {str(group) for entry in defaults if not isinstance(entry, str) for group in entry}


def _among(typed: str, there: Iterable[str]) -> str:
    """The one that was probably meant, and all that there are."""
    there = sorted(there)
    if not there:
        return "there is none"
    near = difflib.get_close_matches(typed, there, n=1)
    return f"choose one of {', '.join(there)}{f' (did you mean {near[0]}?)' if near else ''}"
