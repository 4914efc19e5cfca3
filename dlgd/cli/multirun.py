"""python -m dlgd.<command> -m ...: each run is a process of its own, with the very command that one would type for it.

So a run that is refused, fails or is killed takes no other with it, and its threads are those that its launcher gives
it (`hydra/launcher`: one run after another, joblib for several at a time on this machine, submitit for a cluster).
The folder of a multirun holds a folder for each run, with outcome.json, and the summary, multirun.md.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlgd.cli.config_errors import refusal_of
from dlgd.cli.error_origin import in_a_line
from dlgd.core.config import load, plain
from dlgd.core.errors import Refusal
from dlgd.core.files import write_text
from dlgd.tracking import parents, store

log = logging.getLogger(__name__)

OUTCOME, ERROR, OUTPUT, SUMMARY = "outcome.json", "error.txt", "output.txt", "multirun.md"
STOP = "stop"  # in the folder of a multirun: begin no further run
STOPPED = 130  # exit code of a run that was asked to stop, and did
ASKED = (STOPPED, -signal.SIGINT, -signal.SIGTERM)  # or had not begun to train
MINE = ("hydra.mode", "hydra.run.", "hydra.sweep", "hydra/sweeper", "hydra.launcher", "hydra/launcher")  # not a run's
MESSAGE = b"\nStopping: no further run begins. Once more to stop at once.\n"


@dataclass(frozen=True)
class Outcome:
    """How one of the runs ended."""

    number: int
    overrides: list[str]
    status: str = "RUNNING"  # then FINISHED, FAILED or KILLED, as MLflow has it
    error: str = ""
    minutes: float = 0.0
    recorded: dict[str, Any] = field(default_factory=dict)  # what is needed to find its place in MLflow again

    def write(self, folder: Path) -> None:
        """Into the folder of the run, whole or not at all."""
        write_text(folder / OUTCOME, json.dumps(asdict(self), indent=2))


# --- in the process of the run -----------------------------------------------------------------------------------


@contextmanager
def error_kept(config_name: str) -> Iterator[None]:
    """Leave what ends a run of a multirun, whose configuration is conf/<config_name>.yaml, in its folder, on a line."""
    try:
        yield
    except Exception as error:
        folder = Path(HydraConfig.get().runtime.output_dir)
        if parents.folder_of(folder) is not None:
            write_text(folder / ERROR, line_of(error, config_name))
        raise


def line_of(error: Exception, config_name: str) -> str:
    """The first line of what a person is told of it; of an error whose traceback is shown, its kind and place too."""
    refusal = refusal_of(error, config_name)
    return in_a_line(error) if refusal is None else next(iter(str(refusal).strip().splitlines()), "")


# --- in the process that a launcher gives to the run ---------------------------------------------------------------


def in_multirun() -> bool:
    """Whether this is a run of a multirun, before it has a process of its own."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def run(config: DictConfig, name: str) -> None:
    """The run in a process of its own, until its end; its outcome in its folder, and in MLflow if it failed."""
    hydra = HydraConfig.get()
    folder, together = Path(hydra.runtime.output_dir), Path(hydra.sweep.dir).absolute()
    if (together / STOP).exists():
        return
    outcome = Outcome(int(hydra.job.num), list(hydra.overrides.task), recorded=place(config))
    outcome.write(folder)
    # One run at a time has the terminal and its progress bar; several would write over one another.
    alone = hydra.runtime.choices["hydra/launcher"] == "basic"
    begun = time.monotonic()
    code = process(words_of(name, folder), None if alone else folder / OUTPUT)
    minutes = (time.monotonic() - begun) / 60
    if code == 0:
        outcome = replace(outcome, status="FINISHED", minutes=minutes)
    elif code in ASKED:
        outcome = replace(outcome, status="KILLED", error="stopped", minutes=minutes)
    else:
        outcome = replace(outcome, status="FAILED", error=why(code, folder), minutes=minutes)
        record_failure(config, folder, outcome)
    outcome.write(folder)
    log.info("run %d: %s after %.1f min", outcome.number, outcome.error or "finished", minutes)


def place(config: DictConfig) -> dict[str, Any]:
    """Of a configuration what tells where its run is recorded; nothing for a command that records nothing."""
    if OmegaConf.select(config, "tracking._target_") is None:
        return {}
    data = {key: config.data[key] for key in ("name", "task") if key in config.data}
    return {"tracking": plain(config.tracking), "data": data}


