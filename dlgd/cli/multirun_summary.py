"""The outcomes of the runs of a multirun, and their summary: its table, multirun.md, and its run in MLflow."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlgd.cli import run_log
from dlgd.cli.run_folder import in_use
from dlgd.cli.runs import CONFIG, recorded_values
from dlgd.core import checks, trust
from dlgd.core.errors import Refusal
from dlgd.core.files import write_text
from dlgd.core.score import Score
from dlgd.tracking import parents, store

OUTCOME = "outcome.json"  # in the folder of a run
SCORES = "scores.json"  # likewise
TRACKING = "dlgd.tracking"  # the logger of what records
SUMMARY = "multirun.md"  # in the folder of the multirun

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How one of the runs has ended.

    number: its place in the multirun.
    overrides: the options of the run, as they were typed.
    status: RUNNING, then FINISHED, FAILED or KILLED, as in MLflow; MISSING before it has begun.
    error: in one line; empty unless the run failed.
    tracking: the part of the configuration that names its place in MLflow; empty for a command that records nothing.
    """

    number: int
    overrides: list[str]
    status: str = "RUNNING"
    error: str = ""
    minutes: float = 0.0
    tracking: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write it into the folder of the run."""
        write_text(folder / OUTCOME, json.dumps(asdict(self), indent=2))


def read_outcome(folder: Path) -> Outcome | None:
    """Return the outcome of the run in this folder; None where none has begun."""
    file = folder / OUTCOME
    return _read_outcome(file) if file.exists() else None


def read_outcomes(folder: Path) -> dict[Path, Outcome]:
    """Return the outcomes of the runs that began, by their folders, in order."""
    found = {file.parent: _read_outcome(file) for file in folder.rglob(OUTCOME)}
    return dict(sorted(found.items(), key=lambda pair: pair[1].number))


def _read_outcome(file: Path) -> Outcome:
    """Return the outcome in a file; that of a run that failed where the file is damaged or of a later version."""
    try:
        found = Outcome(**json.loads(file.read_text(encoding="utf-8")))
        checks.whole_number("number", found.number)
        checks.names("overrides", found.overrides, example="[seed=1]", empty=True)
        checks.number("minutes", found.minutes)
        checks.of_kind("error", found.error, str)
        if isinstance(found.tracking, dict):
            return found
    except (OSError, ValueError, TypeError):  # Refusal is a ValueError
        pass
    number = int(file.parent.name) if file.parent.name.isdecimal() else -1
    return Outcome(number, [], status="FAILED", error=f"{file} is damaged")


def sum_up(folder: Path, outcomes: dict[Path, Outcome], ours: Collection[Path]) -> None:
    """Print the scores of the finished runs and the errors of others; write both to multirun.md and to MLflow.

    ours: the runs of this very command. Others were there before, and may come from somebody else.
    """
    from dlgd.scoring import table

    finished = {run: one for run, one in outcomes.items() if one.status == "FINISHED"}
    names = short_names(folder, outcomes)
    rows, columns = scores(finished, names, ours)
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
    close_parent(folder, outcomes, text, ours)


def short_names(folder: Path, outcomes: dict[Path, Outcome]) -> dict[Path, str]:
    """Return names such as "3 model=unet seed=0": the number, and the overrides in which the runs differ."""
    varied = parents.varied(folder)
    if varied is None:
        common = set.intersection(*(set(one.overrides) for one in outcomes.values()))
        varied = {option_of(each) for one in outcomes.values() for each in one.overrides if each not in common}
    return {run: short_name(one, varied) for run, one in outcomes.items()}


def short_name(outcome: Outcome, varied: Collection[str]) -> str:
    """Return the number of a run, and its overrides of the options that its multirun varies."""
    return " ".join([str(outcome.number), *(each for each in outcome.overrides if option_of(each) in varied)])


def option_of(override: str) -> str:
    """Return the option of an override: "model.width" of "+model.width=8"."""
    return override.lstrip("+~").partition("=")[0]


def name_in_multirun(run: Path) -> str | None:
    """Return the name that the run of this folder has in the table of its multirun; None for a single run."""
    folder = parents.folder_of(run)
    if folder is None or not (run / OUTCOME).exists():
        return None
    return short_name(Outcome(**json.loads((run / OUTCOME).read_text())), parents.varied(folder) or ())


def reason(outcome: Outcome) -> str:
    """Return why a run has no scores."""
    words = {"FAILED": f"failed: {outcome.error}", "KILLED": outcome.error, "MISSING": "has not begun"}
    return words.get(outcome.status, "has not reported its end; it may still be running")


def scores(
    finished: dict[Path, Outcome], names: dict[Path, str], ours: Collection[Path] = ()
) -> tuple[dict[Path, dict[str, Any]], list[Score]]:
    """Return the first row of each run's scores.json, named after the run, and the columns of the table.

    ours: see `sum_up`. Scores that only a run describes which may not be trusted have no column, and the log says so.
    """
    from dlgd import build
    from dlgd.scoring import descriptions

    rows, described, seen = {}, [], set()
    for run in finished:
        if not (run / SCORES).exists():  # a command that scores nothing
            continue
        row = _first_row(run / SCORES)
        if row is None:
            continue
        rows[run] = row | {"method": names[run]}
        try:
            config = _read(recorded_values(run), run / CONFIG, ours=run in ours)
        except Refusal as refusal:
            log.warning("%s", refusal)
            continue
        network = OmegaConf.select(config, "model._target_")  # of a classical method: None
        if (str(config.evaluation.scores), network) not in seen:
            seen.add((str(config.evaluation.scores), network))
            described += build.evaluation(config).all_scores
            described += () if network is None else descriptions.of_class(network)
    return rows, descriptions.columns(described)


def _first_row(file: Path) -> dict[str, Any] | None:
    """Return the first row of a table of scores; None, said in the log, where the file is damaged."""
    try:
        row = json.loads(file.read_text(encoding="utf-8"))[0]
        if isinstance(row, dict):
            return row
    except (OSError, ValueError, LookupError, TypeError):
        pass
    log.warning("%s is damaged: the run is left out of the table; score it again with dlgd.evaluate", file)
    return None


def _read(values: dict[str, Any], file: Path, *, ours: bool) -> DictConfig:
    """Return a configuration that a run of a multirun has written.

    ours: whether it is a run of this very command, which has therefore named all that the configuration names.
    """
    if ours:
        trust.allow_typed(OmegaConf.create(values))
    return OmegaConf.create(trust.loaded(values, file))


def close_parent(folder: Path, outcomes: dict[Path, Outcome], text: str, ours: Collection[Path] = ()) -> None:
    """End the multirun's own run in MLflow, whose page shows the summary.

    ours: see `sum_up`. Nothing is sent to a server that only the folder of another run names, see `foreign_server`.
    """
    parent = store.read_run_id(folder)
    recorded = sorted((run for run, one in outcomes.items() if one.tracking), key=lambda run: run not in ours)
    if parent is None or not recorded:
        return
    from dlgd import build

    run = recorded[0]
    server = store.foreign_server(str(outcomes[run].tracking.get("tracking", {}).get("uri") or ""))
    if server is not None and run not in ours:
        log.warning("the end of %s is not sent to %s, which this command does not name", folder, server)
        return
    statuses = {"KILLED" if one.status == "MISSING" else one.status for one in outcomes.values()}
    tracker = build.tracker(_read(outcomes[run].tracking, run / OUTCOME, ours=run in ours), folder)
    with run_log.warnings_only(TRACKING):  # each run has said where it is recorded
        tracker.start(name=parents.name(folder), params={}, tags={"runs": str(len(outcomes))}, run_id=parent)
        tracker.describe(text)
        tracker.artifact(folder / SUMMARY)
        tracker.finish(next((one for one in ("FAILED", "KILLED", "FINISHED") if one in statuses), "FAILED"))


def close_unrecorded_parents(runs: list[Path]) -> None:
    """End the runs in MLflow of the multiruns to which these runs belong, where the end could not be recorded."""
    from dlgd.tracking import late

    folders = {folder for run in runs if (folder := parents.folder_of(run)) is not None}
    for folder in sorted(folders):
        if not (folder / late.RUN_RECORD).exists() and not in_use(folder) and (folder / SUMMARY).exists():
            close_parent(folder, read_outcomes(folder), (folder / SUMMARY).read_text())
