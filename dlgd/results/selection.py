"""The runs of one table: those that have a score, on the same samples; and notes on those that are left out."""

from __future__ import annotations

import ast
import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlgd.core.errors import Refusal
from dlgd.results import comparability
from dlgd.results.finished import Finished, FinishedRun, Selection
from dlgd.results.grouping import as_typed
from dlgd.tracking import run_tags
from dlgd.tracking.parents import PARENT_TAG

SHOWN = 12  # names in a sentence
DEFAULT_SCORES = 6  # scores at most in a table for which none were named


@dataclass(frozen=True)
class SelectedRuns:
    """The runs of a table, the newest first, and its scores."""

    runs: Sequence[FinishedRun]
    scores: Sequence[str]
    notes: Sequence[str] = field(default=())  # sentences on the runs that were left out


def select_runs(
    finished: Finished, selection: Selection, *, split: str, scores: Sequence[str] | None, any_data: bool
) -> SelectedRuns:
    """Return the finished runs that have one of the scores. Refusal where there is none.

    scores: None for those that the runs' experiment names.
    any_data: whether to accept runs although nothing shows that they were scored on the same samples.
    """
    found = finished.select(selection)
    refuse_absent(finished, selection, found)
    parents = {run.tags.get(PARENT_TAG) for run in found}
    found = [run for run in found if run.run_id not in parents or run.params]
    ended = [run for run in found if run.status == "FINISHED"]
    notes = [f"Left out: {count} {status.lower()}." for status, count in _unfinished(found)]
    if not ended:
        raise Refusal(
            f"none of the {len(found)} runs that were found has finished: {' '.join(notes) or 'select others'}"
        )
    names = score_names(ended, split)
    scores = named_scores(ended, split, names) if scores is None else list(scores)
    refuse_unknown(scores, names, split)
    scored = [run for run in ended if any(_finite(run, split, score) for score in scores)]
    if len(scored) < len(ended):
        notes.append(f"Left out: {len(ended) - len(scored)} finished without a number for {', '.join(scores)}.")
    groups = comparability.by_data(scored, split)
    if len(groups) > 1:
        words = comparability.in_words(groups)
        listed = "; ".join(words[:SHOWN]) + ("; ..." if len(words) > SHOWN else "")
        same = len({(run.params.get("data.name"), run.params.get("data.task")) for run in scored}) == 1
        if not any_data or not same:
            raise Refusal(
                f"these runs were scored on different data and cannot be compared: {listed}; select some of them"
                f"{', or type any_data=true if you know that the samples of the split are the same' if same else ''}"
            )
        notes.append(f"Beware: nothing shows that all were scored on the same samples: {listed}.")
    return SelectedRuns(scored, scores, notes)


def refuse_absent(finished: Finished, selection: Selection, found: Sequence[FinishedRun]) -> None:
    """Refuse ids or an experiment that MLflow does not have, or conditions that no run meets."""
    missing = sorted(set(selection.ids) - {run.run_id for run in found})
    if missing and selection == Selection(ids=selection.ids):
        raise Refusal(
            f"MLflow has no run {', '.join(missing)}: an id has 32 letters and digits and stands on the run's page"
        )
    if found:
        return
    names = finished.experiments()
    if selection.experiment is not None and selection.experiment not in names:
        there = f"choose among {', '.join(names[:SHOWN])}" if names else "it has none yet, so train something first"
        raise Refusal(
            f"MLflow has no experiment {selection.experiment}: {there}; or, to compare the runs of a file in "
            "experiments/, give its name, as in experiment=normalization/features"
        )
    raise Refusal("MLflow has no run that meets all conditions of runs: type fewer, or look at the runs with `make ui`")


def _unfinished(runs: Iterable[FinishedRun]) -> list[tuple[str, int]]:
    counted = Counter(run.status for run in runs if run.status != "FINISHED")
    return sorted(counted.items())


# --- scores ----------------------------------------------------------------------------------------------------


