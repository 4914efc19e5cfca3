"""python -m dlgd.evaluate run=<folder, MLflow id or checkpoint>: score a trained network again, or on other data."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, open_dict

from dlgd.cli import data_options, entry
from dlgd.core import checks
from dlgd.interface import evaluating, loading


@entry.command("evaluate")
def main(config: DictConfig) -> None:
    """Score a network. Writes into <run folder>/evaluation/<split or file>/ or outputs/<checkpoint>/evaluation/..."""
    run = loading.found(config.run, config, criterion=config.criterion, device=config.device)
    other = data_options.of_command(config, run.config)
    scored = run.config if other is None else other
    if config.get("evaluation") is not None:
        with open_dict(config):
            config.data = scored.data
        scored = entry.with_evaluation(config)
    file = None if config.input is None else checks.path("input", config.input)
    parent = Path("outputs") / run.path.stem if run.folder is None else run.folder
    folder = parent / "evaluation" / evaluating.where_of(file, config.split, other)
    evaluating.report_on(run, file, split=config.split, data=other, scored=scored, folder=folder, printed=True)
    print(f"everything is in {folder}")


if __name__ == "__main__":
    main()
