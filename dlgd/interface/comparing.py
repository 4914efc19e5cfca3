"""A table of finished runs: `dlgd.compare(experiment="nemovar")`."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from dlgd.cli import own_folders
from dlgd.cli.typed_options import choices_of
from dlgd.core import passwords
from dlgd.core.errors import Refusal
from dlgd.interface import arguments, words
from dlgd.interface.composing import composed
from dlgd.results.command_line import any_given

if TYPE_CHECKING:
    import pandas as pd

    from dlgd.results.tables import Table

NAMED = 10  # folders of runs that MLflow lacks

log = logging.getLogger(__name__)


def compare(
    *typed: str,
    experiment: str | None = None,
    runs: Mapping[str, Any] | None = None,
    split: str | None = None,
    scores: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    against: str | None = None,
    any_data: bool | None = None,
    tracking: Mapping[str, Any] | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Return a table of finished runs, of networks and classical methods, as `python -m dlgd.compare` makes it.

    experiment: one of MLflow, where each data set and task has one: "nemovar", "mnist_5k-denoise"; or a file in
        experiments/, whose rows are then in the table, run or not: "normalization/skip_connections".
    runs: conditions, of which a run must meet all: {"experiment": "nemovar", "tag": "campaign:winter"}; also "filter",
        "ids" and "parent", see conf/compare.yaml.
    split, scores, methods, against, any_data: as at the command.
    tracking: {"uri": ...} for another MLflow.
    typed: further words as at the command; beside a file of experiments/, those with which its runs were trained.
    folder: where the table is written with its figures, as Markdown, CSV and LaTeX; None: nowhere.

    The rows are named by what tells them apart. Columns are `seeds`, and for each score its mean, <score>_std over
    seeds and <score>_printed elsewhere, where any row has one. `attrs` has the title, the notes and the commands that
    make missing runs.

    Raises Refusal where there is no such run:

    >>> import dlgd
    >>> dlgd.compare(experiment="nemovar")
    Traceback (most recent call last):
    dlgd.core.errors.Refusal: there is no MLflow database ...mlflow.db: train something first, or give tracking.uri
    """
    arguments.words(typed)
    experiment = arguments.text("experiment", experiment, example='a name such as "nemovar", or None')
    runs = arguments.options("runs", runs, example='{"experiment": "nemovar"}')
    if folder is not None:
        arguments.path("folder", folder, example="the path of a folder, or None")
    if isinstance(tracking, Mapping):
        arguments.text("tracking.uri", tracking.get("uri"), example="the address of an MLflow, or None")
    with own_folders.kept():
        own_folders.take(typed, "compare")
        of_mlflow = experiment is not None and experiment not in choices_of("experiment")
    conditions = {**({"experiment": experiment} if of_mlflow else {}), **runs}
    options = {
        "experiment": None if of_mlflow else experiment, "runs": conditions or None, "split": split, "scores": scores,
        "methods": methods, "against": against, "any_data": any_data, "tracking": tracking,
    }  # fmt: skip
    with composed("compare", words.overrides(words.given(options), typed)) as config:
        missing = missing_runs(config)
        if missing:
            log.warning(missing)
        table = table_of(config)
        if folder is not None:
            table.write(Path(folder))
        return table.frame()


def table_of(config: DictConfig) -> Table:
    """Return the table that a configuration of `python -m dlgd.compare`, which is in force, asks for."""
    if any_given(config.runs):
        from dlgd.results.runs_table import compare_runs

        return compare_runs(config)
    from dlgd.results.experiment_table import compare_experiment

    return compare_experiment(config)


def missing_runs(config: DictConfig) -> str:
    """Return which runs in the working folder have not reached the MLflow that is asked, in words; empty where none."""
    from dlgd.tracking import late, store

    if "uri" not in config.tracking:
        raise Refusal("runs are found in MLflow, which tracking=off does not use: type another tracking")
    folders = [one for one in map(Path, ("outputs", "multirun")) if one.is_dir()]
    where = store.locate(config.tracking.uri)
    shown = passwords.shown(where)
    missing = [str(folder) for folder, record in late.unsent(folders).items() if record.uri == shown]
    if not missing:
        return ""
    named = ", ".join(missing[:NAMED]) + (f" and {len(missing) - NAMED} more" if len(missing) > NAMED else "")
    return (
        f"{len(missing)} runs are not or not wholly in MLflow at {shown}: {named}; "
        f"send them by {store.send_command(where)}"
    )
