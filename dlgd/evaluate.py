"""python -m dlgd.evaluate run=<folder, MLflow id or checkpoint>: score a trained network again, or on other data."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, open_dict

from dlgd.cli import data_options, entry
from dlgd.core import checks
from dlgd.core.config import plain
from dlgd.interface import evaluating, loading, report_folder


@entry.command("evaluate")
def main(config: DictConfig) -> None:
    """Score a network. Writes into <run folder>/evaluation/<split or file>/ or outputs/<checkpoint>/evaluation/...,
    and with other options than an evaluation there into <split or file>-2/, -3/, ..."""
    run = loading.found(config.run, config, criterion=config.criterion, device=config.device)
    other = data_options.of_command(config, run.config)
    scored = run.config if other is None else other
    if config.get("evaluation") is not None:
        with open_dict(config):
            config.data = scored.data
        scored = entry.with_evaluation(config)
    file = None if config.input is None else checks.path("input", config.input)
    parent = Path("outputs") / run.path.stem if run.folder is None else run.folder
    question = report_folder.digest(
        {
            "run": run.path.absolute(),
            "input": None if file is None else file.absolute(),
            "split": config.split,
            "criterion": config.criterion,
            "data": plain((run.config if other is None else other).data, resolve=False),
            "evaluation": plain(scored.evaluation, resolve=False),
        }
    )
    usual = parent / "evaluation" / evaluating.where_of(file, config.split, other)
    folder = report_folder.for_question(usual, question)
    evaluating.report_on(
        run, file, split=config.split, data=other, scored=scored, folder=folder, printed=True, question=question
    )
    print(f"everything is in {folder}")


if __name__ == "__main__":
    main()
