"""python -m dlgd.<command> -m ...: each run is a process of its own, with the command that one would type for it alone.

So a run that is refused, fails or is killed does not end the others, and it has the threads that its launcher gives it
(`hydra/launcher`: basic for one run after another, joblib for several at a time on this machine, submitit for a
cluster). The folder of a multirun has a folder for each run, with outcome.json, and the summary, multirun.md.

In a folder that has runs already, those that have finished are kept, and the others are run: a training from its last
checkpoint, where it has one.
"""

from __future__ import annotations

import logging
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlgd.cli import main_file, multirun_resume, own_folders, run_folder
from dlgd.cli.config_errors import refusal_of
from dlgd.cli.error_origin import in_a_line
from dlgd.cli.multirun_summary import Outcome, name_in_multirun, read_outcome, read_outcomes, sum_up
from dlgd.cli.run_process import reason_of, run_alone, run_for_launcher
from dlgd.cli.runs import CONFIG, LAST
from dlgd.core import checks, commands, passwords, trust
from dlgd.core.config import plain
from dlgd.core.errors import Refusal
from dlgd.core.files import write_text
from dlgd.core.interruption import STOPPED, Interruption, say, uninterrupted
from dlgd.tracking import parents, store

if TYPE_CHECKING:
    from filelock import BaseFileLock

log = logging.getLogger(__name__)

ERROR, OUTPUT = "error.txt", "output.txt"  # in the folder of a run
STOP = "stop"  # a file in the folder of a multirun: no further run begins
SIGNAL_DELAY_S = 30.0  # between the signal of a cluster and its end of the job, where the launcher has no such option
# Options of the multirun that its runs do not get.
OWN_OPTIONS = ("hydra.mode", "hydra.run.", "hydra.sweep", "hydra/sweeper", "hydra.launcher", "hydra/launcher")
MESSAGE = b"\nStopping: no further run begins. Ctrl-C once more to stop at once.\n"


# --- in the process of the run -----------------------------------------------------------------------------------


@contextmanager
def error_written(config_name: str) -> Iterator[None]:
    """Write the error that ends a run of a multirun into its folder, in one line.

    config_name: the configuration of the command is conf/<config_name>.yaml.
    """
    try:
        yield
    except Exception as error:
        folder = Path(HydraConfig.get().runtime.output_dir)
        if parents.folder_of(folder) is not None:
            write_text(folder / ERROR, line_of(error, config_name))
        raise


def line_of(error: Exception, config_name: str) -> str:
    """Return an error in one line: the first line of its refusal, or else its kind, message and place."""
    refusal = refusal_of(error, config_name)
    return in_a_line(error) if refusal is None else next(iter(str(refusal).strip().splitlines()), "")


# --- in the process that a launcher gives to the run ---------------------------------------------------------------


