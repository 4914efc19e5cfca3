"""The outcomes of a study: the best trials, the table of all trials, and Optuna's figures."""

from __future__ import annotations

import csv
import functools
import io
import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlgd.core.files import write_text
from dlgd.tuning.study import Direction

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from optuna import Study
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)

DECADE = 10.0  # values that differ by a larger factor are drawn on a logarithmic scale


def best_trials(study: Study, metrics: Mapping[str, Direction]) -> list[FrozenTrial]:
    """Return the complete trials, the best first; of equals the earlier one is better.

    With several metrics, return only the trials of the Pareto front, in the order of the first metric.
    """
    from optuna.trial import TrialState

    if len(metrics) > 1:
        found = study.best_trials
    else:
        found = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = 1 if next(iter(metrics.values())) == "minimize" else -1
    return sorted(found, key=lambda one: (sign * one.values[0], one.number))


def best_in_words(study: Study, metrics: Mapping[str, Direction]) -> str:
    """Return the best trial, or the Pareto front, in one line."""
    found = best_trials(study, metrics)
    if not found:
        return "none is complete yet"
    if len(metrics) > 1:
        return f"on the Pareto front: trials {', '.join(str(one.number) for one in found)}"
    return f"best: {next(iter(metrics))} {found[0].values[0]:.4g} of trial {found[0].number}"


def outcome_in_words(trial: FrozenTrial, metrics: Mapping[str, Direction]) -> str:
    """Return such as "complete: loss 0.0123 in 12 s"."""
    from optuna.trial import TrialState

    attributes = trial.user_attrs
    if "lost" in attributes:
        return f"was lost ({attributes['lost']})"
    if "error" in attributes:
        return f"{trial.state.name.lower()}: {attributes['error'].splitlines()[0][:200]}"
    values = ""
    if trial.state == TrialState.COMPLETE:
        values = ": " + ", ".join(f"{name} {value:.4g}" for name, value in zip(metrics, trial.values, strict=True))
    return f"{trial.state.name.lower()}{values} in {attributes.get('seconds', 0.0):.0f} s"


# --- the table ---------------------------------------------------------------------------------------------------


def rows(study: Study, metrics: Mapping[str, Direction]) -> list[dict[str, str]]:
    """Return a row for each trial: the best first, then the pruned ones, then those that failed."""
    from optuna.trial import TrialState

    best = [one.number for one in best_trials(study, metrics)]
    order = {TrialState.COMPLETE: 1, TrialState.PRUNED: 2}
    finished = [one for one in study.get_trials(deepcopy=False) if one.state.is_finished()]
    sign = 1 if next(iter(metrics.values())) == "minimize" else -1

    def key(one: FrozenTrial) -> tuple[float, ...]:
        value = sign * one.values[0] if one.values else 0.0
        rank = (0.0, best.index(one.number)) if one.number in best else (order.get(one.state, 3), value)
        return (*rank, one.number)

    names = list(dict.fromkeys(name for one in finished for name in one.params))
    return [
        {
            "trial": str(one.number),
            "state": one.state.name.lower(),
            **_values(one, metrics),
            **{name: _written(one.params.get(name, "")) for name in names},
            "seconds": _written(one.user_attrs.get("seconds", "")),
            "remark": _remark(one),
        }
        for one in sorted(finished, key=key)
    ]


def _values(trial: FrozenTrial, metrics: Mapping[str, Direction]) -> dict[str, str]:
    values = trial.values if trial.state.name == "COMPLETE" else [""] * len(metrics)
    return {name: _written(value) for name, value in zip(metrics, values, strict=True)}