def score_names(runs: Iterable[FinishedRun], split: str) -> list[str]:
    """Return the names of all numbers that the runs recorded for the split, in alphabetical order."""
    return sorted({key.removeprefix(f"{split}/") for run in runs for key in run.metrics if key.startswith(f"{split}/")})


def named_scores(runs: Sequence[FinishedRun], split: str, names: Sequence[str]) -> list[str]:
    """Return the scores of the table of the experiment for which most of the runs were made.

    Without such a table, return those of the problem's own table, or else the first by name, if all runs have them:
    except runs without any score of the split, such as the trials of a search, which have none of the test split.

    runs: the newest first.
    """
    tables = Counter(run.params.get("table.scores", "") for run in runs)
    named = [str(name) for name in literal(max(sorted(tables), key=tables.__getitem__)) or ()]
    if named and set(named) <= set(names):
        return named
    scored = [run for run in runs if any(key.startswith(f"{split}/") for key in run.metrics)]
    common = [name for name in names if all(run.metric(f"{split}/{name}") is not None for run in scored)]
    for run in scored:
        own = [name for name in run_tags.table(run.tags.get(run_tags.SCORES_TAG, "")) if name in common]
        if own:
            return own
    common.sort(key=lambda name: name == comparability.NO_SCORE)  # runs of earlier versions do not name their table
    return common[:DEFAULT_SCORES]


def refuse_unknown(scores: Sequence[str], names: Sequence[str], split: str) -> None:
    """Refuse scores that no run has recorded."""
    if not names:
        raise Refusal(f"no run has a score of split={split}: type another split, such as test or valid")
    unknown = [score for score in scores if score not in names]
    if unknown or not scores:
        words = f"scores has {', '.join(unknown)}, which no run has recorded" if unknown else "no score is in all runs"
        raise Refusal(f"{words} for split={split}: choose among {', '.join(names)}")


def literal(text: str | None) -> Any:
    """Return a list or mapping that was recorded as text; None where the text was cut or is neither."""
    try:
        return ast.literal_eval(text) if text else None
    except (SyntaxError, ValueError):
        return None


def _finite(run: FinishedRun, split: str, score: str) -> bool:
    value = run.metric(f"{split}/{score}")
    return value is not None and math.isfinite(value)


# --- what stands in a row --------------------------------------------------------------------------------------


def values(runs: Mapping[str, FinishedRun], prefix: str, scores: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return {score: {seed: number}} of runs by seed, where they have a finite number."""
    found = {score: {seed: run.metric(f"{prefix}/{score}") for seed, run in runs.items()} for score in scores}
    return {
        score: {seed: value for seed, value in by_seed.items() if value is not None and math.isfinite(value)}
        for score, by_seed in found.items()
    }


def methods(runs: Sequence[FinishedRun]) -> list[str]:
    """Return the names of the classical methods that were scored beside networks, in alphabetical order."""
    names = {key.split("/")[1] for run in runs for key in run.metrics if key.startswith("comparison/")}
    return sorted(name.replace("_ ", ", ") for name in names)  # MLflow's names have no commas


def header(run: FinishedRun) -> Mapping[str, Any]:
    """Return the printed figures of the run's experiment, {"published": [...], "source": ...}."""
    lines = literal(run.params.get("table.published")) or ()
    return {"published": [line for line in lines if "row" in line], "source": run.params.get("table.source")}


def has(run: FinishedRun, row: str) -> bool:
    """Return whether a run has all settings of a row, such as "model.skip=none loss=mse"."""
    words = [word.partition("=") for word in row.split()]
    return all(sign and as_typed(run.params.get(key, "")) == value for key, sign, value in words)


def as_csv(rows: Mapping[str, Mapping[str, FinishedRun]], split: str, scores: Sequence[str]) -> str:
    """Return CSV with a line for each run: its row, seed and id, and its scores with all digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "seed", "run_id", *scores])
    for name, runs in rows.items():
        for seed, run in runs.items():
            numbers = [run.metric(f"{split}/{score}") for score in scores]
            writer.writerow([name, seed.removeprefix("seed="), run.run_id, *numbers])
    return text.getvalue()
