"""The folder of a run belongs to it alone: no other run replaces its results, and one process at a time writes there.

Hydra calls `RunFolder` before it makes the folder and its log; it only warns of the errors of what it calls, so that a
refusal ends the process there. Commands that write into known folders by design
(evaluate, predict, simulate) are not concerned.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from dlgd.cli import main_file, runs
from dlgd.cli.config_errors import refusal_of
from dlgd.core import commands
from dlgd.core.errors import Refusal
from dlgd.core.files import write_text
from dlgd.core.interruption import say
from dlgd.core.paths import ROOT

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK, HOLDER = ".lock", ".lock_holder"  # in the folder of a run or multirun; the second says which process has it
ALONE = ("config", "baseline")  # commands, by their configuration, whose run has a folder of its own
SHARED = ("sweep", "compare")  # those that go on in a folder of theirs, or write it again
WRITTEN = ("config.yaml", "predictions.nc", "metrics.jsonl", "scores.md", "train.log")  # by a run
SOURCE_FOLDERS = ("conf", "dlgd", "docs", "experiments", "sweeps", "tests")
SOURCES = (".git", "pyproject.toml", "*.py")  # what the folder of a program has


class RunFolder(Callback):
    """Refuses folders in which a run would overwrite something, and takes the lock of the run's folder.

    may_replace: whether results of another run that lie in the folder may be replaced.
    """

    lock: BaseFileLock | None = None  # of this process, which holds it to its end or to the next command

    def __init__(self, may_replace: bool = False) -> None:
        self.may_replace = may_replace

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the folder of a single run. Leaves with exit code 2 where it is refused."""
        config_name = main_file.of_command(kwargs["config_name"])
        if config_name not in (*ALONE, *SHARED):
            return
        try:
            HydraConfig.instance().set_config(config)  # the folder may name choices: ${hydra:runtime.choices...}
            if config_name in ALONE and RunFolder.lock is not None:  # of another command in this process
                RunFolder.lock.release()
            RunFolder.lock = taken(config, config_name, may_replace=self.may_replace) or RunFolder.lock
        except Exception as error:
            leave_if_refused(error, kwargs["config_name"])
            raise


def taken(config: DictConfig, config_name: str, *, may_replace: bool, new: bool = False) -> BaseFileLock | None:
    """Check the folder of a run; return its lock, if it has one. Refusal where it may not be used.

    config: with Hydra's own part, which must be in force: the folder may name choices.
    new: whether it must hold nothing but a run that was begun.
    """
    folder = str(OmegaConf.select(config, "hydra.run.dir"))
    refuse_sources(folder, "hydra.run.dir")
    check(config, config_name, Path(folder), may_replace=may_replace)
    if new and config.get("resume") is None:
        refuse_filled(Path(folder))
    return lock(Path(folder)) if config_name in ALONE else None


def leave_if_refused(error: Exception, config_name: str) -> None:
    """Print the refusal and leave with exit code 2, if the error is for the person who typed the command."""
    refusal = refusal_of(error, config_name)
    if refusal is not None:
        say(f"dlgd: {refusal}\n")
        sys.exit(2)


def check(config: DictConfig, config_name: str, folder: Path, *, may_replace: bool) -> None:
    """Refuse the folder of another run."""
    resumed = config.get("resume")
    if resumed is not None:
        own = runs.find_run(str(resumed), OmegaConf.select(config, "tracking.uri"))
        if own.resolve() != folder.resolve():
            raise Refusal(f"hydra.run.dir={folder}: a resumed run goes on in its own folder: leave it out")
        return
    if may_replace:
        return
    if config_name in SHARED:
        if (folder / runs.CONFIG).exists():
            raise Refusal(f"hydra.run.dir={folder} is the folder of a run: type another one")
        return
    if any((folder / "checkpoints").glob("*.pt")):
        raise Refusal(
            f"hydra.run.dir={folder} holds a training: go on with it by `{commands.shown('train')} resume={folder}`, "
            "or type another hydra.run.dir"
        )
    if (folder / "multirun.yaml").exists():
        raise Refusal(f"hydra.run.dir={folder} is the folder of a multirun: type another one")
    found = next((name for name in ("scores.json", "study.journal", "trials.csv") if (folder / name).exists()), None)
    if found is not None:
        raise Refusal(
            f"hydra.run.dir={folder} holds results already ({found}), and only a training goes on by resume=: type "
            "another hydra.run.dir"
        )
    if not (folder / HOLDER).exists():  # no run was begun there
        theirs = next((name for name in WRITTEN if (folder / name).exists()), None)
        if theirs is not None:
            raise Refusal(
                f"hydra.run.dir={folder} has a file {theirs} of another program, which would be replaced: type another "
                "folder"
            )


def refuse_filled(folder: Path) -> None:
    """Refuse a folder for a new run that holds files of others, none of which the run might replace."""
    if not folder.exists() or (folder / HOLDER).exists():
        return
    if not folder.is_dir():
        raise Refusal(f"{folder} is a file, and a run needs a folder: give a new one, such as outputs/mine")
    theirs = next((one.name for one in folder.iterdir() if one.name != LOCK), None)
    if theirs is not None:
        raise Refusal(
            f"{folder} is not empty, it holds {theirs}, and a run has its folder for itself: give a new one, such as "
            "outputs/mine"
        )


def refuse_sources(text: str, option: str) -> None:
    """Refuse a folder for results that is none, or holds a program."""
    if not text.strip():
        raise Refusal(f"{option}='' names no folder: type one, such as {option}=outputs/mine")
    folder = Path(text).resolve()
    ours = {ROOT, *(ROOT / name for name in SOURCE_FOLDERS)}
    if ours & {folder, *folder.parents} - {ROOT} or folder == ROOT or any(any(folder.glob(one)) for one in SOURCES):
        raise Refusal(
            f"{option}={text} would write among source files: type another one, such as {option}=outputs/mine"
        )


def lock(folder: Path) -> BaseFileLock:
    """Take the lock of a folder, which is made where it is missing. Refusal where another process has it.

    The system releases it when the process ends, for any reason.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    guard = FileLock(folder / LOCK)
    try:
        guard.acquire(timeout=0)
    except Timeout:
        raise Refusal(
            f"{folder} is in use: {holder(folder)} still writes there; wait for its end, or stop it"
        ) from None
    write_text(folder / HOLDER, f"process {os.getpid()} on {platform.node()}\n")
    return guard


def holder(folder: Path) -> str:
    """Return which process has the lock of a folder, in words."""
    try:
        return (folder / HOLDER).read_text().strip()
    except FileNotFoundError:
        return "another process"


def in_use(folder: Path) -> bool:
    """Return whether another process has the lock of a folder."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
