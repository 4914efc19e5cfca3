"""python -m dlgd.compare experiment=normalization/skip_connections: an experiment's table, from its runs in MLflow.

The rows are what `python -m dlgd.train -m experiment=...` goes through. A run belongs to a row when it has the row's
settings, all that can change a score: a table never mixes budgets, and tables share the runs they have in common.
"""

from __future__ import annotations

import itertools
import re
import shlex
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from dlgd import door
from dlgd.settings import CONF, Refusal

if TYPE_CHECKING:
    from dlgd.evaluation.comparison import Row
    from dlgd.tracking.finished import Finished, FinishedRun

PART = "test"  # of the data set, on which runs are compared
BUDGET = ("training.steps", "training.epochs", "training.minutes", "training.batch_size", "data.patch")


@dataclass(frozen=True)
class Wanted:
    """A row of the table: what is typed for it, the configuration for each seed, and the newest run that has it."""

    name: str
    overrides: Sequence[str]
    configs: Mapping[str, dict[str, Any]]  # by "seed=0", "seed=1", ...
    runs: dict[str, FinishedRun] = field(default_factory=dict)  # likewise, where there is one


@door.door("compare")
def main(config: DictConfig) -> None:
    """Find the run of every row and seed; print the table, and write it with its figures."""
    experiment, typed = door.choices()["experiment"], list(HydraConfig.get().overrides.task)
    if config.get("table") is None:
        raise Refusal(f"experiment={experiment} has no `table` to fill: type an experiment=... whose file has one")
    if "uri" not in config.tracking:
        raise Refusal("runs are found in MLflow, where tracking=off leaves none: type another tracking")
    rows = wanted_rows(config, typed)

    from dlgd.tracking.finished import Finished

    finished = Finished(config.tracking.uri)
    others = assign(rows, finished, experiment, metric=f"{PART}/{config.table.scores[0]}")
    if not any(row.runs for row in rows):
        raise Refusal(
            f"MLflow has no finished run with the settings of experiment={experiment}"
            f"{f' ({others})' if others else ''}: make them with {command('-m', *typed)}"
        )
    report(config, rows, finished, typed, others)


# --- which runs ------------------------------------------------------------------------------------------------


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


def assign(rows: Sequence[Wanted], finished: Finished, experiment: str, *, metric: str) -> str:
    """Give every row its newest runs, those that have the metric. Returns a few words on runs of the experiment that
    fit no row, or nothing."""
    configs = [one for row in rows for one in row.configs.values()]
    names = sorted({one["data"]["name"] for one in configs})
    runs = [run for name in names for run in finished.runs(name) if run.metric(metric) is not None]
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


# --- what is said of them --------------------------------------------------------------------------------------


def table_rows(table: DictConfig, rows: Sequence[Wanted]) -> list[Row]:
    """The rows with their scores and printed figures; then the methods that stand in the table beside networks."""
    from dlgd.evaluation.comparison import Row

    printed = {
        one.row: {score: float(one[score]) for score in table.scores if score in one}
        for one in table.get("published", ())
    }

    def values(runs: Iterable[FinishedRun], prefix: str) -> dict[str, list[float]]:
        found = {score: [run.metric(f"{prefix}/{score}") for run in runs] for score in table.scores}
        return {score: [value for value in each if value is not None] for score, each in found.items()}

    filled = [Row(row.name, values(row.runs.values(), PART), printed.get(row.name, {})) for row in rows]
    runs = [run for row in rows for run in row.runs.values()]
    for name in table.get("methods", ()):
        found = values(runs, f"comparison/{name}")
        once = {score: each[:1] for score, each in found.items()}  # each run has the same answer of the method
        filled.append(Row(name, once, printed.get(name, {}), seeded=False))
    return filled


