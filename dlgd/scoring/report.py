"""What is left of a comparison: a table, scores.json, predictions.nc, figures, and the tracker's record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import xarray as xr

from dlgd.core.contract import Evaluation, Method, Tracker
from dlgd.core.files import write_text, written_whole
from dlgd.plotting import cost, ranks
from dlgd.scoring import descriptions, score, table

KEPT = ("method", "seconds_per_sample")  # of a row, whatever a further evaluation says


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
) -> list[Mapping[str, object]]:
    """Score the methods on the samples; the first is the one whose predictions are kept and recorded as <split>/...

    Writes scores.json, scores.md, predictions.nc and figures/ in the folder.
    """
    rows, predictions = score.score(methods, samples, evaluation)
    further = evaluation.further(samples)
    if further is not None:
        second, others = further
        more, answers = score.score(methods, others, second)
        rows = [row | {k: v for k, v in extra.items() if k not in KEPT} for row, extra in zip(rows, more, strict=True)]
    score.write_scores(folder / "scores.json", rows)
    everything = [*rows, *evaluation.published]
    columns = descriptions.columns(descriptions.of_report(evaluation, methods))
    write_text(folder / "scores.md", f"{title}\n\n{table.markdown(everything, columns)}")
    table.print_table(everything, columns, title)  # before the figures, some of which take minutes
    for number, row in enumerate(rows):
        prefix = split if number == 0 else f"comparison/{row['method']}"
        tracker.log({f"{prefix}/{name}": value for name, value in row.items() if name != "method"}, step)
    first = methods[0].name
    with written_whole(folder / "predictions.nc") as partial:
        evaluation.dataset(samples, predictions[first]).to_netcdf(partial)
    (folder / "figures").mkdir(exist_ok=True)
    evaluation.figures(folder / "figures", samples, predictions)
    if further is not None:
        second.figures(folder / "figures", others, answers)
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
    return rows
