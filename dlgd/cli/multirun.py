"""python -m dlgd.<command> -m ...: each run is a process of its own, with the command that one would type for it alone.

So a run that is refused, fails or is killed does not end the others, and it has the threads that its launcher gives it
(`hydra/launcher`: basic for one run after another, joblib for several at a time on this machine, submitit for a
cluster). The folder of a multirun has a folder for each run, with outcome.json, and the summary, multirun.md.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlgd.cli.config_errors import refusal_of
from dlgd.cli.error_origin import in_a_line
from dlgd.cli.multirun_summary import OUTCOME, Outcome, name_in_multirun, read_outcomes, sum_up
from dlgd.cli.swept_groups import has_values
from dlgd.core.config import plain
from dlgd.core.errors import Refusal
from dlgd.core.files import write_text
from dlgd.core.interruption import SIGNALS, STOPPED, Interruption, uninterrupted
from dlgd.tracking import parents, store

log = logging.getLogger(__name__)

ERROR, OUTPUT = "error.txt", "output.txt"  # in the folder of a run
STOP = "stop"  # a file in the folder of a multirun: no further run begins
STOPPED_CODES = (STOPPED, *(-number for number in SIGNALS))  # the latter before the run can handle signals
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


def run(config: DictConfig, name: str) -> None:
    """Do a run in a process of its own, and write its outcome into its folder; a failure into MLflow, too."""
    hydra = HydraConfig.get()
    folder, multirun_folder = Path(hydra.runtime.output_dir), Path(hydra.sweep.dir).absolute()
    if (multirun_folder / STOP).exists():
        return
    outcome = Outcome(int(hydra.job.num), list(hydra.overrides.task), tracking=tracking_options(config))
    outcome.write(folder)
    # A single run at a time writes to the terminal; the progress bars of several would overwrite one another.
    alone = hydra.runtime.choices["hydra/launcher"] == "basic"
    begun = time.monotonic()
    code = run_process(command_of(name, folder), None if alone else folder / OUTPUT)
    minutes = (time.monotonic() - begun) / 60
    if code == 0:
        outcome = replace(outcome, status="FINISHED", minutes=minutes)
    elif code in STOPPED_CODES:
        outcome = replace(outcome, status="KILLED", error="stopped", minutes=minutes)
    else:
        outcome = replace(outcome, status="FAILED", error=failure_of(code, folder), minutes=minutes)
        record_failure(config, folder, outcome)
    outcome.write(folder)
    log.info("run %d: %s after %.1f min", outcome.number, outcome.error or "finished", minutes)


def tracking_options(config: DictConfig) -> dict[str, Any]:
    """Return the options that name the place of a run in MLflow; none for a command that records nothing."""
    if OmegaConf.select(config, "tracking._target_") is None:
        return {}
    data = {key: config.data[key] for key in ("name", "task") if key in config.data}
    return {"tracking": plain(config.tracking), "data": data}


def command_of(name: str, folder: Path) -> list[str]:
    """Return the command for this run alone, with its folder."""
    overrides = HydraConfig.get().overrides
    shared = [one for one in overrides.hydra if not one.lstrip("+~").startswith(OWN_OPTIONS)]
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    own = ["hydra.mode=RUN", f"hydra.run.dir='{quoted}'"]
    return [sys.executable, "-m", f"dlgd.{name}", *overrides.task, *shared, *own]


def run_process(arguments: list[str], output: Path | None) -> int:
    """Run a command to its end. Returns its exit code.

    output: a file for what the command prints; None for the output of this process.
    """
    of_launcher = Multirun.folder is None  # a launcher has started this process, not a person
    with open(os.devnull if output is None else output, "wb") as file:
        streams = {} if output is None else {"stdout": file, "stderr": subprocess.STDOUT}
        if of_launcher:  # signals reach all processes of a terminal or of a cluster's job: the run ends first
            for number in SIGNALS:
                signal.signal(number, lambda *_: None)
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # which the run inherits
        child = subprocess.Popen(arguments, **streams)
        if of_launcher:  # a cluster sends SIGUSR1 when the time is nearly over
            signal.signal(signal.SIGUSR1, lambda *_: child.terminate())
        return child.wait()


def failure_of(code: int, folder: Path) -> str:
    """Return why a run with this exit code failed, in one line."""
    if code < 0:
        number = signal.Signals(-code)
        memory = ", perhaps for lack of memory" if number == signal.SIGKILL else ""
        return f"ended by the signal {number.name}{memory}"
    if (folder / ERROR).exists():
        return (folder / ERROR).read_text()
    return f"ended with exit code {code}; the reason is in its output"


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
    """Hydra calls it at the beginning of a multirun; conf/base.yaml names it."""

    folder: Path | None = None  # of the multirun that this process has begun
    interruption = Interruption()  # which has stopped it

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Note which process has begun the multirun, and let a signal stop it gently."""
        folder = Path(config.hydra.sweep.dir).absolute()
        params = config.hydra.sweeper.get("params") or {}
        words = [*(f"{key}={value}" for key, value in params.items()), *config.hydra.overrides.task]
        swept = [one for one in OverridesParser.create().parse_overrides(words) if has_values(one)]
        name = " ".join(str(one.input_line) for one in swept) or "multirun"
        parents.begin(folder, name, [one.get_key_element().lstrip("+~") for one in swept])
        for old in (folder / STOP, folder / store.RUN_ID_FILE, *folder.rglob(OUTCOME)):
            old.unlink(missing_ok=True)  # of another multirun in the same folder
        Multirun.folder = folder

        def stop(number: int) -> None:
            (folder / STOP).touch()
            if number != signal.SIGINT:  # unlike Ctrl-C, it may have reached no process but this one
                import psutil

                for child in psutil.Process().children(recursive=True):
                    child.terminate()

        Multirun.interruption = Interruption(MESSAGE, stop)
        Multirun.interruption.__enter__()


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
                sum_up(folder, outcomes)
        Multirun.interruption.__exit__()
    statuses = {one.status for one in outcomes.values()}
    if statuses & {"FAILED", "RUNNING"}:
        sys.exit(1)
    if "KILLED" in statuses or Multirun.interruption.requested:
        sys.exit(STOPPED)
