"""The report on methods: a table, scores.json, predictions.nc, figures, and the same in the tracker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from dlgd.core import netcdf
from dlgd.core.contract import Evaluation, Method, Tracker
from dlgd.core.files import write_text
from dlgd.core.score import Score
from dlgd.plotting import cost, ranks
from dlgd.scoring import answers, descriptions, score, table

if TYPE_CHECKING:
    import numpy as np

FROM_FIRST = ("method", "seconds_per_sample")  # columns that a further evaluation does not replace


@dataclass(frozen=True)
class Scored:
    """Methods with their scores and predictions on the same samples.

    rows: a row of scores for each method. parts: each evaluation with its samples and the predictions by method; the
    first one is that of the samples that were asked for.
    """

    methods: Sequence[Method]
    rows: list[dict[str, Any]]
    columns: list[Score]
    parts: Sequence[tuple[Evaluation, xr.Dataset, dict[str, np.ndarray]]]

    @property
    def everything(self) -> list[Mapping[str, Any]]:
        """Return the rows, and those that others have published."""
        return [*self.rows, *self.parts[0][0].published]


def scored(methods: Sequence[Method], samples: xr.Dataset, evaluation: Evaluation) -> Scored:
    """Score the methods on the samples; nothing is written."""
    rows, predictions = score.score(methods, samples, evaluation)
    parts = [(evaluation, samples, predictions)]
    further = evaluation.further(samples)
    if further is not None:
        further_evaluation, further_samples = further
        more, further_predictions = score.score(methods, further_samples, further_evaluation)
        parts.append((further_evaluation, further_samples, further_predictions))
        added = [{name: value for name, value in row.items() if name not in FROM_FIRST} for row in more]
        rows = [row | new for row, new in zip(rows, added, strict=True)]
    return Scored(methods, rows, descriptions.columns(descriptions.of_report(evaluation, methods)), parts)


def report(
    *,
    methods: Sequence[Method],
    samples: xr.Dataset,
    evaluation: Evaluation,
    folder: Path,
    tracker: Tracker,
    title: str,
    split: str,
    step: int = 0,
    printed: bool = True,
) -> Scored:
    """Score the methods on the samples, and write scores.json, scores.md, predictions.nc and figures/ in the folder.

    The first method is the one of the run: predictions.nc has its predictions, and the tracker has its scores as
    <split>/<score>, and those of the others to compare it with.

    split: the name of the samples in the tracker.
    step: the training step to which the scores belong in the tracker.
    printed: whether the table is printed too.
    """
    found = scored(methods, samples, evaluation)
    rows, columns, predictions = found.rows, found.columns, found.parts[0][2]
    score.write_scores(folder / "scores.json", rows)
    notes = "".join(f"\n{line}\n" for line in seconds_measured(methods))
    text = f"{title}\n\n{table.markdown(found.everything, columns)}{notes}"
    write_text(folder / "scores.md", text)
    if printed:
        table.print_table(found.everything, columns, title)  # before the figures, some of which take minutes
        print(notes, end="")
    tracker.log({f"{split}/{name}": value for name, value in rows[0].items() if name != "method"}, step)
    tracker.compare(rows[1:], step)
    tracker.describe(text)
    first = methods[0]
    netcdf.write(answers.dataset(evaluation, first, samples, predictions[first.name]), folder / "predictions.nc")
    draw(found, folder / "figures")
    if (column := cost.column_of(rows, columns)) is not None:
        cost.cost(rows, column, folder / "figures" / "cost.png", title=title)
    for name in ("scores.json", "scores.md", "predictions.nc"):
        tracker.artifact(folder / name)
    tracker.artifact(folder / "figures")
    return found


def draw(found: Scored, folder: Path) -> None:
    """Draw the figures of the evaluation, and those of error bars, ranks and codes where methods have them."""
    folder.mkdir(exist_ok=True)
    evaluation, samples, predictions = found.parts[0]
    for one, its_samples, its_predictions in found.parts:
        one.figures(folder, its_samples, its_predictions)
    stds = {method.name: std for method in found.methods if (std := method.error_std(samples)) is not None}
    if stds:
        evaluation.error_std_figures(folder, samples, predictions, stds)
    rank_counts = {method.name: counts for method in found.methods if (counts := method.ranks(samples)) is not None}
    if rank_counts:
        ranks.draw(folder / "ranks.png", rank_counts)
    coders = {method.name: coder for method in found.methods if (coder := method.coder()) is not None}
    if coders:
        evaluation.coder_figures(folder, samples, coders)


def seconds_measured(methods: Sequence[Method]) -> list[str]:
    """Return a sentence for each day and machine on which an earlier run has measured the seconds of cached answers."""
    names: dict[str, list[str]] = {}
    for method in methods:
        if method.seconds_measured is not None:
            names.setdefault(method.seconds_measured, []).append(method.name)
    return [f"Time of {', '.join(each)}: measured when first computed, {where}." for where, each in names.items()]
