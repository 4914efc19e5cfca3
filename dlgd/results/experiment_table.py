"""The table of an experiment: the rows and seeds of its file, whether they were run or not.

A run belongs to a row when it has all those settings of the row that can change a score. So a table never mixes
training budgets, and one run can serve several tables.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from dlgd.cli import entry, own_folders
from dlgd.core.config import plain
from dlgd.core.errors import Refusal
from dlgd.results import comparability, tables
from dlgd.results.command_line import PRINTED, command, listed, question, training_overrides
from dlgd.results.comparison import in_words
from dlgd.results.figures import draw_convergence, draw_scores
from dlgd.results.finished import Finished, FinishedRun
from dlgd.results.known_scores import directions
from dlgd.tracking.provenance import experiment_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class PlannedRow:
    """A row of the table: its overrides, and for each seed its configuration and the newest run with that."""

    name: str
    overrides: Sequence[str]
    configs: Mapping[str, dict[str, Any]]  # by "seed=0", "seed=1", ...
    runs: dict[str, FinishedRun] = field(default_factory=dict)  # by the same keys; a seed without a run is absent


def compare_experiment(config: DictConfig) -> tables.Table:
    """Return the table of an experiment, with its figures."""
    experiment, overrides = entry.choices()["experiment"], training_overrides()
    if config.get("table") is None:
        reason = "no experiment was typed" if experiment == "None" else f"experiment={experiment} has no `table`"
        raise Refusal(
            f"{reason}: type an experiment=... whose file has a `table`, or say which runs to compare, such as "
            "runs.experiment=nemovar"
        )
    scores = listed(config.scores) or list(config.table.scores)
    rows, finished = planned_rows(config, overrides), Finished(config.tracking.uri)
    others = assign(rows, finished, experiment, split=config.split, scores=scores)
    if not any(row.runs for row in rows):
        raise Refusal(
            f"MLflow has no finished run with the settings of experiment={experiment}"
            f"{f' ({others})' if others else ''}: make them with {command('-m', *overrides)}"
        )
    return with_notes(config, rows, finished, scores, overrides, others)


def planned_rows(config: DictConfig, overrides: Sequence[str]) -> list[PlannedRow]:
    """Return the rows of the experiment in the order of its parameters; overrides replace a parameter's values."""
    values = swept(HydraConfig.get().sweeper.params or {}, overrides)
    seeds = values.pop("seed", [f"seed={config.seed}"])
    rows, found = [], own_folders.search_path()
    for combination in itertools.product(*values.values()):
        composed = {seed: compose("config", [*found, *overrides, *combination, seed]) for seed in seeds}
        configs = {seed: plain(entry.with_evaluation(one)) for seed, one in composed.items()}
        rows.append(PlannedRow(" ".join(combination) or f"model={entry.choices()['model']}", combination, configs))
    return rows


def swept(params: Mapping[str, str], overrides: Sequence[str]) -> dict[str, list[str]]:
    """Return {key: ["key=value", ...]} of hydra.sweeper.params in the order of -m; overrides replace the values."""
    values = {}
    for override in OverridesParser.create().parse_overrides([*(f"{k}={v}" for k, v in params.items()), *overrides]):
        key, several = override.get_key_element(), override.is_sweep_override()
        texts = override.sweep_string_iterator() if several else [override.get_value_element_as_str()]
        values[key] = [f"{key}={text}" for text in texts]
    return {key: values[key] for key in params}


