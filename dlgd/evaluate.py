"""python -m dlgd.evaluate run=<folder, MLflow id or checkpoint>: score a trained network again, or on other data."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from dlgd.cli import entry
from dlgd.core import checks
from dlgd.interface import evaluating, loading


@entry.command("evaluate")
def main(config: DictConfig) -> None:
    """Score a network. Writes into <run folder>/evaluation/<split or file>/ or outputs/<checkpoint>/evaluation/..."""
    run = loading.found(config.run, config, criterion=config.criterion, device=config.device)
    other, scored = config if config.get("data") is not None else None, run.config
    if config.get("evaluation") is not None:
        config.data = run.config.data if other is None else config.data
        scored = entry.with_evaluation(config)
    file = None if config.input is None else checks.path("input", config.input)
    parent = Path("outputs") / run.path.stem if run.folder is None else run.folder
    folder = parent / "evaluation" / evaluating.where_of(file, config.split, other)
    evaluating.report_on(run, file, split=config.split, data=other, scored=scored, folder=folder, printed=True)
    print(f"everything is in {folder}")


if __name__ == "__main__":
    main()
