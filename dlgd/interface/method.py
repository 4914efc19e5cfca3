"""A classical method by its name, with options as keywords: `dlgd.method("oi", Lx=1.0)`."""

from __future__ import annotations

import inspect
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from dlgd.cli import entry, run_log, runs
from dlgd.cli.output_file import files_named, output_file
from dlgd.core import checks, trust
from dlgd.core.config import plain
from dlgd.core.constants import PARTIAL, TARGET
from dlgd.core.errors import Refusal
from dlgd.interface import data as data_sets
from dlgd.interface import words
from dlgd.interface.classical import Classical
from dlgd.interface.composing import composed, in_sentences
from dlgd.interface.data import Data

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from dlgd.core.contract import Evaluation
    from dlgd.core.contract import Method as Inner

log = logging.getLogger(__name__)


class Method:
    """A classical method, which predicts samples in physical units.

    >>> import dlgd
    >>> data = dlgd.data("mnist_5k", task="denoise", samples={"train": 100, "valid": 20, "test": 20})
    >>> method = dlgd.method("pca", modes=4)
    >>> fields = method.predict(data.samples("test"))
    >>> fields.intensity_predicted.dims
    ('sample', 'y', 'x')
    >>> method.evaluate(data.samples("test")).index.tolist()
    ['PCA 4']

    options: those of the method. summary: what it does, in a line. data: the data set for whose samples it is, and from
    whose train split it learns; None for the one that made the samples.
    """

    def __init__(
        self, name: str, options: Mapping[str, Any], *, summary: str, data: Data | None, allowed: trust.Allowed
    ) -> None:
        self.name, self.options, self.summary, self.data = name, dict(options), summary, data
        self._allowed = allowed
        self._built: dict[str, tuple[Inner, Evaluation]] = {}  # by the tag of the data
        self._table: pd.DataFrame | None = None

    def predict(self, samples: xr.Dataset) -> xr.Dataset:
        """Return the predictions for samples, in physical units, with coordinates and attributes.

        samples: of `dlgd.data(...).samples(...)`; or your own Dataset, in the form of a file for `predict`, if the
        method was made with `data=`. A method that learns is first fitted to the train split of the data.
        """
        from dlgd.scoring import answers

        with in_sentences("baseline"), trust.only(self._allowed):
            found, method, evaluation = self._for(samples)
            return answers.dataset(evaluation, method, found, method.predict(found))

    def evaluate(self, samples: xr.Dataset) -> pd.DataFrame:
        """Return the scores for samples with the truth as a DataFrame of one row; its `attrs` have the units."""
        from dlgd.scoring.report import scored
        from dlgd.scoring.table import frame

        with in_sentences("baseline"), trust.only(self._allowed):
            found, method, evaluation = self._for(samples, scored=True)
            result = scored([method], found, evaluation)
            self._table = frame(result.everything, result.columns)
        return self._table

    def _for(self, samples: xr.Dataset, *, scored: bool = False) -> tuple[xr.Dataset, Inner, Evaluation]:
        """Return checked samples, and the method and the evaluation for their data set. scored: whether they need the
        truth."""
        from dlgd.core import netcdf

        data_sets.refuse_no_dataset(samples)
        bare, tag = data_sets.apart(samples)
        data = data_sets.of_tag(tag) if self.data is None else self.data
        if data is None:
            raise Refusal(
                "nothing says of which data set these samples are: take those of dlgd.data(...).samples(...), or make "
                f"the method by dlgd.method({self.name!r}, data=dlgd.data(...))"
            )
        if tag == data.tag and data_sets.is_given(bare, tag):
            checked = bare
        else:  # the samples of a person, or changed by one
            checked = netcdf.through_file(data_sets.in_order(bare, tag), data.source.read)
        missing = [name for name in data.source.truth if name not in checked]
        if scored and missing:
            raise Refusal(f"the Dataset has no {', '.join(missing)} to compare with: use the method's predict")
        if data.tag not in self._built:
            self._built = {data.tag: self._build(data)}
        return checked, *self._built[data.tag]

    def _build(self, data: Data) -> tuple[Inner, Evaluation]:
        from dlgd import build

        with trust.only(trust.both(self._allowed, data.allowed)):
            method = build.method(OmegaConf.create(self.options))
            method.check(data.source)
            if method.learns:
                method.fit(data.prepare().source.samples("train"))
            return method, build.evaluation(data.config)

    def __repr__(self) -> str:
        options = ", ".join(f"{key}={value}" for key, value in self.options.items() if key not in (TARGET, PARTIAL))
        fitted = "" if self.data is None else f" for data={self.data.name}"
        return f"<Method {self.name}{fitted}: {options or 'no options'}>"

    def _repr_html_(self) -> str:
        from dlgd.interface import pages

        return pages.of_method(self, self._table)


