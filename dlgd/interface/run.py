"""A run, of which much is known and which can predict: what `dlgd.train` and `dlgd.load` return."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from dlgd.core import repair, trust
from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.interface import data as data_sets
from dlgd.interface import predicting, records
from dlgd.interface.composing import in_sentences
from dlgd.interface.data import Data

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from dlgd.core.contract import DataSource, Network
    from dlgd.core.repair import Check
    from dlgd.scoring.trained import Trained
    from dlgd.training.checkpoint import Checkpoint


class Run:
    """A run: a training, or a classical method that `python -m dlgd.baseline` has scored.

    >>> import dlgd
    >>> run = dlgd.train(
    ...     model=("cnn", {"width": 8}), data=("mnist_5k", {"samples": {"train": 100, "valid": 20, "test": 20}}),
    ...     training=("debug", {"criteria": ["loss"]}), evaluation={"methods": None}, tracking="off", device="cpu",
    ... )
    >>> run.config.model.width, run.history.index.name, run.table.index.tolist()
    (8, 'step', ['cnn'])
    >>> answers = run.predict(run.data.samples("test"))
    >>> answers.probability.dims
    ('sample', 'class')
    >>> table = run.evaluate(run.data.samples("valid"))
    >>> bool(0 <= table.accuracy["cnn"] <= 100)
    True

    path: its folder, or a checkpoint file. config: its configuration, with which all was made.
    """

    def __init__(
        self, path: Path, former: DictConfig | None, *, criterion: str | None, device: str, allowed: trust.Allowed
    ) -> None:
        self.path, self._former = path, former
        self._criterion, self._device, self.allowed = criterion, device, allowed
        self.config = former if former is not None else self._of_checkpoint()

    # --- what is known of it -----------------------------------------------------------------------------------

    @property
    def folder(self) -> Path | None:
        """The folder of the run; None for a checkpoint file alone."""
        return None if self._former is None else self.path

    @property
    def shown_path(self) -> str:
        """The path, short where it lies below the working folder."""
        try:
            return str(self.path.relative_to(Path.cwd()))
        except (ValueError, OSError):  # elsewhere, or the working folder was removed
            return str(self.path)

    @property
    def name(self) -> str:
        """What is trained on what: "cnn on mnist_5k"."""
        return f"{self.method_name} on {self.config.data.name}"

    @property
    def scores(self) -> dict[str, float]:
        """The scores on the test split, by name; those of the network or method of the run. Empty before its end."""
        rows = records.scores(self.folder)
        return {name: value for name, value in rows[0].items() if name != "method"} if rows else {}

    @property
    def table(self) -> pd.DataFrame:
        """The scores on the test split, a row for each method: first that of the run, then classical ones."""
        from dlgd.scoring.table import frame

        return frame(records.scores(self.folder))

    @property
    def history(self) -> pd.DataFrame:
        """The curves of the training by `step`: train/loss, valid/loss, valid/<score>, ...; NaN where not recorded."""
        with trust.only(self.allowed):
            return records.history(self.path)

    @property
    def figures(self) -> dict[str, Path]:
        """The PNG figures in the folder of the run, by name, such as figures["overview"]."""
        return {} if self.folder is None else {one.stem: one for one in sorted((self.folder / "figures").glob("*.png"))}

    @functools.cached_property
    def data(self) -> Data:
        """The data set with which it was trained, scaled as then."""
        return Data(data_sets.for_data(self.config.copy()), source=self.built[1], allowed=self.allowed)

    @property
    def network(self) -> Network:
        """The network, a PyTorch module on the CPU or GPU, with the weights that were best in its validations."""
        return self.built[2]

    # --- what can be done with it ------------------------------------------------------------------------------

    def predict(
        self,
        samples: xr.Dataset | str | os.PathLike[str],
        *,
        data: Data | Mapping[str, Any] | None = None,
        check: int | None = None,
        tolerance: float | None = None,
        seconds: float | None = None,
    ) -> xr.Dataset:
        """Return the predictions of the network, in physical units, with coordinates and attributes.

        samples: a Dataset, or the path of a NetCDF file; what it must hold stands on the page of the problem. Raises
        Refusal where it does not fit.
        data: options of the data with which samples are read, such as {"south_north": "closed"}; the others are those
        of the training. Or another data set.
        check, tolerance, seconds: as of `python -m dlgd.predict`, where None is what is usual there; what is found is
        logged.
        """
        with self._at_work("predict"):
            source = self.source(data_sets.other(self.config, data))
            asked = repair.asked(check, tolerance=tolerance, seconds=seconds)
            return self.answer(self.read(samples, source), source, asked)

    def evaluate(
        self,
        samples: xr.Dataset | str | os.PathLike[str] | None = None,
        *,
        split: str = "test",
        data: Data | Mapping[str, Any] | None = None,
        methods: bool = True,
        folder: str | os.PathLike[str] | None = None,
    ) -> pd.DataFrame:
        """Return the scores of the network and, below it, of the classical methods of its problem.

        samples: a Dataset or the path of a NetCDF file with the truth, as `predict` takes it; None for a split.
        split: "train", "valid" or "test".
        data: another data set, with its own scores and methods, or options that replace those of the training; None for
        the data set of the training.
        methods: whether the classical methods are scored too.
        folder: where scores.json, scores.md, predictions.nc and figures/ are written, new or one of an earlier
        evaluation, which they replace; None: nowhere.

        The DataFrame's `attrs` have the units of the scores, and rows that others have published.
        """
        from dlgd.interface import report_folder
        from dlgd.interface.evaluating import report_on
        from dlgd.scoring.table import frame

        if split not in SPLITS:
            raise Refusal(f"split={split} is unknown: choose one of {', '.join(SPLITS)}")
        other = data_sets.other(self.config, data)
        where = None if folder is None else report_folder.checked(folder)
        with self._at_work("evaluate"):
            found = report_on(
                self,
                samples,
                split=split,
                data=other,
                scored=self.config if other is None else other,
                methods=methods,
                folder=where,
                printed=False,
            )
        return frame(found.everything, found.columns)

    def export(
        self,
        output: str | os.PathLike[str],
        *,
        input: str | os.PathLike[str] | None = None,
        tolerance: float = 1e-4,
        data: Data | Mapping[str, Any] | None = None,
    ) -> str:
        """Write the network, with what its data set does before and after it, as one file for other programs.

        output: a name that ends in .onnx or .pt2, which says what is written; docs/export.md has what the files hold.
        input: a NetCDF file with samples on which it is checked; None: the test split if it is in the cache, else the
        small version of the data.
        tolerance: largest difference from the run, over the standard deviation of its answers, with which a file is
        written.
        data: as in `predict`.

        Returns the inputs, the output and the largest difference. Raises Refusal where no file is written.
        """
        from dlgd.interface import exporting

        with self._at_work("export"):
            made = exporting.write(
                self, output, input=input, tolerance=tolerance, data=data_sets.other(self.config, data)
            )
        return f"{made.signature()}; largest difference from the run: {made.words()}"

    def resume(self, *typed: str, training: Mapping[str, Any] | None = None) -> Run:
        """Go on with the training, in its folder, and return the run as it is then.

        typed: words as at the command, such as "optimizer.lr=1e-4". training: options that replace those of the run,
        such as {"steps": 200}.
        """
        from dlgd.interface import arguments, words
        from dlgd.interface.training import train_with

        if self.folder is None:
            raise Refusal(f"{self.path} is a checkpoint, and only a run folder can be resumed: load that")
        arguments.options("training", training, example='{"steps": 200}')
        options = words.given({"resume": self.folder, "training": training})
        return train_with(words.overrides(options, typed), allowed=self.allowed, device=self._device)

    # --- for commands ------------------------------------------------------------------------------------------

    def read(self, samples: xr.Dataset | str | os.PathLike[str], source: DataSource | None = None) -> xr.Dataset:
        """Return samples of a file or Dataset, checked, as a data set gives them; None for that of the training."""
        from dlgd.core import netcdf

        read = self.built[1].read if source is None else source.read
        if isinstance(samples, str | os.PathLike):
            return read(Path(samples).expanduser())
        bare, tag = data_sets.apart(samples)
        return netcdf.through_file(data_sets.in_order(bare, tag), read)

    def source(self, data: DictConfig | None) -> DataSource:
        """Return the data set of a configuration, for this network; None for that of the training."""
        from dlgd import build

        return self.built[1] if data is None else build.other_data(data, self.built[1])

    def answer(self, samples: xr.Dataset, source: DataSource | None = None, check: Check | None = None) -> xr.Dataset:
        """Return the predictions for samples that `read` gave."""
        return predicting.answer(self, samples, source, check)

    def method(self, source: DataSource | None = None) -> Trained:
        """Return the network as a method, on the device, for samples of a data set; None for that of the training."""
        from dlgd import build
        from dlgd.scoring.trained import Trained
        from dlgd.training import device

        config, trained_on, network, _ = self.built
        return Trained(
            name=self.method_name,
            network=network,
            data=trained_on if source is None else source,
            device=device.choose(self._device),
            loss=build.loss(config, (trained_on if source is None else source).spec),
        )

    @property
    def method_name(self) -> str:
        """The name of its row in a table: of the network or the classical method, as it is typed."""
        choices = self.config.choices
        return str(choices["model"] if "model" in choices else choices["baseline"])

    @functools.cached_property
    def built(self) -> tuple[DictConfig, DataSource, Network, Checkpoint]:
        """The configuration, data set, network and checkpoint; see `build.trained`."""
        from dlgd import build

        if "model" not in self.config:
            name = self.method_name
            raise Refusal(f"{self.path} is a run of the method {name}, without a network: use dlgd.method({name!r})")
        with trust.only(self.allowed):
            return build.trained(self.path, self._former, self._criterion)

    # --- within ------------------------------------------------------------------------------------------------

    @contextmanager
    def _at_work(self, config_name: str) -> Iterator[None]:
        """Return a context in which the run may call what it was allowed, and errors are the command's sentences."""
        with in_sentences(config_name), trust.only(self.allowed):
            yield

    def _of_checkpoint(self) -> DictConfig:
        from dlgd.training import checkpoint

        values = checkpoint.load(self.path).config
        return OmegaConf.create({key: value for key, value in values.items() if key != "statistics"})

    def __repr__(self) -> str:
        try:
            scores = ", ".join(f"{name} {value:.4g}" for name, value in list(self.scores.items())[:4])
        except Refusal:  # what shows a run does not fail
            scores = f"{records.SCORES} is damaged"
        return f"<Run {self.name}, {self.shown_path}: {scores or 'no scores yet'}>"

    def _repr_html_(self) -> str:
        from dlgd.interface import pages

        return pages.of_run(self)
