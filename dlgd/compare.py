"""python -m dlgd.compare experiment=normalization/skip_connections: an experiment's table, from its runs in MLflow.

The rows are what `python -m dlgd.train -m experiment=...` goes through. A run belongs to a row when it has the row's
settings, all that can change a score: a table never mixes budgets, and tables share the runs they have in common.

With runs.experiment=, runs.tag=, runs.filter=, runs.ids= or runs.parent= the table is of those runs, whatever they are,
networks and classical methods: python -m dlgd.compare runs.experiment=nemovar.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from dlgd.cli import entry as door
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.results import tables
from dlgd.tracking.provenance import experiment_name

if TYPE_CHECKING:
    from dlgd.results.finished import Finished, FinishedRun, Selection

# What is typed for the table itself; whatever else is typed is what was typed to train.
OPTIONS = ("runs", "part", "scores", "methods", "against", "any_data", "higher", "neither")
PARTS = ("train", "valid", "test")
PRINTED = ", other data and another budget; only the order can be compared."


@dataclass(frozen=True)
class Wanted:
    """A row of the table: what is typed for it, the configuration for each seed, and the newest run that has it."""

    name: str
    overrides: Sequence[str]
    configs: Mapping[str, dict[str, Any]]  # by "seed=0", "seed=1", ...
    runs: dict[str, FinishedRun] = field(default_factory=dict)  # likewise, where there is one


def folder_name(experiment: str | None, runs: Mapping[str, Any]) -> str:
    """Of the table, in outputs/comparison/; `${compared:...}` in YAML."""
    return "runs" if experiment is None or any_given(runs) else experiment


OmegaConf.register_new_resolver("compared", folder_name, replace=True)


@door.door("compare")
def main(config: DictConfig) -> None:
    """Find the runs of the table; print it, and write it with its figures."""
    if config.part not in PARTS:
        raise Refusal(f"part={config.part} is unknown: choose one of {', '.join(PARTS)}")
    if "uri" not in config.tracking:
        raise Refusal("runs are found in MLflow, where tracking=off leaves none: type another tracking")
    if any_given(config.runs):
        compare_runs(config)
    else:
        compare_experiment(config)


def any_given(runs: Mapping[str, Any]) -> bool:
    """Whether something is typed after `runs`."""
    return any(value not in (None, "", []) for value in runs.values())


def listed(value: Any) -> list[str] | None:
    """The names of an option that takes several, [a, b], or one; None where it is null."""
    if value is None:
        return None
    return [str(value)] if isinstance(value, str | int) else [str(one) for one in value]


def typed(*, options: bool) -> list[str]:
    """What was typed for the table itself, or all else."""
    words = HydraConfig.get().overrides.task
    return [word for word in words if (word.lstrip("+~").partition("=")[0].split(".")[0] in OPTIONS) == options]


# --- the table of an experiment --------------------------------------------------------------------------------


def compare_experiment(config: DictConfig) -> None:
    """Rows and seeds are those of the experiment's file, whether they were run or not."""
    from dlgd.results.finished import Finished

    experiment, words = door.choices()["experiment"], typed(options=False)
    if config.get("table") is None:
        raise Refusal(
            f"experiment={experiment} has no `table` to fill: type an experiment=... whose file has one, or say which "
            "runs of MLflow to compare, for instance runs.experiment=nemovar"
        )
    scores = listed(config.scores) or list(config.table.scores)
    rows, finished = wanted_rows(config, words), Finished(config.tracking.uri)
    others = assign(rows, finished, experiment, part=config.part, scores=scores)
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
        plain = {seed: OmegaConf.to_container(door.settled(one), resolve=True) for seed, one in composed.items()}
        rows.append(Wanted(" ".join(combination) or f"model={door.choices()['model']}", combination, plain))
    return rows


def swept(params: Mapping[str, str], typed: Sequence[str]) -> dict[str, list[str]]:
    """{key: ["key=value", ...]} of hydra.sweeper.params, as -m goes through them: what is typed replaces them."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    values = {}
    for override in OverridesParser.create().parse_overrides([*(f"{k}={v}" for k, v in params.items()), *typed]):
        key, swept = override.get_key_element(), override.is_sweep_override()
        chosen = override.sweep_string_iterator() if swept else [override.get_value_element_as_str()]
        values[key] = [f"{key}={value}" for value in chosen]
    return {key: values[key] for key in params}


def assign(rows: Sequence[Wanted], finished: Finished, experiment: str, *, part: str, scores: Sequence[str]) -> str:
    """Give every row its newest runs, those that have the first score. Returns a few words on runs of the experiment
    that fit no row, or nothing."""
    configs = [one for row in rows for one in row.configs.values()]
    names = sorted({experiment_name(one["data"]) for one in configs})
    found = [run for name in names for run in finished.runs(name)]
    # without the methods of dlgd.baseline, which have few settings and would fit every row
    runs = [run for run in found if "model" in run.params and run.metric(f"{part}/{scores[0]}") is not None]
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


def command(*words: str, door: str = "train") -> str:
    """What to type."""
    return shlex.join(["python", "-m", f"dlgd.{door}", *words])


def question(experiment: str) -> str:
    """The one that the experiment's file asks in its head."""
    head = re.match(r".*?# Question: (.*?\?)", (CONF / "experiment" / f"{experiment}.yaml").read_text(), re.DOTALL)
    return experiment if head is None else re.sub(r"\s*\n# *", " ", head[1][0].upper() + head[1][1:])


