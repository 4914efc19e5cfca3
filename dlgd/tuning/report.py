"""What is left of a search: table and figures, the best configuration as a file, and its scores on the test split."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlgd.cli import runs
from dlgd.core.errors import Refusal
from dlgd.core.files import write_text
from dlgd.core.paths import CONF
from dlgd.tuning import outcomes
from dlgd.tuning.trial import Composer, choice_of_method, experiment

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from dlgd.core.contract import Method, Tracker

log = logging.getLogger(__name__)

MARK = "python -m dlgd.sweep"  # in the head of files that a search wrote, and may write again


@dataclass(frozen=True)
class Best:
    """The trial whose configuration is kept, and the trainings whose scores count."""

    number: int
    values: Mapping[str, Any]
    scores: str  # in words
    runs: tuple[FrozenTrial, ...]  # itself, or those with other seeds


def best_or_picked(study: Study, metrics: Mapping[str, str], pick: int | None) -> Best:
    """The best trial (of several metrics, by the first), or the one of this number. Raises Refusal without any."""
    found = outcomes.best_trials(study, metrics)
    if not found:
        raise Refusal("no trial was completed: the remarks in trials.md say why")
    if pick is not None:
        found = [one for one in study.get_trials(deepcopy=False) if one.number == pick and one.state.name == "COMPLETE"]
        if not found:
            raise Refusal(f"pick={pick} is not a trial that was completed: see trials.md")
    best = found[0]
    words = ", ".join(f"{name} {value:.4g}" for name, value in zip(metrics, best.values, strict=True))
    return Best(best.number, best.params, words, (best,))


def best_in_the_mean(study: Study, finalists: Sequence[FrozenTrial], metrics: Mapping[str, str]) -> Best:
    """Among trials that were trained again with other seeds, in a study of their own."""
    (metric, direction), sign = next(iter(metrics.items())), 1
    sign = 1 if direction == "minimize" else -1
    complete = outcomes.best_trials(study, metrics)
    runs = {
        trial.number: [one for one in complete if {**one.params, "seed": 0} == {**trial.params, "seed": 0}]
        for trial in finalists
    }
    most = max(map(len, runs.values()))
    if most == 0:
        raise Refusal("none of the trainings with other seeds was completed: see the remarks in trials.md")

    def mean(number: int) -> float:
        return statistics.fmean(one.values[0] for one in runs[number])

    best = min((number for number in runs if len(runs[number]) == most), key=lambda number: sign * mean(number))
    spread = f" +- {statistics.stdev(one.values[0] for one in runs[best]):.2g}" if most > 1 else ""
    words = f"{metric} {mean(best):.4g}{spread} with {most} other seeds"
    values = next(trial.params for trial in finalists if trial.number == best)
    in_order = sorted(runs[best], key=lambda one: one.params["seed"])
    return Best(best, values, words, tuple(in_order))


# --- table and figures -------------------------------------------------------------------------------------------


def show_table(study: Study, metrics: Mapping[str, str], folder: Path, tracker: Tracker, under: str = "") -> None:
    """Write all trials as a table, record it `under` a folder of the run, and print its first rows."""
    rows = outcomes.rows(study, metrics)
    title = f"{study.study_name}: {outcomes.best_in_words(study, metrics)}"
    for path in outcomes.write_table(folder, rows, title):
        tracker.artifact(path, under)
    best = outcomes.best_trials(study, metrics)
    if best:
        scores = {f"{under or 'best'}/{name}": value for name, value in zip(metrics, best[0].values, strict=True)}
        tracker.log(scores, len(rows))
    print(title)
    for row in rows[:5]:
        print("  ".join(f"{name} {value}" for name, value in row.items() if value))


def draw(study: Study, metrics: Mapping[str, str], folder: Path, tracker: Tracker) -> None:
    """Optuna's figures."""
    for path in outcomes.draw(study, metrics, folder / "figures"):
        tracker.artifact(path, "figures")


# --- the best configuration ----------------------------------------------------------------------------------------


def place_of_best(composer: Composer, name: str, typed: str | None) -> Path:
    """Where the best configuration is written."""
    if typed is not None:
        return Path(typed).expanduser().absolute()
    group = "baseline" if "baseline" in composer.config({})[0] else "experiment"
    return (CONF / group).resolve() / f"{name}.yaml"


def refuse_foreign(path: Path) -> None:
    """A file that no search wrote is not written over."""
    if path.exists() and MARK not in path.read_text():
        raise Refusal(f"{path} is there and was not written by a search: type best=<another file>")


def write_best(composer: Composer, best: Best, name: str, typed: str | None) -> Path:
    """The configuration of the best trial, as an experiment or as a choice of a classical method."""
    path = place_of_best(composer, name, typed)
    head = [
        f"Question: which configuration is the best of those that the search {name} tried? Trial {best.number}:",
        f"{best.scores} on the validation split.",
        f"    {MARK} {' '.join(composer.typed)}",
    ]
    text = choice_of_method if "baseline" in composer.config({})[0] else experiment
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text(composer, best.values, head))
    return path


def command(path: Path, composer: Composer, best: Best) -> str:
    """What to type to use the file."""
    config, choices = composer.config(best.values)
    group, action = ("baseline", "baseline") if "baseline" in config else ("experiment", "train")
    folder = (CONF / group).resolve()
    if not path.is_relative_to(folder):
        return f"move it to {folder} to use it as {group}={path.stem}"
    data = f" data={choices['data']}" if group == "baseline" else ""
    return f"python -m dlgd.{action} {group}={path.relative_to(folder).with_suffix('')}{data}"


# --- the test split -------------------------------------------------------------------------------------------------


def score_on_test(study: Study, best: Best, folder: Path, tracker: Tracker) -> None:
    """Score the best, with all its seeds, on the test split, beside the usual methods. Once: not again for the same."""
    from dlgd import build
    from dlgd.scoring.report import report

    folders = [Path(run.user_attrs["folder"]) for run in best.runs]
    if study.user_attrs.get("tested") == [str(one) for one in folders]:
        log.info("the best was scored on the test split before: %s", folder / "scores.md")
        return
    missing = [one for one in folders if not (one / runs.CONFIG).exists()]
    if missing:
        log.info("%s is not on this machine: the test split is left to the one that has it", missing[0])
        return
    config = runs.read_config(folders[0])
    if "baseline" in config:
        data, ours = build.data(config), [build.method(config.baseline)]
        data.prepare()
    else:
        ours = [trained(one, run) for one, run in zip(folders, best.runs, strict=True)]
        data = ours[0].data
        data.prepare()
    others = [one for one in build.comparison(config) if one.name not in {mine.name for mine in ours}]
    report(
        methods=[*build.fitted(ours, data), *build.fitted(others, data)],
        samples=data.samples("test"),
        evaluation=build.evaluation(config),
        folder=folder,
        tracker=tracker,
        title=f"{config.data.name}, test split: trial {best.number} of {study.study_name}",
        split="test",
    )
    study.set_user_attr("tested", [str(one) for one in folders])


def trained(folder: Path, run: FrozenTrial) -> Method:
    """The network of a trial, with the weights that were best in its validations."""
    from dlgd import build
    from dlgd.scoring.trained import Trained

    config, data, network, _ = build.trained(folder, runs.read_config(folder), None)
    seed = f" seed {run.params['seed']}" if "seed" in run.params else ""
    loss = build.loss(config, data.spec)
    return Trained(
        name=f"{config.choices.model}{seed}", network=network, data=data, device=build.run_device(config), loss=loss
    )
