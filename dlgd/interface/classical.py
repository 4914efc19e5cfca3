"""A classical method and the data set for whose samples it is, as commands name them: `baseline=... data=...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, open_dict

from dlgd.cli import entry
from dlgd.core.errors import Refusal

if TYPE_CHECKING:
    import xarray as xr

    from dlgd.core.contract import DataSource
    from dlgd.core.repair import Check
    from dlgd.scoring.cached_method import CachedMethod


class Classical:
    """What a command does with a method. config: of the command; `config` here has the choices and one evaluation."""

    def __init__(self, config: DictConfig) -> None:
        from dlgd import build

        if config.get("data") is None:
            raise Refusal(
                "baseline=... needs the data set for whose samples it is: type data=..., such as data=lorenz63"
            )
        with open_dict(config):
            config.choices = entry.choices()
        self.config = entry.with_evaluation(config)
        self.own, self.data = build.method(self.config.baseline), build.data(self.config)
        self.own.check(self.data)

    def method(self) -> CachedMethod:
        """Return the method, fitted to the train split if it learns, which may take long."""
        from dlgd import build

        build.fitted([self.own], self.data)
        return self.own

    def read(self, path: Path, source: DataSource | None = None) -> xr.Dataset:
        """Return a user's own samples, checked. Raises Refusal where they do not fit."""
        return (self.data if source is None else source).read(path)

    def answer(self, samples: xr.Dataset, source: DataSource | None = None, check: Check | None = None) -> xr.Dataset:
        """Return the predictions for samples that `read` gave, with coordinates. Refusal of a check."""
        from dlgd import build
        from dlgd.scoring import answers

        if check is not None:
            raise Refusal("answers of classical methods are not checked: leave check out")
        evaluation = build.evaluation(self.config, samples_of_data=False)
        method = self.method()
        found = answers.dataset(evaluation, method, samples, method.predict(samples))
        return found.assign_attrs(source=f"dlgd baseline {self.config.choices['baseline']}")