def steps_differ(runs: Mapping[str, FinishedRun], finished: Finished, metric: str) -> list[str]:
    """A sentence where runs of one budget did not take as many steps."""
    steps = {name: finished.history(run, metric)[-1][0] for name, run in runs.items()}
    if len(set(steps.values())) == 1:
        return []
    return [f"Beware: not all took as many steps: {', '.join(f'{name}: {n}' for name, n in steps.items())}."]


def curves(rows: Sequence[Wanted], finished: Finished, scores: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """{score: {row: (step, value) of each seed}} of the validation part."""
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
    from dlgd.results import comparability as alike
    from dlgd.results import figures as draw
    from dlgd.results.comparison import in_words

    asked = config.table
    runs_of, methods = {row.name: row.runs for row in wanted}, listed(config.methods)
    beside = asked.get("methods", ()) if methods is None else methods
    rows = tables.rows_asked(runs_of, scores, part=config.part, methods=beside, experiment=asked)
    comparison = tables.compared(rows, scores, higher=config.higher, neither=config.neither, against=config.against)
    runs = {f"{row.name} {seed}": run for row in wanted for seed, run in row.runs.items()}
    notes = [alike.budget(list(runs.values())), *steps_differ(runs, finished, f"{config.part}/{scores[0]}")]
    notes += [*alike.warnings(runs.values()), *in_words(comparison)]
    if alike.data_changed(runs.values()):
        notes.append("Beware: the data have changed between the runs, though their settings have not.")
    if asked.get("source"):
        notes.append(f"Printed: {asked.source}{PRINTED}")
    if others:
        notes.append(f"Left out, for other settings: {others}.")
    folder = door.output_folder()
    draw.save(folder / "comparison.png", draw.scores(rows, scores, source=asked.get("source")))
    converged = curves(wanted, finished, scores)
    if converged:
        draw.save(folder / "convergence.png", draw.convergence(converged))
    title, todo = question(door.choices()["experiment"]), missing(wanted, words)
    tables.write(folder, comparison, title, command("-m", *words), notes, runs_of, part=config.part, todo=todo)


# --- a table of any runs ---------------------------------------------------------------------------------------


def compare_runs(config: DictConfig) -> None:
    """Rows are what the runs make of themselves: those that differ in their seed alone are one."""
    from dlgd.results import comparability as alike
    from dlgd.results.comparison import in_words
    from dlgd.results.figures import save
    from dlgd.results.finished import Finished
    from dlgd.results.grouping import groups
    from dlgd.results.ranking_figure import ranking
    from dlgd.results.selection import choose

    wanted, part, header = selection(config.runs), config.part, config.get("table")
    scores = listed(config.scores) or listed((header or {}).get("scores"))
    chosen = choose(Finished(config.tracking.uri), wanted, part=part, scores=scores, any_data=config.any_data)
    found, left_out = groups(chosen.runs)
    methods, scores = listed(config.methods), chosen.scores
    rows, sources = tables.rows_of(found, scores, part=part, methods=methods, experiment=header)
    directions = {"higher": config.higher, "neither": config.neither}
    comparison = tables.compared(rows, scores, **directions, against=config.against, best_first=True)
    notes = [alike.budget(chosen.runs), *alike.warnings(chosen.runs), *chosen.notes, *in_words(comparison)]
    if left_out:
        notes.insert(0, f"Where a row does not say otherwise: {left_out}.")
    replaced = sum(group.replaced for group in found)
    if replaced:
        notes.append(f"Left out: {replaced} repeated later with the same settings and seed.")
    if sources:
        notes.append(f"Printed: {'; '.join(sources)}{PRINTED}")
    folder, words = door.output_folder(), HydraConfig.get().overrides.task
    save(folder / "comparison.png", ranking(comparison, source=sources[0] if len(sources) == 1 else None))
    title = f"Runs with {' '.join(words)}" if header is None else question(door.choices()["experiment"])
    runs = {group.name: group.runs for group in found}
    tables.write(folder, comparison, title, command(*words, door="compare"), notes, runs, part=part)


def selection(runs: DictConfig) -> Selection:
    """What is typed after `runs`; Refusal where something beside it is no option of the table."""
    from dlgd.results.finished import PARENT_TAG, Selection

    for word in typed(options=False):
        if word.partition("=")[0].split(".")[0] not in ("experiment", "tracking"):
            raise Refusal(
                f"{word} says how to train and chooses no run: type it as a filter, such as "
                '"runs.filter=\'params.model = \\"unet\\"\'", or leave it out'
            )
    tags = {} if runs.parent is None else {PARENT_TAG: str(runs.parent)}
    if runs.tag is not None:
        key, colon, value = str(runs.tag).partition(":")
        if not colon:
            raise Refusal(f"runs.tag={runs.tag} must be a tag and its value, such as runs.tag=campaign:winter")
        tags[key.strip()] = value.strip()
    return Selection(runs.experiment, tags, tuple(listed(runs.ids) or ()), runs.filter)


if __name__ == "__main__":
    main()
