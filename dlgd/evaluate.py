"""python -m dlgd.evaluate run=<run folder or MLflow run id>: score a trained network again, or on one's own file."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from dlgd import door
from dlgd.settings import Refusal


@door.door("evaluate")
def main(config: DictConfig) -> None:
    """Writes into <run folder>/evaluation/<part or file>/."""
    from dlgd import build
    from dlgd.contract import PARTS
    from dlgd.evaluation.report import report
    from dlgd.evaluation.trained import Trained
    from dlgd.tracking.off import Off
    from dlgd.training.checkpoint import make_writable

    if config.part not in PARTS:
        raise Refusal(f"part={config.part} is unknown: choose one of {', '.join(PARTS)}")
    run = door.find_run(config.run)
    former = door.read_config(run)
    data, network, kept = build.trained(former, run, config.criterion)
    device = build.run_device(config)
    if config.input is None:
        samples, where = data.samples(config.part), config.part
    else:
        samples, where = data.read(Path(config.input)), Path(config.input).stem
        if not set(data.spec.output_channels) <= set(samples):
            raise Refusal(
                f"{config.input} has no {', '.join(data.spec.output_channels)} to compare with: use dlgd.predict"
            )
    folder = run / "evaluation" / where
    make_writable(folder)
    report(
        methods=[
            Trained(name=former.choices.model, network=network, data=data, device=device),
            *build.comparison(former),
        ],
        samples=samples,
        evaluation=build.evaluation(former),
        folder=folder,
        tracker=Off(experiment=former.data.name, folder=folder),
        title=f"{former.data.name}, {where}, {kept.state.step} steps",
        part=where,
    )
    print(f"everything is in {folder}")


if __name__ == "__main__":
    main()
