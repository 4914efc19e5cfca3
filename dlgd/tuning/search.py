"""A search: checked before it begins, gone on with where it stopped, and what comes out of it kept."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import IntDistribution

from dlgd import build
from dlgd.cli import entry, runs
from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.core.renames import updated_params
from dlgd.core.settings_without_effect import changes_no_score
from dlgd.tracking.provenance import flatten
from dlgd.tracking.store import is_alive, owner
from dlgd.tuning import outcomes, pool, queue, report
from dlgd.tuning import study as studies
from dlgd.tuning.report import Best
from dlgd.tuning.space import Parameter, Space, parse
from dlgd.tuning.trial import Composer, check, is_group, make_objective, with_evaluation
from dlgd.tuning.worker import Job

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

    from dlgd.core.contract import Tracker

log = logging.getLogger(__name__)

PARENT_TAG = "mlflow.parentRunId"  # as MLflow's pages know it
FINALISTS = 3  # trials that are trained again with other seeds


# --- before it begins ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Search:
    """A study, and all that its workers get."""

    config: DictConfig
    folder: Path
    composer: Composer
    study: Study
    storage: BaseStorage
    tracker: Tracker  # of the run under which those of all trials lie
    values: Sequence[Mapping[str, Any]] | None  # of the trials, where a grid says them beforehand
    job: Job


def refuse(config: DictConfig) -> None:
    """What can be seen to be wrong at once."""
    if not config.sweep.search:
        files = sorted(path.stem for path in (CONF / "sweep").glob("*.yaml"))
        raise Refusal(f"nothing is searched: type sweep=<one of {', '.join(files)}>, or one of your own in sweeps/")
    for name, least in (("trials", 1), ("workers", 1), ("reruns", 0)):
        checks.whole_number(name, config[name], least=least)
    checks.number("minutes", config.minutes, above=0, null=True)
    if config.reruns and (len(config.sweep.metrics or ()) > 1 or "seed" in config.sweep.search):
        raise Refusal(f"reruns={config.reruns} needs one metric, and seeds that are not searched: type reruns=0")


def checked(
    config: DictConfig, overrides: Sequence[str], folder: Path
) -> tuple[Composer, Space, list[dict[str, Any]] | None]:
    """What composes the configurations of trials, what is searched, and the points of a grid; the directions of the
    metrics are noted in the configuration. Raises Refusal for whatever cannot be searched or built; makes no data."""
    refuse(config)
    metrics = studies.asked(OmegaConf.to_container(config.sweep)["metrics"])
    studies.check(metrics, config.sweep.sampler, config.sweep.pruner)
    composer = Composer(overrides)
    space = searched(config, composer, overrides)
    values = space.grid() if config.sweep.sampler == "grid" else None
    config.sweep.metrics = check(composer, space.corners(is_group), metrics, folder)
    return composer, space, values


def prepare(config: DictConfig) -> Search:
    """Check everything, then open the study and its run in MLflow."""
    overrides, folder = typed(), entry.output_folder()
    composer, space, values = checked(config, overrides, folder)
    metrics = OmegaConf.to_container(config.sweep.metrics)
    name = str(config.study or HydraConfig.get().runtime.choices["sweep"])
    report.refuse_foreign(report.place_of_best(composer, name, config.best))
    where = config.storage or str(folder.absolute() / "study.journal")
    storage = studies.storage_of(where)
    study = studies.create(storage, name, metrics)
    compare_settings(study, settings(config, composer, space), folder)
    tracker = open_record(composer, folder, name, metrics, config)
    tags = {"dlgd.study": name} | ({} if tracker.run_id is None else {PARENT_TAG: tracker.run_id})
    threads = pool.threads_each(config.workers)
    job = Job(
        study=name, storage=where, folder=folder, space=space, metrics=metrics,
        sampler=config.sweep.sampler, pruner=config.sweep.pruner, seed=config.seed,
        trials=config.trials if values is None else min(config.trials, len(values)),
        until=None if config.minutes is None else time.time() + 60 * config.minutes,
        make_objective=functools.partial(make_objective, tuple(overrides), tags, threads), owner=owner,
    )  # fmt: skip
    return Search(
        config=config, folder=folder, composer=composer, study=study, storage=storage, tracker=tracker, values=values,
        job=job,
    )  # fmt: skip


def typed() -> list[str]:
    """What was typed and concerns trials: options, and folders in which else to look for files."""
    overrides = HydraConfig.get().overrides
    return [*overrides.task, *(one for one in overrides.hydra if one.lstrip("+").startswith("hydra.searchpath"))]


def searched(config: DictConfig, composer: Composer, overrides: Sequence[str]) -> Space:
    """The space of the sweep file without what was typed."""
    base, choices = composer.config({})

    def value_of(name: str) -> Any:
        return choices.get(name) if is_group(name) else OmegaConf.select(base, name)

    keys = [one.lstrip("+~").partition("=")[0] for one in overrides]
    return parse(OmegaConf.to_container(config.sweep.search), value_of, keys)


def settings(config: DictConfig, composer: Composer, space: Space) -> dict[str, str]:
    """What all trials of a study have in common, as text by name: with another one they could not be compared."""
    base, choices = composer.config({})
    varied = [one.name for one in space.parameters]
    below = tuple(f"{name}." for name in varied)
    flat = flatten(OmegaConf.to_container(with_evaluation(base, choices))) | choices
    common = {
        key: value
        for key, value in flat.items()
        if key not in varied and not key.startswith(below) and not changes_no_score(key)
    }
    sweep = {f"sweep.{key}": value for key, value in OmegaConf.to_container(config.sweep).items()}
    return {key: str(value) for key, value in (common | sweep | {"searched": varied}).items()}


def compare_settings(study: Study, wanted: Mapping[str, str], folder: Path) -> None:
    """Keep the settings with a new study; Refusal where it was begun with others."""
    before = study.user_attrs.get("settings")
    if before is None:
        if list(folder.glob("trial_*")):
            raise Refusal(f"{folder} has trials of another search: type study=<another name>, or remove the folder")
        study.set_user_attr("settings", dict(wanted))
        return
    before = updated_params(before)
    if not any(key.startswith("evaluation.") for key in before):  # studies once did not keep how scores are made
        wanted = {key: value for key, value in wanted.items() if not key.startswith("evaluation.")}
    before = {key: value for key, value in before.items() if not changes_no_score(key)}
    for key in {**wanted, **before}:
        now, then = wanted.get(key, "nothing"), before.get(key, "nothing")
        if now != then:
            raise Refusal(
                f"study={study.study_name} was begun with {key}={then}, not {now}: type study=<another name> for a "
                "search of its own"
            )


def open_record(composer: Composer, folder: Path, name: str, metrics: Mapping[str, str], config: DictConfig) -> Tracker:
    """The run in MLflow under which those of the trials lie; that of an earlier session, if there was one."""
    base = with_evaluation(*composer.config({}))
    tracker = build.tracker(base, folder)
    params, tags = build.record(base, {}, str(config.device), checksum="")
    del tags["data_checksum"]  # the data are made by the trials
    sweep = {f"sweep.{key}": value for key, value in OmegaConf.to_container(config.sweep).items() if key != "search"}
    asked = {f"search.{key}": value for key, value in OmegaConf.to_container(config.sweep.search).items()}
    params = {key: value for key, value in params.items() if key.startswith(("data.", "training.", "seed"))}
    tracker.start(
        name=f"sweep {name}", params=params | sweep | asked, tags=tags | {"dlgd.study": name},
        run_id=runs.run_id(folder),
    )  # fmt: skip
    return tracker


# --- the search ----------------------------------------------------------------------------------------------------


def look_for_the_best(search: Search) -> bool:
    """Try everything, and keep what came out; whether it came to its end, and was not interrupted."""
    config, job = search.config, search.job
    how = attempt(search, job, search.study, search.values)
    report.show_table(search.study, job.metrics, search.folder, search.tracker)
    if how == "ended":
        best = report.best_or_picked(search.study, job.metrics, config.pick)
        report.draw(search.study, job.metrics, search.folder, search.tracker)
        if config.reruns and config.pick is None:
            how, best = train_again(search)
    if how != "ended":
        return how != "interrupted"
    written = report.write_best(search.composer, best, search.study.study_name, config.best)
    log.info("the best configuration is in %s: %s", written, report.command(written, search.composer, best))
    if config.test:
        report.score_on_test(search.study, best, search.folder, search.tracker)
    log.info("everything is in %s", search.folder)
    return True


def train_again(search: Search) -> tuple[str, Best | None]:
    """Train the best few with other seeds, in a study of their own: how that ended, and which is best in the mean."""
    job, count = search.job, search.config.reruns
    finalists = outcomes.best_trials(search.study, job.metrics)[:FINALISTS]
    numbers = [trial.number for trial in finalists]
    name = f"{job.study}, trials {', '.join(map(str, numbers))} again"
    seed = Parameter("seed", IntDistribution(0, 2**31), {})
    values = [trial.params | {"seed": search.config.seed + 1 + n} for trial in finalists for n in range(count)]
    log.info("training trials %s again with %d other seeds each", ", ".join(map(str, numbers)), count)
    again = replace(
        job, study=name, folder=search.folder / f"again_{'_'.join(map(str, numbers))}",
        space=Space((*job.space.parameters, seed)), sampler="random", pruner="none", trials=len(values), until=None,
    )  # fmt: skip
    study = studies.create(search.storage, name, job.metrics)
    how = attempt(search, again, study, values)
    report.show_table(study, job.metrics, again.folder, search.tracker, under="again")
    return how, report.best_in_the_mean(study, finalists, job.metrics) if how == "ended" else None


def attempt(search: Search, job: Job, study: Study, values: Sequence[Mapping[str, Any]] | None) -> str:
    """Let workers try the trials of a job; how that ended."""
    queue.ask(study, job.trials, values)
    return pool.search(job, study, search.storage, workers=search.config.workers, is_alive=is_alive)
