"""Errors of Hydra, OmegaConf and the disk as one sentence: what was mistyped, and what can be typed."""

from __future__ import annotations

import errno
import traceback
from typing import Any

from hydra._internal.core_plugins import file_config_source
from hydra.errors import HydraException, MissingConfigException
from omegaconf import Node, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from yaml import YAMLError

from dlgd.cli import library_errors, own_folders
from dlgd.cli.error_origin import is_ours, raised_in
from dlgd.cli.typed_options import choices_of, options_of
from dlgd.core import renames
from dlgd.core.checks import among
from dlgd.core.config import why_unreadable
from dlgd.core.errors import Refusal

NOT_TYPED = {"hydra", "init_loaded"}  # options that are not suggested; nor those that begin with _
COMPOSING = {"hydra", "omegaconf", "antlr4", "yaml"}  # libraries that raise errors of any kind for what was typed
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk, or a person's share of it, is full


def refusal_of(error: Exception, config_name: str) -> Refusal | None:
    """Return the refusal for an error of a command; None where its traceback says more.

    That is so for faults of dlgd, and for any error in a person's own code.

    config_name: the configuration of the command is conf/<config_name>.yaml.
    """
    if isinstance(error, Refusal):
        return error
    unread = _unread(error)
    if unread is not None:
        return Refusal(unread)
    if not is_ours(error):
        return None
    if isinstance(error, HydraException | OmegaConfBaseException | YAMLError):
        inner = error.__cause__ or error.__context__
        while inner is not None and not isinstance(inner, Refusal):
            inner = inner.__cause__ or inner.__context__
        return inner or Refusal(in_a_sentence(error, config_name))
    if raised_in(error) in COMPOSING:
        reason = " ".join(f"{error}".split()) or type(error).__name__
        return Refusal(f"what was typed makes no configuration ({reason}): compare it with --help")
    if raised_in(error) == "logging":
        return Refusal(f"the log cannot be written: {error.__cause__ or error}")
    of_library = library_errors.in_a_sentence(error)
    if of_library is not None:
        return Refusal(of_library)
    if isinstance(error, OSError) and (error.filename is not None or error.errno in FULL):
        where = "a file cannot be written" if error.filename is None else error.filename
        return Refusal(f"{where}: {error.strerror}; choose another folder or make room")
    return None


def _unread(error: BaseException) -> str | None:
    """Return which file of choices Hydra could not read, and why; None where the error is another one."""
    inner: BaseException | None = error
    if isinstance(error, HydraException):  # around the error of a file, or for what is no fault of a file
        inner = error.__context__ if isinstance(error.__context__, OmegaConfBaseException) else None
    while inner is not None:
        for frame, _ in traceback.walk_tb(inner.__traceback__):
            # Hydra has the module of its plugin twice, so that its functions are not those that one can import.
            if frame.f_code.co_filename == file_config_source.__file__ and "full_path" in frame.f_locals:
                return f"{frame.f_locals['full_path']} is no YAML that can be read{why_unreadable(inner)}"
        inner = inner.__cause__ or inner.__context__
    return None


def _of_tasks(key: str, node: Node) -> list[str]:
    """Return how an option of `evaluation` is typed for each task that has it; none where tasks share all options.

    node: any part of the configuration that Hydra was composing.
    """
    root: Any = node
    while root._get_parent() is not None:
        root = root._get_parent()
    group, _, inner = key.partition(".")
    tasks = OmegaConf.select(root, f"{group}.of") or {}
    return [f"{group}.of.{task}.{inner}" for task in tasks if OmegaConf.select(tasks[task], inner) is not None]


def in_a_sentence(error: Exception, config_name: str) -> str:
    """Return the sentence for an error in composing the configuration conf/<config_name>.yaml."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file is not None:
        group, _, choice = error.missing_cfg_file.partition("/")
        if not own_folders.is_group(group):  # a group of Hydra itself, such as hydra/launcher
            group, _, choice = error.missing_cfg_file.rpartition("/")
        if (group, choice) in renames.VALUES:
            return f"{group}={choice} is called {group}={renames.VALUES[group, choice]} now: type that"
        return f"{group}={choice} is unknown: {among(choice, sorted(choices_of(group) or error.options or ()))}"
    cause = error.__cause__
    if isinstance(cause, ConfigAttributeError | ConfigKeyError) and cause.parent_node is not None:
        outer = str(cause.full_key).rpartition(".")[0]
        groups = options_of(config_name).groups
        if cause.full_key in groups:  # the group exists, but nothing was chosen of it
            chosen = f"{cause.full_key}=<one of {', '.join(sorted(choices_of(str(cause.full_key))))}>"
            return f"options of {cause.full_key} need a choice of it: type {chosen} too, or leave them out"
        there = {str(name) for name in cause.parent_node} | (set() if outer else set(groups))
        typed = [f"{outer}.{name}" if outer else name for name in there - NOT_TYPED if not name.startswith("_")]
        now = renames.option(str(cause.full_key))
        if now in typed:
            return f"{cause.full_key} is called {now} now: type that"
        if tasks := _of_tasks(str(cause.full_key), cause.parent_node):
            return f"{cause.full_key} differs from task to task: type {' or '.join(tasks)}"
        if not typed:  # of an option without parts, or one such as data.more_observings, into which one's own are put
            own = f"if names of your own belong there, type + before it: +{cause.full_key}=..."
            return f"{cause.full_key} is no option: {outer} has none; {own}"
        return f"{cause.full_key} is no option: {among(str(cause.full_key), sorted(typed))}"
    if isinstance(error, ConfigAttributeError | ConfigKeyError):
        return f"{error.full_key} is missing from the configuration: do not remove it, for instance by ~{error.key}"
    if str(error).startswith("Error merging override") and isinstance(cause, TypeError | ValueError):
        why = str(cause).splitlines()[0]
        return f"{str(error).removeprefix('Error merging override ')} is not of the kind of this option: {why}"
    inner = f"a file or option cannot be read ({cause})" if cause is not None else type(error).__name__
    return " ".join((str(error) or inner).split())
