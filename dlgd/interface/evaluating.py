"""The scores of a run that was loaded, beside the classical methods; with a report in a folder, if one is wanted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from dlgd.core.errors import Refusal
from dlgd.interface import data as data_sets
from dlgd.interface import report_folder

if TYPE_CHECKING:
    import xarray as xr

    from dlgd.core.contract import DataSource
    from dlgd.interface.run import Run
    from dlgd.scoring.report import Scored


def report_on(
    run: Run,
    samples: xr.Dataset | str | os.PathLike[str] | None,
    *,
    split: str,
    data: DictConfig | None,
    scored: DictConfig,
    methods: bool = True,
    folder: Path | None,
    printed: bool,
    question: str = "",
) -> Scored:
    """Score the network of a run, and write a report into a folder, if there is one.

    samples, split, methods: as in `Run.evaluate`. data: the configuration with another data set; None for that of the
    training. scored: the configuration with the evaluation. printed: whether the table of a report is printed.
    question: what the folder is the answer to, see `report_folder.for_question`.
    """
    from dlgd import build
    from dlgd.scoring import report
    from dlgd.tracking.off import Off

    source, checkpoint = run.source(data), run.built[3]
    found, own = _samples(run, samples, split, source)
    if folder is not None:
        report_folder.prepare(folder)
    evaluation = build.evaluation(scored, samples_of_data=own)
    ours = [run.method(source), *build.fitted(build.comparison(scored) if methods else [], source)]
    if folder is None:
        return report.scored(ours, found, evaluation)
    report_folder.mark(folder, question)
    where = where_of(samples, split, data)
    return report.report(
        methods=ours,
        samples=found,
        evaluation=evaluation,
        folder=folder,
        tracker=Off(experiment=run.config.data.name, folder=folder),
        title=f"{where}: weights of step {checkpoint.state.step} of a training on {run.config.data.name}",
        split=where,
        printed=printed,
    )


def where_of(samples: object, split: str, data: DictConfig | None) -> str:
    """Return the name of what is scored: that of a file, a split, or a split of other data."""
    if isinstance(samples, str | os.PathLike):
        return Path(samples).stem
    if samples is not None:
        return "samples"
    return split if data is None else f"{data.data.name}-{split}"


def _samples(
    run: Run, samples: xr.Dataset | str | os.PathLike[str] | None, split: str, source: DataSource
) -> tuple[xr.Dataset, bool]:
    """Return the samples to be scored, and whether they are of a split of the data set."""
    if samples is None:
        return source.samples(split), True
    if isinstance(samples, str | os.PathLike):
        found, own, what = run.read(samples, source), False, str(samples)
    else:
        bare, tag = data_sets.apart(samples)
        own = source is run.built[1] and tag == run.data.tag and data_sets.is_given(bare, tag)
        found, what = bare if own else run.read(samples, source), "the Dataset"
    missing = [name for name in source.truth if name not in found]
    if missing:
        raise Refusal(f"{what} has no {', '.join(missing)} to compare with: use dlgd.predict")
    return found, own