def in_multirun() -> bool:
    """Return whether this process starts the runs of a multirun."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def run(config: DictConfig, name: str, config_name: str) -> None:
    """Do a run in a process of its own, and write its outcome into its folder; a failure into MLflow, too.

    name: of the command, such as train. config_name: its usual main file.
    """
    hydra = HydraConfig.get()
    folder, multirun_folder = Path(hydra.runtime.output_dir), Path(hydra.sweep.dir).absolute()
    if (multirun_folder / STOP).exists():
        return
    number, overrides = int(hydra.job.num), list(hydra.overrides.task)
    before = read_outcome(folder)
    if before is not None and before.overrides and set(before.overrides) != set(overrides):
        raise Refusal(f"hydra.sweep.subdir gives runs {before.number} and {number} the same folder: type another one")
    if before is not None and before.status == "FINISHED":
        log.info("run %d has finished before", number)
        return
    if run_folder.in_use(folder):
        log.info("run %d still runs, as %s", number, run_folder.holder(folder))
        return
    spent = 0.0 if before is None else before.minutes
    outcome = Outcome(number, overrides, tracking=tracking_options(config), minutes=spent)
    outcome.write(folder)
    (folder / ERROR).unlink(missing_ok=True)
    # A single run at a time writes to the terminal; the progress bars of several would overwrite one another.
    output = None if hydra.runtime.choices["hydra/launcher"] == "basic" else folder / OUTPUT
    arguments, begun = command_of(name, folder, config, config_name), time.monotonic()
    if Multirun.folder is not None:
        ended = run_alone(arguments)
    else:
        grace_s = 0.75 * float((hydra.launcher or {}).get("signal_delay_s", SIGNAL_DELAY_S))
        ended = run_for_launcher(arguments, output, grace_s=grace_s)
    minutes = spent + (time.monotonic() - begun) / 60
    if ended.code == 0:
        outcome = replace(outcome, status="FINISHED", minutes=minutes)
    elif ended.stopped:
        outcome = replace(outcome, status="KILLED", error="stopped", minutes=minutes)
    else:
        outcome = replace(outcome, status="FAILED", error=failure_of(ended.code, folder), minutes=minutes)
        record_failure(config, folder, outcome)
        if hydra.callbacks["multirun"].get("fail_fast", False):
            (multirun_folder / STOP).touch()
    outcome.write(folder)
    log.info("run %d: %s after %.1f min", outcome.number, outcome.error or "finished", minutes)
    if ended.requeue is not None and outcome.status == "KILLED":
        requeue(ended.requeue, outcome, folder)


def tracking_options(config: DictConfig) -> dict[str, Any]:
    """Return the options that name the place of a run in MLflow; none for a command that records nothing."""
    if OmegaConf.select(config, "tracking._target_") is None:
        return {}
    data = {key: config.data[key] for key in ("name", "task") if key in config.data}
    return {"tracking": plain(config.tracking), "data": data}


def command_of(name: str, folder: Path, config: DictConfig, config_name: str) -> list[str]:
    """Return the command for this run alone, with its folder."""
    overrides = HydraConfig.get().overrides
    shared = [one for one in overrides.hydra if not one.lstrip("+~").startswith(OWN_OPTIONS)]
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    begin = [sys.executable, "-m", f"dlgd.{name}", *own_folders.of_multirun(), *main_file.of_multirun(config_name)]
    if name == "train" and (folder / LAST).exists():
        own = [one for one in overrides.task if one.lstrip("+").startswith((f"{trust.OPTION}=", "tracking.uri="))]
        if not any(one.lstrip("+").startswith(trust.OPTION) for one in own):
            own += trust.typed_again(config).split()  # a person has typed what the configuration names
        return [*begin, f"resume='{quoted}'", *own, *shared, "hydra.mode=RUN"]
    own = ["hydra.mode=RUN", f"hydra.run.dir='{quoted}'", "hydra.callbacks.run_folder.may_replace=true"]
    return [*begin, *overrides.task, *shared, *own]


def requeue(put_back: Callable[[], object], outcome: Outcome, folder: Path) -> None:
    """Put a run into the queue of its cluster again, where it goes on later; this process then ends."""
    from submitit.core.utils import UncompletedJobError

    replace(outcome, error="ended by the cluster, and requeued").write(folder)
    try:
        put_back()
    except UncompletedJobError as error:
        replace(outcome, error=f"ended by the cluster: {error}").write(folder)


def failure_of(code: int, folder: Path) -> str:
    """Return why a run with this exit code failed, in one line."""
    return (folder / ERROR).read_text() if code >= 0 and (folder / ERROR).exists() else reason_of(code)


def record_failure(config: DictConfig, folder: Path, outcome: Outcome) -> None:
    """Mark the run as failed in MLflow, with its error. A run that had not begun there is made."""
    from dlgd import build
    from dlgd.tracking.provenance import flatten

    if not outcome.tracking:
        return
    found = HydraConfig.get().runtime.choices
    choices = {group: str(choice) for group, choice in found.items() if "/" not in group and "@" not in group}
    try:
        params = flatten(plain(config)) | choices
    except OmegaConfBaseException:  # the run may have failed because its configuration cannot be resolved
        params = choices
    try:
        tracker = build.tracker(config, folder)
        name = name_in_multirun(folder) or f"{choices.get('model', choices.get('baseline'))}-{choices.get('data')}"
        tags = {parents.ERROR_TAG: outcome.error, "overrides": " ".join(outcome.overrides)}
        tracker.start(name=name, params=params, tags=tags, run_id=store.read_run_id(folder))
        tracker.finish("FAILED")
    except Refusal as refusal:  # the run may have failed because of its tracking
        log.info("run %d is not recorded in MLflow: %s", outcome.number, refusal)


# --- in the process of the command ---------------------------------------------------------------------------------


class Multirun(Callback):
    """Hydra calls it at the beginning of a multirun, and of each run; conf/base.yaml names it.

    fail_fast: whether no further run begins after one has failed. Those that run go on.
    """

    folder: Path | None = None  # of the multirun that this process has begun
    before: dict[Path, Outcome] = {}  # the outcomes in its folder when this command began
    command = ""  # whose runs they are, such as train
    lock: BaseFileLock | None = None  # of the folder
    interruption = Interruption()  # which has stopped it

    def __init__(self, fail_fast: bool = False) -> None:
        self.fail_fast = fail_fast

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Leave where a file gives a password, before Hydra writes the configuration. It would swallow a Refusal."""
        try:
            passwords.refuse(plain(config, resolve=False))
        except Refusal as refusal:
            run_folder.leave_if_refused(refusal, kwargs["config_name"])

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Note which process has begun the multirun, or goes on with it, and let a signal stop it gently."""
        self.on_run_start(config, **kwargs)
        try:
            folder = self._taken(config)
        except Exception as error:
            run_folder.leave_if_refused(error, kwargs["config_name"])
            raise
        Multirun.command, Multirun.folder = str(config.hydra.job.name), folder
        commands.hand_on()

        def stop(number: int) -> None:
            (folder / STOP).touch()
            if number != signal.SIGINT:  # unlike Ctrl-C, it may have reached no process but this one
                import psutil

                for child in psutil.Process().children(recursive=True):
                    child.terminate()

        Multirun.interruption = Interruption(MESSAGE, stop)
        Multirun.interruption.__enter__()

    def _taken(self, config: DictConfig) -> Path:
        """Return the folder of the multirun, after it was checked, locked and prepared."""
        checks.of_kind("hydra.callbacks.multirun.fail_fast", self.fail_fast, bool)
        run_folder.refuse_sources(str(config.hydra.sweep.dir), "hydra.sweep.dir")
        folder = Path(config.hydra.sweep.dir).absolute()
        if (folder / CONFIG).exists():
            raise Refusal(f"hydra.sweep.dir={folder} is the folder of a run: type another one")
        jobs, swept = multirun_resume.jobs_of(config)
        Multirun.lock = run_folder.lock(folder)
        multirun_resume.check_and_note(folder, jobs)
        Multirun.before = read_outcomes(folder)
        name = " ".join(str(one.input_line) for one in swept) or "multirun"
        parents.begin(folder, name, [one.get_key_element().lstrip("+~") for one in swept])
        (folder / STOP).unlink(missing_ok=True)  # of an earlier session
        return folder


@contextmanager
def summed_up() -> Iterator[None]:
    """Sum up a multirun at its end, and leave with an exit code other than 0 if a run failed."""
    try:
        yield
    except Exception:
        if not Multirun.interruption.requested:  # else a launcher complains that its processes were stopped
            raise
    finally:
        folder = Multirun.folder
        outcomes = {} if folder is None else read_outcomes(folder)
        if folder is not None and outcomes:
            with uninterrupted():
                ours = {run for run, one in outcomes.items() if Multirun.before.get(run) != one}
                sum_up(folder, multirun_resume.with_missing(folder, outcomes), ours)
        Multirun.interruption.__exit__()
    statuses = {one.status for one in outcomes.values()}
    if folder is not None and (len(statuses) > 1 or statuses - {"FINISHED"} or (folder / STOP).exists()):
        again = shlex.join([*own_folders.words(), *main_file.words(), "-m", f"resume={folder}"])
        say(f"dlgd: go on with what is missing by: {commands.shown(Multirun.command)} {again}\n")
    if statuses & {"FAILED", "RUNNING"}:
        sys.exit(1)
    if "KILLED" in statuses or Multirun.interruption.requested:
        sys.exit(STOPPED)