def assign(
    rows: Sequence[PlannedRow], finished: Finished, experiment: str, *, split: str, scores: Sequence[str]
) -> str:
    """Give each row its newest runs that have the first score. Returns a few words on those runs of the experiment that
    fit no row, or an empty text."""
    configs = [one for row in rows for one in row.configs.values()]
    names = sorted({experiment_name(one["data"]) for one in configs})
    found = [run for name in names for run in finished.runs(name)]
    # Classical methods, from dlgd.baseline, are left out: they have few settings and would fit every row.
    runs = [run for run in found if "model" in run.params and run.metric(f"{split}/{scores[0]}") is not None]
    runs.sort(key=lambda run: bool(run.earlier))  # those with all steps in one way first; the newest of each kind first
    for row in rows:
        for seed, config in row.configs.items():
            fitting = next((run for run in runs if not run.differences(config)), None)
            if fitting is not None:
                row.runs[seed] = fitting
    varied = tuple(f"{key}." for key in HydraConfig.get().sweeper.params or {})
    unfitting: Counter[str] = Counter()
    for run in runs:
        if run.params.get("experiment") == experiment:
            nearest = min((run.differences(config) for config in configs), key=len)
            other = {key: pair for key, pair in nearest.items() if not f"{key}.".startswith(varied)}
            if other:
                unfitting[", ".join(f"{key}={its} instead of {wanted}" for key, (its, wanted) in other.items())] += 1
    return "; ".join(f"{count} with {words}" for words, count in unfitting.most_common(3))


def missing(rows: Sequence[PlannedRow], overrides: Sequence[str]) -> list[str]:
    """Return the commands that make the missing runs."""
    commands = []
    for row in rows:
        lacking = [seed for seed in row.configs if seed not in row.runs]
        if row.runs or len(row.configs) == 1:
            commands += [command(*overrides, *row.overrides, seed) for seed in lacking]
        elif lacking:
            commands.append(command("-m", *overrides, *row.overrides))
    return commands


def steps_differ(runs: Mapping[str, FinishedRun], finished: Finished, metric: str) -> list[str]:
    """Return a sentence if the runs did not all take the same number of steps."""
    steps = {name: finished.history(run, metric)[-1][0] for name, run in runs.items()}
    if len(set(steps.values())) == 1:
        return []
    return [f"Beware: the runs took different numbers of steps: {', '.join(f'{k}: {n}' for k, n in steps.items())}."]


def curves(rows: Sequence[PlannedRow], finished: Finished, scores: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Return {score: {row: (step, value) of each seed}} of the validation split."""
    found: dict[str, dict[str, list[Any]]] = {}
    for score, row in itertools.product(scores, rows):
        series = [finished.history(run, f"valid/{score}") for run in row.runs.values()]
        if any(series):
            found.setdefault(score, {})[row.name] = [one for one in series if one]
    return found


def with_notes(
    config: DictConfig,
    planned: Sequence[PlannedRow],
    finished: Finished,
    scores: list[str],
    overrides: list[str],
    others: str,
) -> tables.Table:
    """Return the table with sentences on it, and with figures of the scores and of their convergence."""
    header = config.table
    runs_of, methods = {row.name: row.runs for row in planned}, listed(config.methods)
    methods = header.get("methods", ()) if methods is None else methods
    rows = tables.rows_of_experiment(runs_of, scores, split=config.split, methods=methods, experiment=header)
    runs = {f"{row.name} {seed}": run for row in planned for seed, run in row.runs.items()}
    higher, unsaid = directions(scores, runs=runs.values(), higher=config.higher, neither=config.neither)
    comparison = tables.compared(rows, scores, higher=higher, against=config.against)
    notes = [comparability.budget(list(runs.values())), *steps_differ(runs, finished, f"{config.split}/{scores[0]}")]
    notes += [*comparability.warnings(runs.values()), *unsaid, *in_words(comparison)]
    notes += tables.seconds_of_methods(rows, scores)
    if comparability.data_changed(runs.values()):
        notes.append("Beware: the data have changed between the runs, though their settings have not.")
    if header.get("source"):
        notes.append(f"Printed: {header.source}{PRINTED}")
    if others:
        notes.append(f"Left out, for other settings: {others}.")

    def draw_curves() -> Figure | None:
        converged = curves(planned, finished, scores)
        return draw_convergence(converged) if converged else None

    return tables.Table(
        comparison=comparison,
        title=question(entry.choices()["experiment"]),
        command=command("-m", *overrides),
        notes=notes,
        runs=runs_of,
        split=config.split,
        figures={
            "comparison.png": lambda: draw_scores(rows, scores, source=header.get("source")),
            "convergence.png": draw_curves,
        },
        todo=missing(planned, overrides),
    )
