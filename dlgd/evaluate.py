"""python -m dlgd.evaluate run=<folder, MLflow id or checkpoint>: score a trained network again, or on other data."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from dlgd.cli import entry, runs
from dlgd.core import checks
from dlgd.core.errors import Refusal


@entry.command("evaluate")
def main(config: DictConfig) -> None:
    """Score a network. Writes into <run folder>/evaluation/<split or file>/ or outputs/<checkpoint>/evaluation/..."""
    from dlgd import build
    from dlgd.core.files import make_writable
    from dlgd.scoring.report import report
    from dlgd.scoring.trained import Trained
    from dlgd.tracking.off import Off

    run, former = runs.find_trained(config.run, config)
    former, data, network, checkpoint = build.trained(run, former, config.criterion)
    where = config.split
    if config.get("data") is not None:
        data, where = build.other_data(config, data), f"{config.data.name}-{config.split}"
    scored = former
    if config.get("evaluation") is not None:
        config.data = former.data if config.get("data") is None else config.data
        scored = entry.with_evaluation(config)
    device = build.run_device(config)
    if config.input is None:
        samples = data.samples(config.split)
    else:
        file = checks.path("input", config.input)
        samples, where = data.read(file), file.stem
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
        evaluation=build.evaluation(scored, samples_of_data=config.input is None),
        folder=folder,
        tracker=Off(experiment=former.data.name, folder=folder),
        title=f"{where}: {checkpoint.state.step} steps on {former.data.name}",
        split=where,
    )
    print(f"everything is in {folder}")


if __name__ == "__main__":
    main()
