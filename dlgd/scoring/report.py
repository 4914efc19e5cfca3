"""The report on methods: a table, scores.json, predictions.nc, figures, and the same in the tracker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from dlgd.core import netcdf
from dlgd.core.contract import Evaluation, Method, Tracker
from dlgd.core.files import write_text
from dlgd.plotting import cost, ranks
from dlgd.scoring import descriptions, score, table

FROM_FIRST = ("method", "seconds_per_sample")  # columns that a further evaluation does not replace


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
) -> None:
    """Score the methods on the samples, and write scores.json, scores.md, predictions.nc and figures/ in the folder.

    The first method is the one of the run: predictions.nc has its predictions, and the tracker has its scores as
    <split>/<score>, and those of the others to compare it with.

    split: the name of the samples in the tracker.
    step: the training step to which the scores belong in the tracker.
    """
    rows, predictions = score.score(methods, samples, evaluation)
    scored = [(evaluation, samples, predictions)]
    further = evaluation.further(samples)
    if further is not None:
        further_evaluation, further_samples = further
        more, further_predictions = score.score(methods, further_samples, further_evaluation)
        scored.append((further_evaluation, further_samples, further_predictions))
        added = [{name: value for name, value in row.items() if name not in FROM_FIRST} for row in more]
        rows = [row | new for row, new in zip(rows, added, strict=True)]
    score.write_scores(folder / "scores.json", rows)
    everything = [*rows, *evaluation.published]
    columns = descriptions.columns(descriptions.of_report(evaluation, methods))
    notes = "".join(f"\n{line}\n" for line in seconds_measured(methods))
    text = f"{title}\n\n{table.markdown(everything, columns)}{notes}"
    write_text(folder / "scores.md", text)
    table.print_table(everything, columns, title)  # before the figures, some of which take minutes
    print(notes, end="")
    tracker.log({f"{split}/{name}": value for name, value in rows[0].items() if name != "method"}, step)
    tracker.compare(rows[1:], step)
    tracker.describe(text)
    first = methods[0].name
    netcdf.write(evaluation.dataset(samples, predictions[first]), folder / "predictions.nc")
    (folder / "figures").mkdir(exist_ok=True)
    for one, its_samples, its_predictions in scored:
        one.figures(folder / "figures", its_samples, its_predictions)
    stds = {method.name: std for method in methods if (std := method.error_std(samples)) is not None}
    if stds:
        evaluation.error_std_figures(folder / "figures", samples, predictions, stds)
    rank_counts = {method.name: counts for method in methods if (counts := method.ranks(samples)) is not None}
    if rank_counts:
        ranks.draw(folder / "figures" / "ranks.png", rank_counts)
    coders = {method.name: coder for method in methods if (coder := method.coder()) is not None}
    if coders:
        evaluation.coder_figures(folder / "figures", samples, coders)
    if len(rows) >= cost.FEWEST:
        cost.cost(rows, columns[0], folder / "figures" / "cost.png", title=title)
    for name in ("scores.json", "scores.md", "predictions.nc"):
        tracker.artifact(folder / name)
    tracker.artifact(folder / "figures")


def seconds_measured(methods: Sequence[Method]) -> list[str]:
    """Return a sentence for each day and machine on which an earlier run has measured the seconds of cached answers."""
    names: dict[str, list[str]] = {}
    for method in methods:
        if method.seconds_measured is not None:
            names.setdefault(method.seconds_measured, []).append(method.name)
    return [f"Time of {', '.join(each)}: measured when first computed, {where}." for where, each in names.items()]
