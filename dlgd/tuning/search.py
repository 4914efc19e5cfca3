"""A search from its checks to its results; a stopped search is continued."""

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
from dlgd.cli import entry, own_folders, runs
from dlgd.cli.typed_options import choices_of
from dlgd.core import checks
from dlgd.core.config import part, plain
from dlgd.core.errors import Refusal
from dlgd.core.renames import updated_params
from dlgd.core.settings_without_effect import changes_no_score
from dlgd.tracking.parents import PARENT_TAG, STUDY_TAG
from dlgd.tracking.provenance import flatten
from dlgd.tracking.store import is_alive, owner
from dlgd.tuning import outcomes, pool, queue, report
from dlgd.tuning import study as studies
from dlgd.tuning.report import BestTrial
from dlgd.tuning.space import Parameter, Space, parse
from dlgd.tuning.study import Direction
from dlgd.tuning.trial import Composer, check, is_group, make_objective, with_evaluation
from dlgd.tuning.worker import AGAIN, Job

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

    from dlgd.core.contract import Tracker

log = logging.getLogger(__name__)

FINALISTS = 3  # trials that are trained again with other seeds


# --- before the search ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Search:
    """A study and the job of its workers, checked and opened."""

    config: DictConfig
    folder: Path
    composer: Composer
    study: Study
    storage: BaseStorage
    tracker: Tracker  # of the run in MLflow that is the parent of all trials
    values: Sequence[Mapping[str, Any]] | None  # of the trials of a grid, which are known beforehand; else None
    job: Job


def check_options(config: DictConfig) -> None:
    """Refuse wrong options of the search itself."""
    if not config.sweep.search:
        files = sorted(choices_of("sweep"))
        raise Refusal(f"nothing is searched: type sweep=<one of {', '.join(files)}>, or one of your own in sweeps/")
    for name, least in (("trials", 1), ("workers", 1), ("reruns", 0)):
        checks.whole_number(name, config[name], least=least)
    checks.number("minutes", config.minutes, above=0, null=True)
    if config.reruns and (len(config.sweep.metrics or ()) > 1 or "seed" in config.sweep.search):
        raise Refusal(f"reruns={config.reruns} needs one metric, and seeds that are not searched: type reruns=0")


def check_search(
    config: DictConfig, overrides: Sequence[str], folder: Path
) -> tuple[Composer, Space, list[dict[str, Any]] | None]:
    """Return the composer of the trials, the space, and the points of a grid. Refusal for what cannot be searched or
    built; no data are made. Notes the directions of the metrics in the configuration."""
    check_options(config)
    metrics = studies.parse_metrics(part(config, "sweep", resolve=False)["metrics"])
    studies.check(metrics, config.sweep.sampler, config.sweep.pruner)
    composer = Composer(overrides)
    space = space_of(config, composer, overrides)
    values = space.grid() if config.sweep.sampler == "grid" else None
    config.sweep.metrics = check(composer, space.corners(is_group), metrics, folder)
    return composer, space, values


def prepare(config: DictConfig) -> Search:
    """Check everything, then open the study and its run in MLflow."""
    overrides, folder = trial_overrides(), entry.output_folder()
    composer, space, values = check_search(config, overrides, folder)
    metrics: dict[str, Direction] = plain(config.sweep.metrics, resolve=False)
    name = str(config.study or HydraConfig.get().runtime.choices["sweep"])
    if config.study is not None:
        checks.part_of_file_names("study", config.study)
    if config.best is not None:
        checks.path("best", config.best)
    report.refuse_foreign(report.place_of_best(folder, config.best))
    where = config.storage or str(folder.absolute() / "study.journal")
    storage = studies.storage_of(where)
    study = studies.create(storage, name, metrics)
    compare_settings(study, settings(config, composer, space), folder)
    tracker = start_parent(composer, folder, name, config)
    tags = {STUDY_TAG: name} | ({} if tracker.run_id is None else {PARENT_TAG: tracker.run_id})
    threads = pool.threads_each(config.workers)
    job = Job(
        study=name, storage=where, folder=folder, space=space, metrics=metrics,
        sampler=config.sweep.sampler, pruner=config.sweep.pruner, seed=config.seed,
        trials=config.trials if values is None else min(config.trials, len(values)),
        until=None if config.minutes is None else time.time() + 60 * config.minutes,
        make_objective=functools.partial(
            make_objective, tuple(overrides), tags, threads, folders=tuple(own_folders.words())
        ),
        owner=owner,
    )  # fmt: skip
    return Search(
        config=config, folder=folder, composer=composer, study=study, storage=storage, tracker=tracker, values=values,
        job=job,
    )  # fmt: skip


def trial_overrides() -> list[str]:
    """Return the overrides that concern trials."""
    return list(HydraConfig.get().overrides.task)


def space_of(config: DictConfig, composer: Composer, overrides: Sequence[str]) -> Space:
    """Return the space of the sweep file without the options that were typed."""
    base, choices = composer.config({})

    def value_of(name: str) -> Any:
        return choices.get(name) if is_group(name) else OmegaConf.select(base, name)

    keys = [one.lstrip("+~").partition("=")[0] for one in overrides]
    return parse(part(config, "sweep.search", resolve=False), value_of, keys)


