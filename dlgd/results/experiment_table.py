"""The table of an experiment: the rows and seeds of its file, whether they were run or not.

A run belongs to a row when it has the row's settings, all that can change a score: a table never mixes budgets, and
tables share the runs they have in common.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from dlgd.cli import entry
from dlgd.core.errors import Refusal
from dlgd.plotting.style import save
from dlgd.results import comparability, tables
from dlgd.results import figures as draw
from dlgd.results.comparison import in_words
from dlgd.results.finished import Finished, FinishedRun
from dlgd.results.known_scores import directions
from dlgd.results.typed import PRINTED, command, listed, question, typed
from dlgd.tracking.provenance import experiment_name


@dataclass(frozen=True)
class Wanted:
    """A row of the table: what is typed for it, the configuration for each seed, and the newest run that has it."""

    name: str
    overrides: Sequence[str]
    configs: Mapping[str, dict[str, Any]]  # by "seed=0", "seed=1", ...
    runs: dict[str, FinishedRun] = field(default_factory=dict)  # likewise, where there is one


def compare_experiment(config: DictConfig) -> None:
    """Rows and seeds are those of the experiment's file, whether they were run or not."""

    experiment, words = entry.choices()["experiment"], typed(options=False)
    if config.get("table") is None:
        raise Refusal(
            f"experiment={experiment} has no `table` to fill: type an experiment=... whose file has one, or say which "
            "runs of MLflow to compare, for instance runs.experiment=nemovar"
        )
    scores = listed(config.scores) or list(config.table.scores)
    rows, finished = wanted_rows(config, words), Finished(config.tracking.uri)
    others = assign(rows, finished, experiment, split=config.split, scores=scores)
    if not any(row.runs for row in rows):
        raise Refusal(
            f"MLflow has no finished run with the settings of experiment={experiment}"
            f"{f' ({others})' if others else ''}: make them with {command('-m', *words)}"
        )
    report_experiment(config, rows, finished, scores, words, others)


def wanted_rows(config: DictConfig, typed: Sequence[str]) -> list[Wanted]:
    """The rows of the experiment in the order of its parameters; what is typed replaces a parameter's values."""
    values = swept(HydraConfig.get().sweeper.params or {}, typed)
    seeds = values.pop("seed", [f"seed={config.seed}"])
    rows = []
    for combination in itertools.product(*values.values()):
        composed = {seed: compose("config", [*typed, *combination, seed]) for seed in seeds}
        plain = {
            seed: OmegaConf.to_container(entry.with_evaluation(one), resolve=True) for seed, one in composed.items()
        }
        rows.append(Wanted(" ".join(combination) or f"model={entry.choices()['model']}", combination, plain))
    return rows


def swept(params: Mapping[str, str], typed: Sequence[str]) -> dict[str, list[str]]:
    """{key: ["key=value", ...]} of hydra.sweeper.params, as -m goes through them: what is typed replaces them."""

    values = {}
    for override in OverridesParser.create().parse_overrides([*(f"{k}={v}" for k, v in params.items()), *typed]):
        key, swept = override.get_key_element(), override.is_sweep_override()
        chosen = override.sweep_string_iterator() if swept else [override.get_value_element_as_str()]
        values[key] = [f"{key}={value}" for value in chosen]
    return {key: values[key] for key in params}


def assign(rows: Sequence[Wanted], finished: Finished, experiment: str, *, split: str, scores: Sequence[str]) -> str:
    """Give every row its newest runs, those that have the first score. Returns a few words on runs of the experiment
    that fit no row, or nothing."""
    configs = [one for row in rows for one in row.configs.values()]
    names = sorted({experiment_name(one["data"]) for one in configs})
    found = [run for name in names for run in finished.runs(name)]
    # without the methods of dlgd.baseline, which have few settings and would fit every row
    runs = [run for run in found if "model" in run.params and run.metric(f"{split}/{scores[0]}") is not None]
    for row in rows:
        for seed, config in row.configs.items():
            fitting = next((run for run in runs if not run.differences(config)), None)  # the newest comes first
            if fitting is not None:
                row.runs[seed] = fitting
    varied = tuple(f"{key}." for key in HydraConfig.get().sweeper.params or {})
    odd: Counter[str] = Counter()
    for run in runs:
        if run.params.get("experiment") == experiment:
            nearest = min((run.differences(config) for config in configs), key=len)
            other = {key: pair for key, pair in nearest.items() if not f"{key}.".startswith(varied)}
            if other:
                odd[", ".join(f"{key}={its} instead of {wanted}" for key, (its, wanted) in other.items())] += 1
    return "; ".join(f"{count} with {words}" for words, count in odd.most_common(3))


def missing(rows: Sequence[Wanted], typed: Sequence[str]) -> list[str]:
    """The commands that make the runs which are not there."""
    commands = []
    for row in rows:
        lacking = [seed for seed in row.configs if seed not in row.runs]
        if row.runs or len(row.configs) == 1:
            commands += [command(*typed, *row.overrides, seed) for seed in lacking]
        elif lacking:
            commands.append(command("-m", *typed, *row.overrides))
    return commands


def steps_differ(runs: Mapping[str, FinishedRun], finished: Finished, metric: str) -> list[str]:
    """A sentence where runs of one budget did not take as many steps."""
    steps = {name: finished.history(run, metric)[-1][0] for name, run in runs.items()}
    if len(set(steps.values())) == 1:
        return []
    return [f"Beware: not all took as many steps: {', '.join(f'{name}: {n}' for name, n in steps.items())}."]


def curves(rows: Sequence[Wanted], finished: Finished, scores: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """{score: {row: (step, value) of each seed}} of the validation split."""
    found: dict[str, dict[str, list[Any]]] = {}
    for score, row in itertools.product(scores, rows):
        series = [finished.history(run, f"valid/{score}") for run in row.runs.values()]
        if any(series):
            found.setdefault(score, {})[row.name] = [one for one in series if one]
    return found


def report_experiment(
    config: DictConfig, wanted: Sequence[Wanted], finished: Finished, scores: list[str], words: list[str], others: str
) -> None:
    """Print the table; write it with its figures, the rows' scores and how they converged."""

    asked = config.table
    runs_of, methods = {row.name: row.runs for row in wanted}, listed(config.methods)
    beside = asked.get("methods", ()) if methods is None else methods
    rows = tables.rows_asked(runs_of, scores, split=config.split, methods=beside, experiment=asked)
    runs = {f"{row.name} {seed}": run for row in wanted for seed, run in row.runs.items()}
    higher, unsaid = directions(scores, runs.values(), higher=config.higher, neither=config.neither)
    comparison = tables.compared(rows, scores, higher=higher, against=config.against)
    notes = [comparability.budget(list(runs.values())), *steps_differ(runs, finished, f"{config.split}/{scores[0]}")]
    notes += [*comparability.warnings(runs.values()), *unsaid, *in_words(comparison)]
    if comparability.data_changed(runs.values()):
        notes.append("Beware: the data have changed between the runs, though their settings have not.")
    if asked.get("source"):
        notes.append(f"Printed: {asked.source}{PRINTED}")
    if others:
        notes.append(f"Left out, for other settings: {others}.")
    folder = entry.output_folder()
    save(folder / "comparison.png", draw.scores(rows, scores, source=asked.get("source")))
    converged = curves(wanted, finished, scores)
    if converged:
        save(folder / "convergence.png", draw.convergence(converged))
    title, todo = question(entry.choices()["experiment"]), missing(wanted, words)
    tables.write(folder, comparison, title, command("-m", *words), notes, runs_of, split=config.split, todo=todo)
