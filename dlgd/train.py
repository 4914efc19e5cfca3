"""python -m dlgd.train model=resnet data=nemovar: train a network, score it beside classical methods."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from dlgd import door

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


def train(config: DictConfig, folder: Path, *, resumed: bool) -> str:
    """Build, prepare the data, fit, score the best weights on the test part, record. Returns the status.

    Everything that can be refused is built before the data are made.
    """
    from dlgd import build
    from dlgd.evaluation.curves import learning_curves
    from dlgd.evaluation.report import report
    from dlgd.evaluation.trained import Trained, kept_snapshots, validation
    from dlgd.training import checkpoint
    from dlgd.training.loop import fit

    earlier = checkpoint.load(checkpoint.last_path(folder)) if resumed else None
    evaluation, methods = build.evaluation(config), build.comparison(config)
    device, scheduler, data = build.run_device(config), build.scheduler(config), build.data(config)
    network = build.network(config, data.spec)
    options = build.options(config, evaluation, network)
    source = None if resumed or config.init_from is None else door.find_trained(str(config.init_from))
    given = build.begin(config, network, source)
    config.taken_over = config.taken_over if resumed else given
    optimizers = build.optimizers(config, network.to(device))
    network.check(build.misfit(config, data.spec))
    build.augmentation(config, data.spec)
    tracker = build.tracker(config, folder)
    checkpoint.make_writable(folder / "checkpoints")
    door.write_config(config, folder)
    log.info("run folder %s", folder)

    data.prepare()
    # again: the scalings are known only now
    network.use_scaling(data.spec.scaling)
    misfit, augmentation = build.misfit(config, data.spec), build.augmentation(config, data.spec)
    halo = network.halo + augmentation.halo
    params, tags = build.record(config, config.choices, str(device), data.checksum())
    tracker.start(
        name=f"{config.choices.model}-{config.choices.data}", params=params, tags=tags, run_id=door.run_id(folder)
    )
    tracker.artifact(folder / door.CONFIG)
    status, snapshots = "FAILED", folder / "snapshots"
    try:
        result = fit(
            network=network,
            misfit=misfit,
            stream=data.stream(halo=halo, batch_size=options.batch_size, seed=config.seed, device=device),
            augmentation=augmentation,
            optimizers=optimizers,
            scheduler=scheduler,
            validate=validation(
                data=data, evaluation=evaluation, misfit=misfit, halo=network.halo, device=device, snapshots=snapshots
            ),
            tracker=tracker,
            folder=folder,
            options=options,
            device=device,
            seed=config.seed,
            config=OmegaConf.to_container(config, resolve=True) | {"statistics": data.statistics},
            resume=earlier,
        )
        (folder / "figures").mkdir(exist_ok=True)
        higher = [column.key for column in evaluation.columns if column.higher]
        learning_curves(result.history, folder / "figures" / "learning_curves.png", higher=higher)
        if result.status == "FINISHED":
            evaluation.progress(folder / "figures", kept_snapshots(snapshots))
            checkpoint.restore(network, checkpoint.load(checkpoint.best_path(folder, options.criteria[0])))
            name = config.choices.model
            ours = Trained(name=name, network=network, data=data, device=device, misfit=misfit)
            report(
                methods=[ours, *build.fitted(methods, data)],
                samples=data.samples("test"),
                evaluation=evaluation,
                folder=folder,
                tracker=tracker,
                title=f"{config.data.name}, test part: {result.step} steps, {result.seconds / 60:.0f} min, {device}",
                part="test",
                step=result.step,
            )
            log.info("everything is in %s", folder)
        tracker.artifact(folder / "checkpoints")
        status = result.status
    except KeyboardInterrupt:
        status = "KILLED"
    finally:
        tracker.finish(status)
    return status


if __name__ == "__main__":
    main()