def budget(rows: Sequence[Wanted]) -> str:
    """What all rows were given and where: settings, machines, and minutes of a run."""
    configs = [one for row in rows for one in row.configs.values()]
    given = [{key: OmegaConf.select(OmegaConf.create(one), key) for key in BUDGET} for one in configs]
    alike = [
        f"{key}={value}"
        for key, value in given[0].items()
        if value is not None and all(one[key] == value for one in given)
    ]
    runs = [run for row in rows for run in row.runs.values()]
    machines = Counter(f"{run.tags.get('device')} ({run.tags.get('machine', run.tags.get('host'))})" for run in runs)
    where = ", ".join(f"{count} on {name}" for name, count in machines.most_common())
    minutes = statistics.median(run.minutes for run in runs)
    return f"Budget: {', '.join(alike)}. Runs: {where}; {minutes:.1f} min each in the median, data and scores included."


def warnings(rows: Sequence[Wanted], finished: Finished, score: str) -> list[str]:
    """Sentences on what is not alike although the settings are."""
    runs = {f"{row.name} {seed}": run for row in rows for seed, run in row.runs.items()}
    found = []
    steps = {name: finished.history(run, f"{PART}/{score}")[-1][0] for name, run in runs.items()}
    if len(set(steps.values())) > 1:
        found.append(f"Beware: not all took as many steps: {', '.join(f'{name}: {n}' for name, n in steps.items())}.")
    for tag, what in (("device", "kinds of device"), ("machine", "machines"), ("git_hash", "versions of the program")):
        values = sorted({run.tags.get(tag, "unknown") for run in runs.values()})
        if len(values) > 1:
            found.append(f"Beware: {len(values)} {what}: {', '.join(values)}.")
    data: dict[str, set[str]] = {}
    for row in rows:  # rows of the same settings of the data must have had the same data
        for seed, run in row.runs.items():
            data.setdefault(str(row.configs[seed]["data"]), set()).add(run.tags.get("data_checksum", "unknown"))
    if any(len(checksums) > 1 for checksums in data.values()):
        found.append("Beware: the data have changed between the runs, though their settings have not.")
    return found


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


def command(*words: str) -> str:
    """What to type to train."""
    return shlex.join(["python", "-m", "dlgd.train", *words])


def question(experiment: str) -> str:
    """The one that the experiment's file asks in its head."""
    head = re.match(r".*?# Question: (.*?\?)", (CONF / "experiment" / f"{experiment}.yaml").read_text(), re.DOTALL)
    return experiment if head is None else re.sub(r"\s*\n# *", " ", head[1][0].upper() + head[1][1:])


def curves(rows: Sequence[Wanted], finished: Finished, scores: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """{score: {row: (step, value) of each seed}} of the validation part."""
    found: dict[str, dict[str, list[Any]]] = {}
    for score, row in itertools.product(scores, rows):
        series = [finished.history(run, f"valid/{score}") for run in row.runs.values()]
        if any(series):
            found.setdefault(score, {})[row.name] = [one for one in series if one]
    return found


def report(config: DictConfig, wanted: Sequence[Wanted], finished: Finished, typed: Sequence[str], others: str) -> None:
    """Print the table; write comparison.md, comparison.png and convergence.png into the door's folder."""
    from dlgd.evaluation import comparison
    from dlgd.evaluation import comparison_figures as draw

    folder, table = door.output_folder(), config.table
    title, scores = question(door.choices()["experiment"]), list(table.scores)
    rows, commands = table_rows(table, wanted), missing(wanted, typed)
    notes = [budget(wanted), *warnings(wanted, finished, scores[0]), *comparison.in_words(rows, scores)]
    if table.get("source"):
        notes.append(f"Printed: {table.source}, other data and another budget; only the order can be compared.")
    if others:
        notes.append(f"Left out, for other settings: {others}.")
    if commands:
        notes.append("Not run yet:")
    todo = "".join(f"    {one}\n" for one in commands)
    text = "\n\n".join([f"# {title}", f"    {command('-m', *typed)}", comparison.markdown(rows, scores), *notes, todo])
    (folder / "comparison.md").write_text(text)
    draw.save(folder / "comparison.png", draw.scores(rows, scores, source=table.get("source")))
    converged = curves(wanted, finished, scores)
    if converged:
        draw.save(folder / "convergence.png", draw.convergence(converged))
    comparison.print_table(rows, scores, title)
    print("\n".join([*notes, *commands]))
    print(f"everything is in {folder}")


if __name__ == "__main__":
    main()
