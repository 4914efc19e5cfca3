"""Diffusion operators of an ocean with levels and a bottom, and their exact coefficients: data=ocean.

The operator is the product of horizontal and vertical diffusion with the vertical outermost; see `physics.diffusion3d`.
Samples have the dimension `level`, from the surface down, and these variables, which a user's own file must have too:

    alpha_i (sample, level, y_face, x) m3   on south faces; the last row is the north side of the grid
    alpha_j (sample, level, y, x) m3        on west faces
    alpha_k (sample, level_face, y, x) m3   on top faces; the last row is the bottom of the deepest level
    w (level, y, x) m3                      volume of the cell
    mask (level, y, x)                      1 at sea, 0 in rock
    gamma (sample, level, y, x) m^(3/2)     normalization coefficient, NaN in rock
    gamma_horizontal                        the same of the horizontal operator of each level alone: networks of two
                                            dimensions predict it, and the sum over the column gives gamma
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
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
from dlgd.physics import normalization, normalization3d, vertical
from dlgd.physics.bathymetry import bathymetry_of_file, random_bathymetry
from dlgd.physics.diffusion import Diffusion
from dlgd.physics.diffusion3d import Diffusion3D, from_levels
from dlgd.physics.length_scales import random_diffusion
from dlgd.problems.normalization.data import fields, fields3d
from dlgd.problems.normalization.data.operator_source import OperatorSource
from dlgd.problems.normalization.data.simulated import NormalizationCoefficients, NormalizationOptions

VERTICAL = ("scale_min", "scale_max", "smoothness")
BOTTOM = ("deepest", "shallowest", "shelf", "seamounts", "path")


@dataclass(frozen=True, kw_only=True)
class OceanOptions(NormalizationOptions):
    """Options besides those of `NormalizationOptions`:

    levels: 31 or 75 of NEMO's reference configurations, or another number, at least 2; see `physics.vertical`.
    vertical: the random vertical length scales: `scale_min` and `scale_max`, their range in thicknesses of the levels,
        at most 10, and `smoothness`, their correlation length in degrees of arc.
    bottom: of the sea: `deepest` and `shallowest`, m; `shelf`, cells over which it falls away from the coast;
        `seamounts`, their number. With `path`, a NetCDF file of elevations of the whole globe, such as ETOPO1, it is
        that of the file; `shelf` and `seamounts` then do nothing. Null: a generated one. See `physics.bathymetry`.

    Only dimensionless features suit levels that are not equally thick.
    """

    levels: int
    vertical: Mapping[str, float]
    bottom: Mapping[str, Any]

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        super().check()
        checks.choice("data.features", self.features, ("dimensionless",))
        checks.whole_number("data.levels", self.levels, least=2)
        for option, given, wanted in (("vertical", self.vertical, VERTICAL), ("bottom", self.bottom, BOTTOM)):
            if set(given) | {"path"} != set(wanted) | {"path"}:
                raise Refusal(f"data.{option} must give {', '.join(wanted)}, and nothing else")
        low, high = self.vertical["scale_min"], self.vertical["scale_max"]
        checks.number("data.vertical.scale_min", low, above=0)
        checks.number("data.vertical.scale_max", high, least=low, most=10)
        checks.number("data.vertical.smoothness", self.vertical["smoothness"], above=0)
        checks.number("data.bottom.shallowest", self.bottom["shallowest"], above=0)
        checks.number("data.bottom.deepest", self.bottom["deepest"], least=self.bottom["shallowest"])
        checks.number("data.bottom.shelf", self.bottom["shelf"], above=0)
        checks.whole_number("data.bottom.seamounts", self.bottom["seamounts"], least=0)
        if self.bottom_file is not None and not self.bottom_file.is_file():
            raise Refusal(f"data.bottom.path={self.bottom_file} is no file: give the path of a NetCDF of elevations")

    @property
    def bottom_file(self) -> Path | None:
        """The file of `bottom`, if there is one."""
        path = self.bottom.get("path")
        return None if path is None else checks.path("data.bottom.path", path)


@from_keywords(OceanOptions)
class Ocean(NormalizationCoefficients):
    """Simulated samples with levels. See conf/data/ocean.yaml, and `OceanOptions`.

    All samples have the same bottom. Horizontal scales change evenly from one random choice at the surface to another
    one at the deepest level.
    """

    options: OceanOptions  # pyright: ignore[reportIncompatibleVariableOverride]
    made_from = (*NormalizationCoefficients.made_from, "levels", "vertical", "bottom")
    units = "m1.5"
    knows_exact = False  # by `repair`, which is of two dimensions

    def __init__(self, options: OceanOptions) -> None:
        OperatorSource.__init__(self, options)

    @property
    def inputs(self) -> Sequence[str]:
        """The diffusivities: all else of a sample follows from them and from the grid."""
        return ("alpha_i", "alpha_j", "alpha_k")

    def tiny(self) -> Ocean:
        """The same with few levels."""
        kind: Any = Ocean  # of keywords
        return kind(**vars(super().tiny().options) | {"levels": 6})

    # --- samples -------------------------------------------------------------------------------------------

    def _make_base(self) -> xr.Dataset:
        options, grid, sea = self.options, self._grid, self._sea()
        w_depth = vertical.interfaces(options.levels)
        depth = self._depth(sea)
        depth = np.where(sea, np.maximum(depth, w_depth[1]), 0)  # of one level at least
        thickness, wet = vertical.partial_cells(depth, w_depth)
        deep = int(np.flatnonzero(wet.any(axis=(1, 2)))[-1]) + 1
        base = fields.base(grid.lat, grid.lon, grid.area, sea, grid.topology).drop_vars(["w", "mask"])
        dims = ("level", "y", "x")
        centre = ("level", (w_depth[:deep] + w_depth[1 : deep + 1]) / 2, {"units": "m", "positive": "down"})
        return (
            fields.with_steps(base, options.steps)
            .assign(
                w=(dims, grid.area * thickness[:deep], {"units": "m3", "long_name": "cell volume"}),
                mask=(dims, wet[:deep], {"long_name": "sea", "flag_values": "0, 1", "flag_meanings": "rock sea"}),
            )
            .assign_coords(depth=centre)
        )

    def _depth(self, sea: np.ndarray) -> np.ndarray:
        """Of the bottom, (y, x) m."""
        numbers = {key: value for key, value in self.options.bottom.items() if key != "path"}
        if (file := self.options.bottom_file) is None:
            return random_bathymetry(self._grid, sea, np.random.default_rng(self.options.seed), **numbers)
        limits = {name: numbers[name] for name in ("deepest", "shallowest")}
        return bathymetry_of_file(file, self._grid, sea, **limits)

    def _make_sample(self, base: xr.Dataset, split: str, number: int) -> xr.Dataset:
        options = self.options
        operator = self._operator(base, np.random.default_rng([options.seed, SPLITS.index(split), number]))
        tolerance = options.tolerance["train" if split == "train" else "evaluation"]
        exact = partial(normalization.exact, tolerance=tolerance)
        energy = normalization3d.level_energies(operator, exact)
        horizontal = normalization3d.from_energy(operator, energy)
        gamma = normalization3d.from_energy(operator, normalization3d.column_sums(operator, energy))
        return fields3d.sample(operator, gamma, horizontal).assign_attrs(tolerance=tolerance)

    def _operator(self, base: xr.Dataset, rng: np.random.Generator) -> Diffusion3D:
        options, grid = self.options, self._grid
        w_depth = vertical.interfaces(options.levels)[: base.sizes["level"] + 1]
        sea, area = base.mask.values, grid.area
        top, deep = (random_diffusion(grid, sea[0], rng, options.scales, options.steps) for _ in range(2))
        levels = [_between(top, deep, share) for share in np.linspace(0, 1, len(sea))]
        scales = {"least": options.vertical["scale_min"], "most": options.vertical["scale_max"]}
        smoothness = options.vertical["smoothness"]
        l_v = vertical.random_vertical_scales(grid, w_depth, rng, **scales, smoothness=smoothness)
        return from_levels(levels, area, base.w.values / area, sea, l_v)

    def _complete(self, samples: xr.Dataset) -> xr.Dataset:
        return fields3d.complete(samples, self.features.distance_metric, self.features.closed_form)

    def read(self, path: Path) -> xr.Dataset:
        """The samples of a user's file, see the head of this module."""
        found = fields3d.read(path, self.options, steps=self._steps_of_files, otherwise=self.steps)
        return self._complete(found)

    # --- tensors -------------------------------------------------------------------------------------------

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """Whole grids, one at a time: all samples of the first level, then those of the next."""
        for k in range(samples.sizes["level"]):
            yield from super().encode(fields3d.level(samples, k), halo=halo, device=device)

    def _of_fields(self, weight: np.ndarray) -> np.ndarray:
        """(level, y, x): each level has patches as often as it has sea, around cells of its own sea."""
        return weight

    def to_physical(self, prediction: Tensor, samples: xr.Dataset | None) -> np.ndarray:
        """(level * sample, 1, y, x), as `encode` orders them -> gamma (sample, level, y, x) in m^(3/2), NaN in rock."""
        assert samples is not None, "gamma is relative to a closed form, and needs the columns of the samples"
        levels = prediction.unflatten(0, (samples.sizes["level"], samples.sizes["sample"]))
        horizontal = np.stack(
            [super(Ocean, self).to_physical(one, fields3d.level(samples, k)) for k, one in enumerate(levels)], axis=1
        )
        found = []
        for operator, gamma in zip(fields3d.operators(samples), horizontal, strict=True):
            energy = np.where(operator.sea, operator.volume / gamma**2, 1.0)
            found.append(normalization3d.from_energy(operator, normalization3d.column_sums(operator, energy)))
        return np.stack(found)

    def physical_graph(self, *, halo: int, samples: xr.Dataset | None) -> None:
        """None: the network is exported alone."""


def _between(top: Diffusion, deep: Diffusion, share: float) -> Diffusion:
    """The operator whose length scales are the geometric means of two, with the share of the deep one."""
    return replace(
        top,
        alpha_i=top.alpha_i ** (1 - share) * deep.alpha_i**share,
        alpha_j=top.alpha_j ** (1 - share) * deep.alpha_j**share,
    )
