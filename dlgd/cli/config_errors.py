"""What Hydra, OmegaConf and the disk complain of, told in one sentence: what was mistyped, and what there is."""

from __future__ import annotations

import errno

from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from yaml import YAMLError

from dlgd.cli.error_origin import is_ours
from dlgd.core.checks import among
from dlgd.core.config import load
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF

NOT_TYPED = {"hydra", "init_loaded"}  # options that nobody would mean; nor those that begin with _
FULL = (errno.ENOSPC, errno.EDQUOT)  # a disk, or a person's share of it


def refusal_of(error: Exception, config_name: str) -> Refusal | None:
    """What a person is told of an error of a command, whose configuration is conf/<config_name>.yaml; None where its
    traceback says more: of an error in our program, and of any error in a person's own code."""
    if isinstance(error, Refusal):
        return error
    if not is_ours(error):
        return None
    if isinstance(error, HydraException | OmegaConfBaseException | YAMLError):
        return Refusal(in_a_sentence(error, config_name))
    if isinstance(error, OSError) and (error.filename is not None or error.errno in FULL):
        where = "a file cannot be written" if error.filename is None else error.filename
        return Refusal(f"{where}: {error.strerror}; choose another folder or make room")
    return None


def in_a_sentence(error: Exception, config_name: str) -> str:
    """Of an error while the configuration conf/<config_name>.yaml was composed."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file is not None:
        group, _, choice = error.missing_cfg_file.partition("/")
        if not (CONF / group).is_dir():  # of Hydra's own, such as hydra/launcher
            group, _, choice = error.missing_cfg_file.rpartition("/")
        return f"{group}={choice} is unknown: {among(choice, sorted(choices_of(group) or error.options or ()))}"
    cause = error.__cause__
    if isinstance(cause, ConfigAttributeError | ConfigKeyError) and cause.parent_node is not None:
        outer = str(cause.full_key).rpartition(".")[0]
        there = {str(name) for name in cause.parent_node} | (set() if outer else groups_of(config_name))
        typed = [f"{outer}.{name}" if outer else name for name in there - NOT_TYPED if not name.startswith("_")]
        return f"{cause.full_key} is no option: {among(str(cause.full_key), sorted(typed))}"
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
