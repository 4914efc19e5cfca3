"""Runs chosen for one table: those that have a score, on the same samples; and what is to be said of the others."""

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
from dlgd.results.finished import PARENT_TAG, Finished, FinishedRun, Selection
from dlgd.results.grouping import typed

SHOWN = 12  # names in a sentence
UNNAMED = 6  # scores of a table for which nobody named any


@dataclass(frozen=True)
class Chosen:
    """The runs of a table, the newest first, and its scores."""

    runs: Sequence[FinishedRun]
    scores: Sequence[str]
    notes: Sequence[str] = field(default=())  # sentences on what was left out


def choose(
    finished: Finished, selection: Selection, *, split: str, scores: Sequence[str] | None, any_data: bool
) -> Chosen:
    """The finished runs that have one of the scores; `scores` None: those that the runs name. Refusal where none is."""
    found = finished.select(selection)
    refuse_absent(finished, selection, found)
    parents = {run.tags.get(PARENT_TAG) for run in found}
    found = [run for run in found if run.run_id not in parents or run.params]
    ended = [run for run in found if run.status == "FINISHED"]
    notes = [f"Left out: {count} {status.lower()}." for status, count in _unfinished(found)]
    if not ended:
        raise Refusal(
            f"none of the {len(found)} runs that were found has finished: {' '.join(notes) or 'choose others'}"
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
                f"these runs were scored on different data and cannot be compared: {listed}; choose some of them"
                f"{', or type any_data=true if you know that the samples of the split are the same' if same else ''}"
            )
        notes.append(f"Beware: nothing shows that all were scored on the same samples: {listed}.")
    return Chosen(scored, scores, notes)


def refuse_absent(finished: Finished, selection: Selection, found: Sequence[FinishedRun]) -> None:
    """Say which of the things named is not there."""
    missing = sorted(set(selection.ids) - {run.run_id for run in found})
    if missing and selection == Selection(ids=selection.ids):
        raise Refusal(
            f"MLflow has no run {', '.join(missing)}: ids have 32 letters and digits, and stand in MLflow's pages"
        )
    if found:
        return
    names = finished.experiments()
    if selection.experiment is not None and selection.experiment not in names:
        raise Refusal(
            f"MLflow has no experiment {selection.experiment}: choose among {', '.join(names[:SHOWN])}; what lies in "
            "experiments/ is typed as experiment=..."
        )
    raise Refusal("MLflow has no run with all that was typed after runs: type less, or look for it with `make ui`")


def _unfinished(runs: Iterable[FinishedRun]) -> list[tuple[str, int]]:
    counted = Counter(run.status for run in runs if run.status != "FINISHED")
    return sorted(counted.items())


# --- scores ----------------------------------------------------------------------------------------------------


def score_names(runs: Iterable[FinishedRun], split: str) -> list[str]:
    """Of all numbers that the runs recorded for the split, in alphabetical order."""
    return sorted({key.removeprefix(f"{split}/") for run in runs for key in run.metrics if key.startswith(f"{split}/")})


def named_scores(runs: Sequence[FinishedRun], split: str, names: Sequence[str]) -> list[str]:
    """Those of the table of the experiment that most of the runs were made for; without one, those that all have which
    were scored on the split at all: trials of a search are not, on the test split."""
    tables = Counter(run.params.get("table.scores", "") for run in runs)
    named = [str(name) for name in literal(max(sorted(tables), key=tables.__getitem__)) or ()]
    if named and set(named) <= set(names):
        return named
    scored = [run for run in runs if any(key.startswith(f"{split}/") for key in run.metrics)]
    common = [name for name in names if all(run.metric(f"{split}/{name}") is not None for run in scored)]
    common.sort(key=lambda name: name == comparability.NO_SCORE)
    return common[:UNNAMED]


def refuse_unknown(scores: Sequence[str], names: Sequence[str], split: str) -> None:
    """Refuse scores that no run has recorded."""
    if not names:
        raise Refusal(f"no run has a score of split={split}: type another split, such as test or valid")
    unknown = [score for score in scores if score not in names]
    if unknown or not scores:
        words = f"scores has {', '.join(unknown)}, which no run has recorded" if unknown else "no score is in all runs"
        raise Refusal(f"{words} for split={split}: choose among {', '.join(names)}")


def literal(text: str | None) -> Any:
    """A list or mapping that was recorded as text; None where it was cut or is none."""
    try:
        return ast.literal_eval(text) if text else None
    except (SyntaxError, ValueError):
        return None


def _finite(run: FinishedRun, split: str, score: str) -> bool:
    value = run.metric(f"{split}/{score}")
    return value is not None and math.isfinite(value)


# --- what stands in a row --------------------------------------------------------------------------------------


def values(runs: Mapping[str, FinishedRun], prefix: str, scores: Sequence[str]) -> dict[str, dict[str, float]]:
    """{score: {seed: number}} of runs by seed, where they have a finite one."""
    return {
        score: {seed: run.metric(f"{prefix}/{score}") for seed, run in runs.items() if _finite(run, prefix, score)}
        for score in scores
    }


def methods(runs: Sequence[FinishedRun]) -> list[str]:
    """The classical methods that were scored beside networks, in alphabetical order."""
    return sorted({key.split("/")[1] for run in runs for key in run.metrics if key.startswith("comparison/")})


def header(run: FinishedRun) -> Mapping[str, Any]:
    """What the experiment that the run was made for says of printed figures: {"published": [...], "source": ...}."""
    lines = literal(run.params.get("table.published")) or ()
    return {"published": [line for line in lines if "row" in line], "source": run.params.get("table.source")}


def has(run: FinishedRun, row: str) -> bool:
    """Whether a run has all settings of a row, such as "model.skip=none loss=mse"."""
    words = [word.partition("=") for word in row.split()]
    return all(sign and typed(run.params.get(key, "")) == value for key, sign, value in words)


def as_csv(rows: Mapping[str, Mapping[str, FinishedRun]], split: str, scores: Sequence[str]) -> str:
    """A line for each run: its row, seed and id, and its scores with all digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "seed", "run_id", *scores])
    for name, runs in rows.items():
        for seed, run in runs.items():
            numbers = [run.metric(f"{split}/{score}") for score in scores]
            writer.writerow([name, seed.removeprefix("seed="), run.run_id, *numbers])
    return text.getvalue()
