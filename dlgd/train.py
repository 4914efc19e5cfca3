"""python -m dlgd.train model=resnet data=nemovar: train a network, score it beside classical methods."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from dlgd.cli import entry as door

if TYPE_CHECKING:
    from torch import device
    from torch.optim import Optimizer

    from dlgd.core.contract import DataSource, Evaluation, Method, Misfit, Network, Tracker
    from dlgd.training.loop import Result
    from dlgd.training.options import Options
    from dlgd.training.schedulers import Scheduler

log = logging.getLogger(__name__)


@door.door("config")
def main(config: DictConfig) -> None:
    """Compose the configuration of a new run, or find that of the run to be resumed."""
    folder, resumed = door.output_folder(), config.resume is not None
    if resumed:
        config = door.resumed_config(folder, list(HydraConfig.get().overrides.task))
    else:
        with open_dict(config):
            config.choices = door.choices()
        config = door.settled(config)
    if train(config, folder, resumed=resumed) == "KILLED":
        print(f"dlgd: stopped; go on with: python -m dlgd.train resume={folder}", file=sys.stderr)
        sys.exit(130)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a search changes in a training: its data are ready, and the test part is left alone."""

    data: DataSource
    enough: Callable[[Mapping[str, float], int], bool]  # of a validation's scores and step: whether to stop there
    tags: Mapping[str, str]  # of the run's record, besides those of every run


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a training is made of, as far as it can be made before the data are."""

    data: DataSource
    evaluation: Evaluation
    network: Network
    options: Options
    optimizers: dict[str, Optimizer]
    scheduler: Scheduler
    device: device


def assemble(config: DictConfig, data: DataSource, *, resumed: bool) -> Parts:
    """Build everything that can be refused. Notes in the configuration which weights `init_from` gave."""
    from dlgd import build

    evaluation, where, scheduler = build.evaluation(config), build.run_device(config), build.scheduler(config)
    network = build.network(config, data.spec)
    options = build.options(config, evaluation, network)
    source = None if resumed or config.init_from is None else door.find_trained(str(config.init_from), config)
    given = build.begin(config, network, source)
    config.taken_over = config.taken_over if resumed else given
    optimizers = build.optimizers(config, network.to(where))
    network.check(build.misfit(config, data.spec))
    build.augmentation(config, data.spec)
    return Parts(
        data=data,
        evaluation=evaluation,
        network=network,
        options=options,
        optimizers=optimizers,
        scheduler=scheduler,
        device=where,
    )


def train(config: DictConfig, folder: Path, *, resumed: bool, trial: Trial | None = None) -> str:
    """Build, prepare the data, fit, score the best weights on the test part, record. Returns the status.

    Everything that can be refused is built before the data are made.
    """
    from dlgd import build
    from dlgd.scoring.trained import validation
    from dlgd.training import checkpoint
    from dlgd.training.loop import fit

    earlier = checkpoint.load(checkpoint.last_path(folder)) if resumed else None
    methods = build.comparison(config) if trial is None else []
    parts = assemble(config, build.data(config) if trial is None else trial.data, resumed=resumed)
    data, network, evaluation = parts.data, parts.network, parts.evaluation
    tracker = build.tracker(config, folder)
    checkpoint.make_writable(folder / "checkpoints")
    door.write_config(config, folder)
    log.info("run folder %s", folder)

    if trial is None:
        data.prepare()
    # again: the scalings are known only now
    network.use_scaling(data.spec.scaling)
    misfit, augmentation = build.misfit(config, data.spec), build.augmentation(config, data.spec)
    halo = network.halo + augmentation.halo
    params, tags = build.record(config, config.choices, str(parts.device), data.checksum())
    tags |= {} if trial is None else trial.tags
    named = [config.choices[group] for group in ("model", "data", "augmentation")]
    tracker.start(
        name="-".join(one for one in named if one != "none"), params=params, tags=tags, run_id=door.run_id(folder)
    )
    tracker.artifact(folder / door.CONFIG)
    status, snapshots = "FAILED", folder / "snapshots"
    try:
        result = fit(
            network=network,
            misfit=misfit,
            stream=data.stream(halo=halo, batch_size=parts.options.batch_size, seed=config.seed, device=parts.device),
            augmentation=augmentation,
            optimizers=parts.optimizers,
            scheduler=parts.scheduler,
            validate=validation(
                data=data,
                evaluation=evaluation,
                misfit=misfit,
                halo=network.halo,
                device=parts.device,
                snapshots=snapshots,
            ),
            tracker=tracker,
            folder=folder,
            options=parts.options,
            device=parts.device,
            seed=config.seed,
            config=OmegaConf.to_container(config, resolve=True) | {"statistics": data.statistics},
            resume=earlier,
            enough=None if trial is None else trial.enough,
        )
        if trial is None:
            judge(config, folder, parts, misfit, methods, tracker, result)
        tracker.artifact(folder / "checkpoints")
        status = result.status
    except KeyboardInterrupt:
        status = "KILLED"
    finally:
        tracker.finish(status)
    return status


def judge(
    config: DictConfig,
    folder: Path,
    parts: Parts,
    misfit: Misfit,
    methods: list[Method],
    tracker: Tracker,
    result: Result,
) -> None:
    """Draw the curves of a training; if it was not interrupted, score its best weights on the test part."""
    from dlgd import build
    from dlgd.core.progress import duration
    from dlgd.plotting.curves import learning_curves
    from dlgd.scoring.report import report
    from dlgd.scoring.trained import Trained, kept_snapshots
    from dlgd.training import checkpoint

    data, network, evaluation = parts.data, parts.network, parts.evaluation
    (folder / "figures").mkdir(exist_ok=True)
    higher = [column.key for column in evaluation.columns if column.higher]
    learning_curves(result.history, folder / "figures" / "learning_curves.png", higher=higher)
    if result.status != "FINISHED":
        return
    evaluation.progress(folder / "figures", kept_snapshots(folder / "snapshots"))
    checkpoint.restore(network, checkpoint.load(checkpoint.best_path(folder, parts.options.criteria[0])))
    name = config.choices.model
    ours = Trained(name=name, network=network, data=data, device=parts.device, misfit=misfit)
    report(
        methods=[ours, *build.fitted(methods, data)],
        samples=data.samples("test"),
        evaluation=evaluation,
        folder=folder,
        tracker=tracker,
        title=f"{config.data.name}, test part: {result.step} steps, {duration(result.seconds)}, {parts.device}",
        part="test",
        step=result.step,
    )
    log.info("everything is in %s", folder)


if __name__ == "__main__":
    main()
