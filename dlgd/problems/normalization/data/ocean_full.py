"""The full diffusion operator of three dimensions, and its exact coefficients: data=ocean_full.

F = W^-1/2 A^-M W^-1/2 of `physics.diffusion3d`: one implicit step goes through all six faces at once. No sum over
columns gives its coefficients, so that networks see volumes. Samples have the variables of data=ocean but for
gamma_horizontal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import checks
from dlgd.core.constants import SPLITS
from dlgd.core.contract import Batch
from dlgd.core.errors import Refusal
from dlgd.core.options import from_keywords
from dlgd.core.specs import StaggeredGridSpec
from dlgd.physics import normalization3d
from dlgd.problems.normalization.data import fields3d
from dlgd.problems.normalization.data.closed_forms import VOLUME_FORMS
from dlgd.problems.normalization.data.features import INNER, Dimensionless, Padded
from dlgd.problems.normalization.data.ocean import Ocean, OceanOptions
from dlgd.problems.normalization.data.operator_source import OperatorSource

FORM = "implicit"  # of `physics.diffusion3d`
REACH = 16.0  # length scales between Diracs of a probing; errors of gamma^2, measured: 8e-6 in the mean, at most 1e-3
AREA_STEP = 0.3  # of log(V_p / V_q): cells that a bottom cuts differ more than areas do


class Volume(Dimensionless):
    """The same features of six faces: couplings, open faces and differences of volumes also through top faces."""

    TOP = ("log_coupling_k", "open_k", "log_area_step_k")

    def __init__(self, closed_form: str, area_step: float) -> None:
        super().__init__(VOLUME_FORMS[closed_form](), area_step)

    @property
    def channels(self) -> tuple[str, ...]:
        """Those of two dimensions, and those of top faces."""
        return (*super().channels, *self.TOP)

    def fields(self, padded: Padded, library: Any) -> list[Any]:
        """Zero in rock and on closed faces. library: numpy, since no graph is exported."""
        log_w, alpha = np.log(padded.w[INNER]), padded.alpha_k[:-1][INNER]
        step = np.diff(log_w, axis=-3, prepend=log_w[:1])
        is_open = alpha > 0
        log_r = np.log(np.where(is_open, alpha, 1.0)) - log_w + step / 2
        return [
            *super().fields(padded, library),
            np.where(is_open, (log_r - self.CENTRE) / self.WIDTH, 0.0),
            is_open,
            np.where(is_open, np.clip(step / self.area_step, -4, 4), 0.0),
        ]


@dataclass(frozen=True, kw_only=True)
class FullOceanOptions(OceanOptions):
    """Options besides those of `OceanOptions`: none; the default of area_step is another one."""

    area_step: float = AREA_STEP  # older run folders do not give it, and were trained with it


@from_keywords(FullOceanOptions)
class FullOcean(Ocean):
    """Simulated samples of the full operator. See conf/data/ocean_full.yaml, and `FullOceanOptions`.

    Training tiles are columns from the surface to the deepest level, with a halo to the sides.
    """

    def __init__(self, options: FullOceanOptions) -> None:
        OperatorSource.__init__(self, options)
        checks.choice("data.closed_form", options.closed_form, VOLUME_FORMS)
        self.features = Volume(options.closed_form, options.area_step)

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        super().check()
        if self._grid.topology.south_north == "fold":
            raise Refusal(f"data={self.options.name} serves no grid with a north fold: choose another data.grid")

    def tiny(self) -> FullOcean:
        """The same on few cells."""
        kind: Any = FullOcean  # of keywords
        return kind(**vars(super().tiny().options) | {"levels": 4, "rows": 18, "columns": 20, "patch": 8})

    @property
    def spec(self) -> StaggeredGridSpec:
        """Volumes of gamma."""
        return replace(super().spec, grid=(self.options.levels, *self.shape))

    # --- samples -------------------------------------------------------------------------------------------

    def _make_base(self) -> xr.Dataset:
        return super()._make_base().assign_attrs(form=FORM)

    def _make_sample(self, base: xr.Dataset, split: str, number: int) -> xr.Dataset:
        options = self.options
        operator = self._operator(base, np.random.default_rng([options.seed, SPLITS.index(split), number]))
        tolerance = options.tolerance["train" if split == "train" else "evaluation"]
        gamma = normalization3d.probing(operator, reach=REACH, tolerance=tolerance)
        return fields3d.sample(operator, gamma, None).assign_attrs(tolerance=tolerance)

    def _complete(self, samples: xr.Dataset) -> xr.Dataset:
        form = self.features.closed_form
        assert form is not None
        return fields3d.complete_volumes(samples, self.features.distance_metric, form)

    def read(self, path: Path) -> xr.Dataset:
        """The samples of a user's file, see the head of `ocean.py`."""
        found = fields3d.read(path, self.options, form=FORM, steps=self._steps_of_files, otherwise=self.steps)
        return self._complete(found)

    # --- tensors -------------------------------------------------------------------------------------------

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """Whole grids with all levels, one sample at a time: (1, C, level, y, x)."""
        return OperatorSource.encode(self, samples, halo=halo, device=device)

    def _of_fields(self, weight: np.ndarray) -> np.ndarray:
        """(1, y, x): columns have tiles as often as they have sea."""
        return weight.sum(axis=0, keepdims=True)

    def to_physical(self, prediction: Tensor, samples: xr.Dataset | None) -> np.ndarray:
        """(sample, 1, level, y, x) -> gamma (sample, level, y, x) in m^(3/2), NaN in rock."""
        return OperatorSource.to_physical(self, prediction, samples)
