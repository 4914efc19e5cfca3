"""The results of a search: table and figures, the best configuration as a file, and its scores on the test split."""

from __future__ import annotations

import logging
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlgd.cli import own_folders, runs
from dlgd.core import commands
from dlgd.core.errors import Refusal
from dlgd.core.files import write_text
from dlgd.core.paths import CONF
from dlgd.tuning import outcomes
from dlgd.tuning.study import Direction
from dlgd.tuning.trial import Composer, experiment_file, method_file

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from dlgd.core.contract import Method, Tracker
    from dlgd.scoring.trained import Trained

log = logging.getLogger(__name__)

MARK = "python -m dlgd.sweep"  # at the head of a file that a search wrote, and may write again


@dataclass(frozen=True)
class BestTrial:
    """The best trial, whose configuration is written, and the trainings of that configuration."""

    number: int
    values: Mapping[str, Any]
    scores: str  # in words
    trainings: tuple[FrozenTrial, ...]  # the trial itself, or those with other seeds


def best_or_picked(study: Study, metrics: Mapping[str, Direction], pick: int | None) -> BestTrial:
    """Return the best trial by the first metric, or the complete trial of number `pick`. Refusal if there is none."""
    found = outcomes.best_trials(study, metrics)
    if not found:
        raise Refusal("no trial was completed: the remarks in trials.md say why")
    if pick is not None:
        found = [one for one in study.get_trials(deepcopy=False) if one.number == pick and one.state.name == "COMPLETE"]
        if not found:
            raise Refusal(f"pick={pick} is not a trial that was completed: see trials.md")
    best = found[0]
    words = ", ".join(f"{name} {value:.4g}" for name, value in zip(metrics, best.values, strict=True))
    return BestTrial(best.number, best.params, words, (best,))


def best_in_the_mean(study: Study, finalists: Sequence[FrozenTrial], metrics: Mapping[str, Direction]) -> BestTrial:
    """Return the finalist with the best mean over other seeds, with which a study of their own has trained them."""
    metric, direction = next(iter(metrics.items()))
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
    return BestTrial(best, values, words, tuple(in_order))


# --- table and figures -------------------------------------------------------------------------------------------


def show_table(study: Study, metrics: Mapping[str, Direction], folder: Path, tracker: Tracker, under: str = "") -> None:
    """Write all trials as a table, record it `under` a folder of the run in MLflow, and print its first rows."""
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


def draw(study: Study, metrics: Mapping[str, Direction], folder: Path, tracker: Tracker) -> None:
    """Draw Optuna's figures, and record them."""
    for path in outcomes.draw(study, metrics, folder / "figures"):
        tracker.artifact(path, "figures")


# --- the best configuration ----------------------------------------------------------------------------------------


def place_of_best(folder: Path, file: str | None) -> Path:
    """Return where the best configuration is written: in `file`, or in the folder of the study."""
    return folder / "best.yaml" if file is None else Path(file).expanduser().absolute()


def refuse_foreign(path: Path) -> None:
    """Refuse to write over a file that no search wrote, or in place of a folder, a device or the like."""
    if path.exists() and (not path.is_file() or MARK not in path.read_text(errors="replace")):
        raise Refusal(f"{path} exists and was not written by a search: type best=<another file>")


def write_best(composer: Composer, best: BestTrial, name: str, path: Path) -> None:
    """Write the configuration of the best trial: as an experiment, or as a choice of a classical method."""
    head = [
        f"Question: which configuration is the best of those that the search {name} tried? Trial {best.number}:",
        f"{best.scores} on the validation split.",
        f"    {MARK} {' '.join(composer.overrides)}",
    ]
    text = method_file if "baseline" in composer.config({})[0] else experiment_file
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text(composer, best.values, head))


def command(path: Path, composer: Composer, best: BestTrial, name: str) -> str:
    """Return the command that uses the file; where it is no choice yet, first the one that makes it the choice `name`.

    A search writes nothing among the choices by itself: a new file there would mark all later runs as dirty.
    """
    config, choices = composer.config(best.values)
    group, action = ("baseline", "baseline") if "baseline" in config else ("experiment", "train")
    data = f" data={choices['data']}" if group == "baseline" else ""
    for folder in ((one / group).resolve() for one in own_folders.folders()):
        if path.is_relative_to(folder):
            chosen = f"{group}={path.relative_to(folder).with_suffix('')}"
            return f"{commands.shown(action)} {shlex.join([*own_folders.words(), chosen])}{data}"
    place, words = _place_of_choices(group)
    copied = shlex.join(["cp", "-i", _shown(path), _shown(place / f"{name}.yaml")])
    made = "" if place.is_dir() else f"{shlex.join(['mkdir', '-p', _shown(place)])} && "
    return f"{made}{copied} && {commands.shown(action)} {shlex.join([*words, f'{group}={name}'])}{data}"


def _place_of_choices(group: str) -> tuple[Path, list[str]]:
    """Return where a person's choices of a group stand, and the words that name this folder in a command."""
    own = own_folders.own()
    if own:
        return (own[0] / group).resolve(), own_folders.words()
    if CONF.is_symlink():  # in a checkout
        return (CONF / group).resolve(), []
    return Path.cwd() / "conf" / group, ["--config-dir=conf"]  # what is installed is not theirs to write in


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


# --- the test split -------------------------------------------------------------------------------------------------


def score_on_test(study: Study, best: BestTrial, folder: Path, tracker: Tracker) -> None:
    """Score all trainings of the best trial on the test split, beside the usual methods, unless it was done before."""
    from dlgd import build
    from dlgd.scoring.report import report

    recorded = [one.user_attrs["folder"] for one in best.trainings]
    if study.user_attrs.get("tested") == recorded:
        log.info("the best was scored on the test split before: %s", folder / "scores.md")
        return
    folders = [folder_now(one, folder) for one in recorded]
    missing = [one for one in folders if not (one / runs.CONFIG).exists()]
    if missing:
        log.info("%s is not on this machine: the one that has it scores the test split", missing[0])
        return
    config = runs.read_config(folders[0])
    ours: Sequence[Method]
    if "baseline" in config:
        data, ours = build.data(config), [build.method(config.baseline)]
    else:
        networks = [trained_network(one, trial) for one, trial in zip(folders, best.trainings, strict=True)]
        data, ours = networks[0].data, networks
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
    study.set_user_attr("tested", recorded)


def folder_now(recorded: str, study: Path) -> Path:
    """Return the folder of a trial: where it was recorded, or in the folder of its study, which may have been moved."""
    before = Path(recorded)
    if before.exists():
        return before
    parts = before.parts[before.parts.index(study.name) + 1 :] if study.name in before.parts else before.parts[-1:]
    moved = study.joinpath(*parts)
    return moved if moved.exists() else before


def trained_network(folder: Path, trial: FrozenTrial) -> Trained:
    """Return the network of a trial, with the weights that were best in its validations."""
    from dlgd import build
    from dlgd.scoring.trained import Trained

    config, data, network, _ = build.trained(folder, runs.read_config(folder), None)
    seed = f" seed {trial.params['seed']}" if "seed" in trial.params else ""
    loss = build.loss(config, data.spec)
    return Trained(
        name=f"{config.choices.model}{seed}", network=network, data=data, device=build.run_device(config), loss=loss
    )