def settings(config: DictConfig, composer: Composer, space: Space) -> dict[str, str]:
    """Return, as text by name, the settings that all trials of a study must share to be comparable."""
    base, choices = composer.config({})
    varied = [one.name for one in space.parameters]
    below = tuple(f"{name}." for name in varied)
    flat = flatten(plain(with_evaluation(base, choices), resolve=False)) | choices
    common = {
        key: value
        for key, value in flat.items()
        if key not in varied and not key.startswith(below) and not changes_no_score(key)
    }
    sweep = {f"sweep.{key}": value for key, value in plain(config.sweep, resolve=False).items()}
    return {key: str(value) for key, value in (common | sweep | {"searched": varied}).items()}


def compare_settings(study: Study, wanted: Mapping[str, str], folder: Path) -> None:
    """Record the settings in a new study. Refusal where a study was begun with other settings."""
    before = study.user_attrs.get("settings")
    if before is None:
        if list(folder.glob("trial_*")):
            raise Refusal(f"{folder} has trials of another search: type study=<another name>, or remove the folder")
        study.set_user_attr("settings", dict(wanted))
        return
    before = updated_params(before)
    if not any(key.startswith("evaluation.") for key in before):  # early studies did not record the evaluation
        wanted = {key: value for key, value in wanted.items() if not key.startswith("evaluation.")}
    before = {key: value for key, value in before.items() if not changes_no_score(key)}
    for key in {**wanted, **before}:
        now, then = wanted.get(key, "nothing"), before.get(key, "nothing")
        if now != then:
            raise Refusal(
                f"study={study.study_name} was begun with {key}={then}, not {now}: type study=<another name> for a "
                "search of its own"
            )


def start_parent(composer: Composer, folder: Path, name: str, config: DictConfig) -> Tracker:
    """Start the run in MLflow that is the parent of the trials' runs, or continue that of an earlier session."""
    base = with_evaluation(*composer.config({}))
    tracker = build.tracker(base, folder)
    params, tags = build.params_and_tags(base, {}, device_name=str(build.run_device(config)), source=None)
    sweep = {f"sweep.{key}": value for key, value in plain(config.sweep, resolve=False).items() if key != "search"}
    space = {f"search.{key}": value for key, value in part(config, "sweep.search", resolve=False).items()}
    params = {key: value for key, value in params.items() if key.startswith(("data.", "training.", "seed"))}
    tracker.start(
        name=f"sweep {name}", params=params | sweep | space, tags=tags | {STUDY_TAG: name},
        run_id=runs.run_id(folder),
    )  # fmt: skip
    return tracker


# --- the search ----------------------------------------------------------------------------------------------------


def run_search(search: Search) -> bool:
    """Run all trials, and write the results. Returns whether the search was not interrupted."""
    config, job = search.config, search.job
    how, best = run_trials(search, job, search.study, search.values), None
    report.show_table(search.study, job.metrics, search.folder, search.tracker)
    if how == "ended":
        best = report.best_or_picked(search.study, job.metrics, config.pick)
        report.draw(search.study, job.metrics, search.folder, search.tracker)
        if config.reruns and config.pick is None:
            how, best = train_again(search)
    if best is None:
        return how != "interrupted"
    place, name = report.place_of_best(search.folder, config.best), search.study.study_name
    report.write_best(search.composer, best, name, place)
    search.tracker.artifact(place)
    log.info(
        "the best configuration is in %s; use it with: %s", place, report.command(place, search.composer, best, name)
    )
    if config.test:
        report.score_on_test(search.study, best, search.folder, search.tracker)
    log.info("everything is in %s", search.folder)
    return True


def train_again(search: Search) -> tuple[str, BestTrial | None]:
    """Train the best trials again with other seeds, in a study of their own.

    Returns how that ended (see `pool.search`), and the best trial in the mean over these seeds if it has ended.
    """
    job, count = search.job, search.config.reruns
    finalists = outcomes.best_trials(search.study, job.metrics)[:FINALISTS]
    numbers = [trial.number for trial in finalists]
    name = f"{job.study}, trials {', '.join(map(str, numbers))} again"
    seed = Parameter("seed", IntDistribution(0, 2**31), {})
    values = [trial.params | {"seed": search.config.seed + 1 + n} for trial in finalists for n in range(count)]
    log.info("training trials %s again with %d other seeds each", ", ".join(map(str, numbers)), count)
    again = replace(
        job, study=name, folder=search.folder / f"{AGAIN}{'_'.join(map(str, numbers))}",
        space=Space((*job.space.parameters, seed)), sampler="random", pruner="none", trials=len(values), until=None,
    )  # fmt: skip
    study = studies.create(search.storage, name, job.metrics)
    how = run_trials(search, again, study, values)
    report.show_table(study, job.metrics, again.folder, search.tracker, under="again")
    return how, report.best_in_the_mean(study, finalists, job.metrics) if how == "ended" else None


def run_trials(search: Search, job: Job, study: Study, values: Sequence[Mapping[str, Any]] | None) -> str:
    """Let workers run the trials of a job. Returns how that ended, see `pool.search`."""
    queue.ask(study, job.trials, values)
    return pool.search(job, study, search.storage, workers=search.config.workers, is_alive=is_alive)
