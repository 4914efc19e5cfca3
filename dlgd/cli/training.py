"""A training from its configuration to its report, for `dlgd.train` and for each trial of a search."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from omegaconf import DictConfig

from dlgd import build
from dlgd.cli import mlflow_model, run_log, runs
from dlgd.cli.multirun_summary import name_in_multirun
from dlgd.core.config import plain
from dlgd.core.constants import SPLITS
from dlgd.core.contract import DataSource, Evaluation, Loss, Method, Network, Tracker
from dlgd.core.files import make_writable
from dlgd.core.progress import duration
from dlgd.core.score import Score
from dlgd.plotting.curves import learning_curves
from dlgd.scoring import descriptions
from dlgd.scoring.report import report
from dlgd.scoring.trained import Trained, saved_snapshots, validation
from dlgd.training import checkpoint
from dlgd.training.loop import Result, fit
from dlgd.training.options import Options
from dlgd.training.schedulers import Scheduler

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SearchTrial:
    """A training as a trial of a search: its data are prepared, and the test split is not used."""

    data: DataSource
    should_stop: Callable[[Mapping[str, float], bool], bool]  # see `fit`
    is_pruned: Callable[[], bool]  # whether `should_stop` has stopped it
    name: str  # of the run in MLflow
    tags: Mapping[str, str]  # likewise, besides those of each run


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """The objects of a training that can be built before the data are prepared."""

    data: DataSource
    evaluation: Evaluation
    network: Network
    options: Options
    criteria: Sequence[Score]  # of the checkpoints; the best one by the first is used
    optimizers: dict[str, torch.optim.Optimizer]
    scheduler: Scheduler
    device: torch.device


def assemble(config: DictConfig, data: DataSource, *, resumed: bool) -> TrainingSetup:
    """Build everything that can be refused. Notes in the configuration what the files of the data say, and which
    weights were loaded from `init_from`."""
    config.data.update(data.found_options)
    evaluation, where, scheduler = build.evaluation(config), build.run_device(config), build.scheduler(config)
    network = build.network(config, data.spec)
    options = build.options(config, data.spec)
    criteria = build.criteria(options, evaluation, network)
    source = None if resumed or config.init_from is None else runs.find_trained(config.init_from, config, "init_from")
    loaded = build.load_initial_weights(config, network, source)
    config.init_loaded = config.init_loaded if resumed else loaded
    optimizers = build.optimizers(config, network.to(where))
    network.check(build.loss(config, data.spec))
    build.augmentation(config, data.spec)
    return TrainingSetup(
        data=data,
        evaluation=evaluation,
        network=network,
        options=options,
        criteria=criteria,
        optimizers=optimizers,
        scheduler=scheduler,
        device=where,
    )


def train(
    config: DictConfig, folder: Path, *, resumed: bool, trial: SearchTrial | None = None, printed: bool = True
) -> str:
    """Train a network, score its best weights on the test split, and record the run. Returns the status.

    Everything that can be refused is built before the data are prepared. The function is long, because it shows all
    steps of a run in their order.

    resumed: whether the run in the folder is continued. trial: of a search; None outside of a search.
    printed: whether the table of scores is printed.
    """
    earlier = checkpoint.load(checkpoint.last_path(folder)) if resumed else None
    methods = build.comparison(config) if trial is None else []
    setup = assemble(config, build.data(config) if trial is None else trial.data, resumed=resumed)
    data, network, evaluation = setup.data, setup.network, setup.evaluation
    tracker = build.tracker(config, folder)
    make_writable(folder / "checkpoints")
    runs.write_config(config, folder)
    limits = {
        name: value for name in ("steps", "epochs", "minutes") if (value := config.training.get(name)) is not None
    }
    budget = ", ".join(f"{value:g} {name}" for name, value in limits.items()) or "no limit"
    log.info("model=%s on data=%s, at most %s; run folder %s", config.choices.model, config.data.name, budget, folder)

    if trial is None:
        data.prepare()
    # The loss is built again, because the scaling of the data is known only now.
    network.use_scaling(data.spec.scaling)
    loss, augmentation = build.loss(config, data.spec), build.augmentation(config, data.spec)
    halo = network.halo + augmentation.halo
    params, tags = build.params_and_tags(
        config, config.choices, device_name=str(setup.device), source=data,
        splits=SPLITS if trial is None else ("train", "valid"),
        scores=[*descriptions.of_report(evaluation, methods), *descriptions.of_validation(evaluation, network)],
    )  # fmt: skip
    tags |= {} if trial is None else trial.tags
    validate = validation(
        data=data, evaluation=evaluation, loss=loss, halo=network.halo, device=setup.device,
        snapshots=folder / "snapshots",
    )  # fmt: skip
    tracker.start(name=run_name(config, folder, trial), params=params, tags=tags, run_id=runs.run_id(folder))
    status = "FAILED"
    try:
        with run_log.recorded(tracker):
            tracker.artifact(folder / runs.CONFIG)
            result = fit(
                network=network,
                loss=loss,
                stream=data.stream(
                    halo=halo, batch_size=setup.options.batch_size, seed=config.seed, device=setup.device
                ),
                augmentation=augmentation,
                optimizers=setup.optimizers,
                scheduler=setup.scheduler,
                validate=validate,
                tracker=tracker,
                folder=folder,
                options=setup.options,
                criteria=setup.criteria,
                patterns=[one for one in descriptions.of_validation(evaluation, network) if one.is_pattern],
                device=setup.device,
                seed=config.seed,
                config=plain(config) | {"statistics": data.statistics},
                resume=earlier,
                should_stop=None if trial is None else trial.should_stop,
            )
            if trial is None:
                evaluate_best(config, folder, setup, loss, methods, tracker, result, printed=printed)
            tracker.artifact(folder / "checkpoints")
            tracker.tag(run_log.ended(result.status, pruned=trial is not None and trial.is_pruned()))
            status = result.status
    except KeyboardInterrupt:
        status = "KILLED"
    finally:
        tracker.finish(status)
    return status


def run_name(config: DictConfig, folder: Path, trial: SearchTrial | None) -> str:
    """Return the name of a run in MLflow: in a search or multirun what tells it from the others, "3 model=unet seed=0";
    else the choices in which runs differ, "resnet-nemovar-flips"."""
    named = [config.choices[group] for group in ("model", "data", "augmentation")]
    alone = "-".join(one for one in named if one != "none")
    return (name_in_multirun(folder) if trial is None else trial.name) or alone


def evaluate_best(
    config: DictConfig,
    folder: Path,
    setup: TrainingSetup,
    loss: Loss,
    methods: list[Method],
    tracker: Tracker,
    result: Result,
    *,
    printed: bool,
) -> None:
    """Draw the learning curves; if the training has finished, score its best weights on the test split."""
    data, network, evaluation = setup.data, setup.network, setup.evaluation
    (folder / "figures").mkdir(exist_ok=True)
    described = descriptions.of_validation(evaluation, network)
    if result.history:  # none of a training that was stopped before its first record
        learning_curves(
            result.history, folder / "figures" / "learning_curves.png", score_of=partial(descriptions.find, described)
        )
    if result.status != "FINISHED":
        return
    evaluation.progress(folder / "figures", saved_snapshots(folder / "snapshots"))
    checkpoint.restore(network, checkpoint.load(checkpoint.best_path(folder, setup.criteria[0].name)))
    name = config.choices.model
    trained = Trained(name=name, network=network, data=data, device=setup.device, loss=loss)
    report(
        methods=[trained, *build.fitted(methods, data)],
        samples=data.samples("test"),
        evaluation=evaluation,
        folder=folder,
        tracker=tracker,
        title=f"{config.data.name}, test split: {result.step} steps, {duration(result.seconds)}, {setup.device}",
        split="test",
        step=result.step,
        printed=printed,
    )
    if tracker.keeps_models:
        best = checkpoint.best_path(folder, setup.criteria[0].name)
        model = mlflow_model.write(
            folder, trained=trained, samples=data.samples("test"), evaluation=evaluation, best=best
        )
        tracker.artifact(model, mlflow_model.NAME)
    log.info("everything is in %s", folder)
