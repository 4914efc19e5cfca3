"""python -m dlgd.evaluate run=<folder, MLflow id or checkpoint>: score a network again, on other data if wished."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from dlgd.cli import entry, runs
from dlgd.core import checks
from dlgd.core.errors import Refusal

if TYPE_CHECKING:
    from dlgd.core.contract import DataSource


@entry.command("evaluate")
def main(config: DictConfig) -> None:
    """Writes into <run folder>/evaluation/<split or file>/, or outputs/<checkpoint file>/evaluation/..."""
    from dlgd import build
    from dlgd.core.contract import SPLITS
    from dlgd.core.files import make_writable
    from dlgd.scoring.report import report
    from dlgd.scoring.trained import Trained
    from dlgd.tracking.off import Off

    checks.choice("split", config.split, SPLITS)
    run, former = runs.find_trained(config.run, config)
    former, data, network, kept = build.trained(run, former, config.criterion)
    where = config.split
    if config.get("data") is not None:
        data, where = other_data(config, data), f"{config.data.name}-{config.split}"
    scored = former
    if config.get("evaluation") is not None:
        config.data = former.data if config.get("data") is None else config.data
        scored = entry.with_evaluation(config)
    device = build.run_device(config)
    if config.input is None:
        samples = data.samples(config.split)
    else:
        samples, where = data.read(Path(config.input)), Path(config.input).stem
        if not set(data.truth) <= set(samples):
            raise Refusal(f"{config.input} has no {', '.join(data.truth)} to compare with: use dlgd.predict")
    folder = (run if run.is_dir() else Path("outputs") / run.stem) / "evaluation" / where
    make_writable(folder)
    loss = build.loss(former, data.spec)
    report(
        methods=[
            Trained(name=former.choices.model, network=network, data=data, device=device, loss=loss),
            *build.fitted(build.comparison(scored), data),
        ],
        samples=samples,
        evaluation=build.evaluation(scored),
        folder=folder,
        tracker=Off(experiment=former.data.name, folder=folder),
        title=f"{where}: {kept.state.step} steps on {former.data.name}",
        split=where,
    )
    print(f"everything is in {folder}")


def other_data(config: DictConfig, trained_on: DataSource) -> DataSource:
    """The data set typed now, scaled as at training time; Refusal where it gives a network other channels."""
    from dlgd import build

    data = build.data(config)
    wanted, given = trained_on.spec.input_channels, data.spec.input_channels
    if given != wanted:
        raise Refusal(
            f"data={config.data.name} gives the channels {', '.join(given)}, but the network was trained with "
            f"{', '.join(wanted)}: type the options of data with which it was trained"
        )
    data.use_statistics(trained_on.statistics)
    return data


if __name__ == "__main__":
    main()