def _written(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _remark(trial: FrozenTrial) -> str:
    attributes = trial.user_attrs
    again = [f"tries trial {attributes['again']} again"] if "again" in attributes else []
    why = [str(attributes[key]).replace("\n", " ") for key in ("lost", "error") if key in attributes]
    duplicate = ["asked for twice, not run"] if attributes.get("double") else []
    return "; ".join([*again, *why, *duplicate])


def write_table(folder: Path, table: Sequence[Mapping[str, str]], title: str) -> list[Path]:
    """Write trials.md and trials.csv. Returns their paths."""
    if not table:
        return []
    header = list(table[0])
    lines = [header, ["---"] * len(header), *([row[name].replace("|", "/") for name in header] for row in table)]
    markdown = folder / "trials.md"
    write_text(markdown, f"{title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines))
    text = io.StringIO()
    writer = csv.DictWriter(text, header)
    writer.writeheader()
    writer.writerows(table)
    comma_separated = folder / "trials.csv"
    write_text(comma_separated, text.getvalue())
    return [markdown, comma_separated]


# --- figures -----------------------------------------------------------------------------------------------------


def draw(study: Study, metrics: Mapping[str, Direction], folder: Path) -> list[Path]:
    """Draw Optuna's figures as PNG: history, importances, slice and parallel coordinates of each metric, and the Pareto
    front of several metrics. A figure that needs more trials than there are is left out. Returns the paths."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from optuna.trial import TrialState
    from optuna.visualization import matplotlib as figures

    from dlgd.plotting.style import STYLE, save

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return []
    varied = [name for name in complete[0].params if len({one.params.get(name) for one in complete}) > 1]
    kinds: dict[str, Callable[..., object]] = {"history": figures.plot_optimization_history}
    if varied:
        kinds |= {"slice": figures.plot_slice, "parallel": figures.plot_parallel_coordinate}
    if varied and len({tuple(one.values) for one in complete}) > 1:
        kinds["importances"] = figures.plot_param_importances
    made = []

    def draw_one(name: str, plot: Callable[[], object], *, logarithmic: bool = False) -> None:
        try:
            plot()
        except (ValueError, RuntimeError, ZeroDivisionError) as error:
            log.info("no figure %s: %s", name, error)
            return
        path, wide = folder / f"{name}.png", name.startswith(("slice", "parallel"))
        plt.gcf().set_size_inches(max(8.0, 3.0 * len(varied)) if wide else 8.0, 5.0)
        _mend(plt.gcf(), name, logarithmic=logarithmic)
        save(path, plt.gcf())
        plt.close("all")
        made.append(path)

    # Optuna changes the style of all later figures too: the context restores it.
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna warns that its figures are experimental, Matplotlib of their styles
        for number, metric in enumerate(metrics):
            suffix = "" if len(metrics) == 1 else f"_{metric}"
            values = [one.values[number] for one in complete]
            spread = min(values) > 0 and max(values) > DECADE * min(values)
            own = None if len(metrics) == 1 else _target(number)
            for name, plot in kinds.items():
                by_axis = name in ("history", "slice")  # in the others the values are not on an axis
                target = _target(number, math.log10) if spread and not by_axis else own
                shown = f"log10 of {metric}" if spread and not by_axis else metric
                figure = functools.partial(plot, study, target=target, target_name=shown)
                draw_one(f"{name}{suffix}", figure, logarithmic=spread and by_axis)
        if len(metrics) in (2, 3):
            draw_one("pareto_front", functools.partial(figures.plot_pareto_front, study, target_names=list(metrics)))
    return made


def _mend(figure: Figure, name: str, *, logarithmic: bool) -> None:
    """Make Optuna's figure readable: values of several orders of magnitude, numbers under lines, and names of choices
    that overlap."""
    panels = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
    for axis in panels:
        if logarithmic:
            axis.set_yscale("log")
        if name.startswith("parallel"):
            axis.grid(visible=False)
            axis.set_zorder(2 if axis is not panels[0] else 1)  # the first one has all lines
            for label in axis.get_yticklabels():
                label.set(color="black", bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1})
        if name.startswith("slice") and any(
            label.get_text().strip("'").isidentifier() for label in axis.get_xticklabels()
        ):
            axis.tick_params(axis="x", rotation=30)
            for label in axis.get_xticklabels():
                label.set_horizontalalignment("right")


def _target(number: int, scale: Callable[[float], float] = float) -> Callable[[FrozenTrial], float]:
    return lambda trial: scale(trial.values[number])