def words_of(name: str, folder: Path) -> list[str]:
    """What one would type for this run alone, with its folder."""
    overrides = HydraConfig.get().overrides
    kept = [one for one in overrides.hydra if not one.lstrip("+~").startswith(MINE)]
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    own = ["hydra.mode=RUN", f"hydra.run.dir='{quoted}'"]
    return [sys.executable, "-m", f"dlgd.{name}", *overrides.task, *kept, *own]


def process(arguments: list[str], output: Path | None) -> int:
    """Run a command to its end; its exit code. Where there is no `output`, it writes to this process' own."""
    given = Multirun.folder is None  # this process is a launcher's, not that of the person
    with open(os.devnull if output is None else output, "wb") as file:
        streams = {} if output is None else {"stdout": file, "stderr": subprocess.STDOUT}
        if given:  # who stops a run asks all processes of its terminal or of a cluster's job: let the run end first
            signal.signal(signal.SIGINT, lambda *_: None)
            signal.signal(signal.SIGTERM, lambda *_: None)
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # and so does the run
        child = subprocess.Popen(arguments, **streams)
        if given:  # a cluster says that the time is nearly over
            signal.signal(signal.SIGUSR1, lambda *_: child.terminate())
        return child.wait()


def why(code: int, folder: Path) -> str:
    """Why a run with this exit code failed."""
    if code < 0:
        number = signal.Signals(-code)
        memory = ", perhaps for lack of memory" if number == signal.SIGKILL else ""
        return f"ended by the signal {number.name}{memory}"
    if (folder / ERROR).exists():
        return (folder / ERROR).read_text()
    return f"ended with exit code {code}; the reason is in its output"


def record_failure(config: DictConfig, folder: Path, outcome: Outcome) -> None:
    """Mark the run as failed in MLflow, with its error; a run that never got there is made."""
    from dlgd import build
    from dlgd.tracking.provenance import flatten

    if not outcome.recorded:
        return
    chosen = HydraConfig.get().runtime.choices
    choices = {group: str(choice) for group, choice in chosen.items() if "/" not in group and "@" not in group}
    try:
        params = flatten(plain(config)) | choices
    except OmegaConfBaseException:  # what cannot be resolved may be why it failed
        params = choices
    try:
        tracker = build.tracker(config, folder)
        name = f"{choices.get('model', choices.get('baseline'))}-{choices.get('data')}"
        tags = {parents.ERROR_TAG: outcome.error, "overrides": " ".join(outcome.overrides)}
        tracker.start(name=name, params=params, tags=tags, run_id=store.read_run_id(folder))
        tracker.finish("FAILED")
    except Refusal as refusal:  # the tracking may be why it failed
        log.info("run %d is not recorded in MLflow: %s", outcome.number, refusal)


# --- in the process of the command ---------------------------------------------------------------------------------