def method(name: str, /, *typed: str, data: Data | None = None, **options: Any) -> Method:
    """Return a classical method of conf/baseline.

    name: a file in conf/baseline, such as "oi".
    typed: further words as at a command, such as "baseline.Lt=5".
    data: the data set for whose samples it is; needed for samples of your own, see `Method`.
    options: those of the method, such as Lx=1.0.

    Raises Refusal where a name is wrong, with the command's sentence:

    >>> import dlgd
    >>> dlgd.method("oi", noisy=0.1)
    Traceback (most recent call last):
    dlgd.core.errors.Refusal: baseline.noisy is no option: ... (did you mean baseline.noise?)
    """
    from dlgd import build

    data_sets.refuse_no_data(data)
    with composed("baseline", words.overrides({"baseline": (name, options)}, typed)) as config:
        inner = build.method(config.baseline).inner  # refuses what no method takes
        summary = next(iter((inspect.getdoc(type(inner)) or "").splitlines()), "")
        return Method(name, plain(config.baseline), summary=summary, data=data, allowed=trust.now_allowed())


def score_method(config: DictConfig, *, printed: bool) -> Path:
    """Score a classical method on a split or on `input`, and record it as a run, in the folder that is in force.

    Samples of one's own without the truth have no scores: predictions.nc is written alone. Returns the folder.

    config: that of `python -m dlgd.baseline`. printed: whether the table of scores is printed.
    """
    from dlgd import build
    from dlgd.cli.multirun_summary import name_in_multirun
    from dlgd.core import netcdf
    from dlgd.core.files import make_writable
    from dlgd.scoring import descriptions
    from dlgd.scoring.report import report

    folder = entry.output_folder()
    asked = Classical(config)
    config, method, data = asked.config, asked.own, asked.data
    file = None if config.get("input") is None else checks.path("input", config.input)
    read = files_named([file, plain(config.data)])
    output = None if config.get("output") is None else output_file(config.output, *read)
    evaluation = build.evaluation(config, samples_of_data=file is None)
    own = None if file is None else asked.read(file)
    where = config.split if file is None else file.stem
    tracker = build.tracker(config, folder)
    make_writable(folder)
    runs.write_config(config, folder)
    splits = [config.split] if own is None else []
    used = ["train", *splits] if method.learns and config.split != "train" else splits
    if used:
        data.prepare()
    scores = descriptions.of_report(evaluation, [method])
    params, tags = build.params_and_tags(
        config, config.choices, device_name="cpu", source=data if used else None, splits=used, scores=scores
    )
    name = name_in_multirun(folder) or f"{method.name}-{config.data.name}"
    tracker.start(name=name, params=params, tags=tags, run_id=runs.run_id(folder))
    with tracker.recorded(), run_log.recorded(tracker):
        if own is not None and not set(data.truth) <= set(own):
            log.info("%s has no %s to compare with: it is answered and not scored", file, ", ".join(data.truth))
            netcdf.write(asked.answer(own), folder / "predictions.nc")
            tracker.artifact(folder / "predictions.nc")
            _copied(folder / "predictions.nc", output)
            log.info("everything is in %s", folder)
            return folder
        report(
            methods=[asked.method()],
            samples=data.samples(config.split) if own is None else own,
            evaluation=evaluation,
            folder=folder,
            tracker=tracker,
            title=f"{config.data.name}, {f'{where} split' if own is None else file}",
            split=where,
            printed=printed,
        )
    _copied(folder / "predictions.nc", output)
    log.info("everything is in %s", folder)
    return folder


def _copied(predictions: Path, output: Path | None) -> None:
    """Write the file of predictions in another place, too, if one was typed."""
    from dlgd.core.files import written_whole

    if output is not None:
        with written_whole(output) as partial:
            shutil.copyfile(predictions, partial)
        log.info("the predictions are in %s, too", output)