class Multirun(Callback):
    """Hydra calls it where a multirun begins; conf/base.yaml names it."""

    folder: Path | None = None  # of the multirun that this process began

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Note who began the multirun, and stop it gently when asked."""
        folder = Path(config.hydra.sweep.dir).absolute()
        params = config.hydra.sweeper.get("params") or {}
        words = [*(f"{key}={value}" for key, value in params.items()), *config.hydra.overrides.task]
        swept = [
            str(one.input_line) for one in OverridesParser.create().parse_overrides(words) if one.is_sweep_override()
        ]
        parents.begin(folder, " ".join(swept) or "multirun")
        for old in (folder / STOP, folder / store.RUN_ID_FILE, *folder.rglob(OUTCOME)):
            old.unlink(missing_ok=True)  # of another multirun in the same folder
        Multirun.folder = folder
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def stop(number: int, _: FrameType | None) -> None:
            (folder / STOP).touch()
            for each, handler in before.items():
                signal.signal(each, handler)  # the next one acts as it always did
            os.write(2, MESSAGE)
            if number == signal.SIGTERM:  # which, other than Ctrl-C, reached no process but this one
                import psutil

                for child in psutil.Process().children(recursive=True):
                    child.terminate()

        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, stop)


@contextmanager
def summed_up() -> Iterator[None]:
    """Where the command was a multirun, its summary at the end, and an exit code that is not 0 if a run failed."""
    try:
        yield
    finally:
        folder = Multirun.folder
        outcomes = {} if folder is None else read_outcomes(folder)
        if folder is not None and outcomes:
            sum_up(folder, outcomes)
    statuses = {one.status for one in outcomes.values()}
    if statuses & {"FAILED", "RUNNING"}:
        sys.exit(1)
    if "KILLED" in statuses or (folder is not None and (folder / STOP).exists()):
        sys.exit(STOPPED)


def read_outcomes(folder: Path) -> dict[Path, Outcome]:
    """Of the runs that began, by their folders, in order."""
    found = {file.parent: Outcome(**json.loads(file.read_text())) for file in folder.rglob(OUTCOME)}
    return dict(sorted(found.items(), key=lambda pair: pair[1].number))


def sum_up(folder: Path, outcomes: dict[Path, Outcome]) -> None:
    """Print the scores of the runs and why others failed; keep both in multirun.md and in the parent in MLflow."""
    from dlgd.scoring import table

    finished = {run: one for run, one in outcomes.items() if one.status == "FINISHED"}
    names = short_names(outcomes)
    rows, columns = scores(finished, names)
    title = f"{folder}: {len(finished)} of {len(outcomes)} runs finished"
    others = [f"run {names[run]}: {reason(one)}" for run, one in outcomes.items() if run not in finished]
    text = "\n".join([title, "", *([table.markdown(list(rows.values()), columns)] if rows else []), *others])
    write_text(folder / SUMMARY, f"{text}\n")
    if rows:
        table.print_table(list(rows.values()), columns, title)
    else:
        print(title)
    for line in others:
        print(f"dlgd: {line}", file=sys.stderr)
    close_parent(folder, outcomes, text)


def short_names(outcomes: dict[Path, Outcome]) -> dict[Path, str]:
    """Such as "3 model=unet seed=0", of what was typed that the runs do not have in common."""
    common = set.intersection(*(set(one.overrides) for one in outcomes.values()))  # of one alone: all
    own = {run: [each for each in one.overrides if each not in common] for run, one in outcomes.items()}
    return {run: " ".join([str(one.number), *own[run]]) for run, one in outcomes.items()}


def reason(outcome: Outcome) -> str:
    """Why there are no scores."""
    words = {"FAILED": f"failed: {outcome.error}", "KILLED": outcome.error}
    return words.get(outcome.status, "no end of it is known; it may be going on")


def scores(finished: dict[Path, Outcome], names: dict[Path, str]) -> tuple[dict[Path, dict[str, Any]], list[Any]]:
    """The first row of each run's scores.json, named after the run; and the columns in which the main scores are."""
    from dlgd import build
    from dlgd.scoring import descriptions

    rows, described, seen = {}, [], set()
    for run in finished:
        if not (run / "scores.json").exists():  # a command that scores nothing
            continue
        rows[run] = json.loads((run / "scores.json").read_text())[0] | {"method": names[run]}
        config = load(run / "config.yaml")
        network = OmegaConf.select(config, "model._target_")  # of a classical method: None
        if (str(config.evaluation.scores), network) not in seen:
            seen.add((str(config.evaluation.scores), network))
            described += build.evaluation(config).all_scores
            described += () if network is None else descriptions.of_class(network)
    return rows, descriptions.columns(described)


def close_parent(folder: Path, outcomes: dict[Path, Outcome], text: str) -> None:
    """End the multirun's own run in MLflow, whose page shows the summary."""
    parent = store.read_run_id(folder)
    if parent is None:  # no run was recorded
        return
    from dlgd import build

    recorded = next(one.recorded for one in outcomes.values() if one.recorded)
    statuses = {one.status for one in outcomes.values()}
    tracker = build.tracker(OmegaConf.create(recorded), folder)
    tags = {"runs": str(len(outcomes)), parents.NOTE_TAG: text[: parents.LONGEST_NOTE]}
    tracker.start(name=folder.name, params={}, tags=tags, run_id=parent)
    tracker.artifact(folder / SUMMARY)
    tracker.finish(next((one for one in ("FAILED", "KILLED", "FINISHED") if one in statuses), "FAILED"))
