"""Diffusion operators on ocean grids and their exact coefficients: data=nemovar, mercator, latlon and regional.

A sample is a pair of random fields of length scales, whose gamma is computed exactly. Samples are xarray Datasets with
these variables, which a user's own file must have too:

    alpha_i (sample, y_face, x) m2   on south faces; the last row is the north side of the grid. A user's file with
                                     (sample, y, x) has a closed north side
    alpha_j (sample, y, x) m2        on west faces
    w (y, x) m2                      cell area
    mask (y, x)                      1 at sea, 0 on land
    gamma (sample, y, x) m           normalization coefficient, NaN on land; networks predict it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import cache, checks
from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.core.options import from_keywords
from dlgd.core.paths import cache_folder
from dlgd.core.progress import progress
from dlgd.physics import coastline, grids, normalization
from dlgd.physics.diffusion import STEPS
from dlgd.physics.length_scales import EquatorialBand, Fronts, LengthScales, NearCoasts, random_diffusion
from dlgd.problems.normalization.data import fields
from dlgd.problems.normalization.data.operator_source import OperatorOptions, OperatorSource

GRIDS = {
    "latlon": grids.latlon,
    "mercator": grids.mercator,
    "regional": grids.regional,
    "tripolar": grids.tripolar,
}
PARTS = {"coast": NearCoasts, "band": EquatorialBand, "fronts": Fronts}  # of data.diffusivity, besides numbers
TINY = {  # options of a data set that is made in a second
    "rows": 40,
    "columns": 48,
    "coast": "random",
    "samples": {"train": 2, "valid": 1, "test": 1},
    "patch": 16,
    "tolerance": {"train": 1e-4, "evaluation": 1e-4},
    "in_memory": True,
}
LARGEST_SCALE = 5  # cells; probing of longer ones does not reach all tolerances


@dataclass(frozen=True, kw_only=True)
class NormalizationOptions(OperatorOptions):
    """Options besides those of all data sets of operators:

    grid: latlon (whose sea ends at 80 degrees north and south), mercator, tripolar, or regional, along longitudes and
        latitudes with closed sides.
    region: of a regional grid, its sides `lat` [south, north] and `lon` [west, east], degrees, and `stretching`, 0 to
        0.9, by which cells are wider at the sides and narrower in the middle; null for other grids.
    rows, columns: cells of the grid, south-north and west-east.
    coast: "real", or "random" polar continents, for which no file of the real one is needed.
    samples: how many samples each split has, at least 1.
    tolerance: largest relative error of gamma^2, from 1e-8 to 1e-2: `train` of the training split, where noise of this
        size does no harm and saves time, and `evaluation` of the others.
    diffusivity: the random length scales of diffusion: `scale_min` and `scale_max`, their range in cells, at most 5;
        `anisotropy`, 0 (equal south-north and west-east) to 1 (independent); `smoothness`, their correlation length in
        degrees of arc, or a list of which each sample has one. Where they are given, with ranges [least, most] of which
        each sample has one value: `coast`, {share: of a scale that is left at the coast, cells: from the coast to where
        all of it is there}; `band`, {factor: of west-east scales about the equator, half_width: degrees}; `fronts`,
        {factor: of both scales on one side of them, area: share of the globe on that side}. See
        `physics.length_scales`.
    seed: of the random length scales and of the random coast.
    in_memory: whether samples are made each time and not kept in the cache.
    """

    rows: int
    columns: int
    coast: str
    samples: Mapping[str, int]
    tolerance: Mapping[str, float]
    diffusivity: Mapping[str, Any]
    seed: int
    region: Mapping[str, Any] | None = None
    in_memory: bool = False
    steps: int = STEPS

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        checks.choice("data.grid", self.grid, GRIDS)
        checks.choice("data.coast", self.coast, ("real", "random"))
        self._check_region()
        if set(self.samples) != set(SPLITS):
            raise Refusal(f"data.samples must give a number for each of {', '.join(SPLITS)}")
        for split in SPLITS:
            checks.whole_number(f"data.samples.{split}", self.samples[split], least=1)
        super().check()
        checks.whole_number("data.seed", self.seed, least=0)
        if set(self.tolerance) != {"train", "evaluation"}:
            raise Refusal("data.tolerance must give a number for each of train and evaluation")
        for split, tolerance in self.tolerance.items():
            checks.number(f"data.tolerance.{split}", tolerance, least=1e-8, most=1e-2)
        _ = self.scales

    def _check_region(self) -> None:
        if self.grid != "regional":
            if self.region is not None:
                raise Refusal(f"data.region is of data.grid=regional: leave it out with data.grid={self.grid}")
            return
        if not isinstance(self.region, Mapping) or set(self.region) != {"lat", "lon", "stretching"}:
            raise Refusal("data.region must give lat, lon and stretching for data.grid=regional, and nothing else")
        for name in ("lat", "lon"):
            checks.numbers(f"data.region.{name}", self.region[name], least=-360, most=360, example="[30,46]")
            if len(self.region[name]) != 2:
                raise Refusal(f"data.region.{name}={list(self.region[name])} must be the two sides of the region")
        checks.number("data.region.stretching", self.region["stretching"], least=0, most=0.9)

    @property
    def scales(self) -> LengthScales:
        """What `diffusivity` says. Raises Refusal where it cannot work."""
        numbers = ("scale_min", "scale_max", "anisotropy", "smoothness")
        given = {name: value for name, value in self.diffusivity.items() if value is not None}
        if not set(numbers) <= set(given) <= {*numbers, *PARTS}:
            known, more = ", ".join(numbers), ", ".join(PARTS)
            raise Refusal(f"data.diffusivity must give {known}, and may give {more}, and nothing else")
        low, high = given["scale_min"], given["scale_max"]
        for name, scale in (("scale_min", low), ("scale_max", high)):
            checks.number(f"data.diffusivity.{name}", scale)
        if not 0 < low <= high <= LARGEST_SCALE:
            raise Refusal(
                f"data.diffusivity.scale_min={low} and scale_max={high} must be positive, in order, "
                f"and at most {LARGEST_SCALE} cells"
            )
        checks.number("data.diffusivity.anisotropy", given["anisotropy"], least=0, most=1)
        for smoothness in np.atleast_1d(np.asarray(given["smoothness"], object)):
            checks.number("data.diffusivity.smoothness", smoothness, above=0)
        parts = {name: self._part(name, given[name]) for name in PARTS if name in given}
        try:
            scales = LengthScales(**{name: given[name] for name in numbers}, **parts)
        except ValueError as error:
            raise Refusal(f"data.diffusivity: {error}") from error
        if not len(np.atleast_1d(given["smoothness"])):
            raise Refusal("data.diffusivity.smoothness=[] must be a number, or some in a list")
        if scales.largest > LARGEST_SCALE:
            raise Refusal(f"data.diffusivity: its longest scale, {scales.largest:g} cells, is above {LARGEST_SCALE}")
        return scales

    def _part(self, name: str, given: object) -> Any:
        """Return a part of the length scales from its ranges."""
        wanted = [field.name for field in dataclass_fields(PARTS[name])]
        option = f"data.diffusivity.{name}"
        if not isinstance(given, Mapping) or set(given) != set(wanted):
            raise Refusal(f"{option}={given} must give {' and '.join(wanted)}, each as [least, most]")
        for inner, ends in given.items():
            if isinstance(ends, str) or not isinstance(ends, Sequence) or len(ends) != 2:
                raise Refusal(f"{option}.{inner}={ends} must be [least, most]")
            for end in ends:
                checks.number(f"{option}.{inner}", end, above=0)
        return PARTS[name](**{inner: tuple(ends) for inner, ends in given.items()})


@from_keywords(NormalizationOptions)
class NormalizationCoefficients(OperatorSource):
    """Simulated samples. See conf/data/nemovar.yaml, and `NormalizationOptions`."""

    options: NormalizationOptions
    # options on which samples depend
    made_from: tuple[str, ...] = ("grid", "rows", "columns", "coast", "tolerance", "diffusivity", "seed", "region")

    def __init__(self, options: NormalizationOptions) -> None:
        super().__init__(options)

    # --- what is known before any work ---------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""
        return self.options.rows, self.options.columns

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        self.options.check()
        self._check_patches()
        try:
            _ = self._grid
        except Refusal as error:
            options = self.options
            raise Refusal(f"data.rows={options.rows}, data.columns={options.columns}: {error}") from error

    def tiny(self) -> NormalizationCoefficients:
        """The same data set with 2 / 1 / 1 samples on 40 x 48 cells with random continents, kept in memory."""
        kind: Any = type(self)  # of keywords
        return kind(**(vars(self.options) | TINY))

    # --- making and reading ----------------------------------------------------------------------------------

    @cached_property
    def _grid(self) -> grids.Grid:
        return GRIDS[self.options.grid](self.options.rows, self.options.columns, **(self.options.region or {}))

    @cached_property
    def _folder(self) -> Path | None:
        """The folder in the cache, named by all that samples depend on, but not by their number: more can be added."""
        if self.options.in_memory:
            return None
        steps = None if self.options.steps == STEPS else self.options.steps
        config = {key: getattr(self.options, key) for key in self.made_from} | {"steps": steps}
        config = _plain(config) | {"format": 1}
        return cache.folder_for(cache_folder(), self.options.name, config)

    def prepare(self) -> None:
        """Read the samples that are in the cache, and make the others (each takes seconds on all cores)."""
        self.check()
        if self._samples:
            return
        guard = cache.lock(self._folder) if self._folder else None
        try:
            base = self._keep("grid.nc", self._make_base)
            made = {split: [] for split in SPLITS}
            for split, number in progress(self._pairs(), f"data={self.options.name}"):
                file = f"{split}-{number:03d}.nc"
                made[split].append(self._keep(file, lambda p=split, n=number: self._make_sample(base, p, n)))
        finally:
            if guard:
                guard.release()
        splits = {}
        for split in SPLITS:
            joined = xr.concat(made[split], dim="sample").assign_coords(sample=np.arange(len(made[split])))
            splits[split] = base.merge(joined)
        self._keep_samples(splits)

    def _pairs(self) -> list[tuple[str, int]]:
        return [(split, number) for split in SPLITS for number in range(self.options.samples[split])]

    def _keep(self, file: str, make: Callable[[], xr.Dataset]) -> xr.Dataset:
        return cache.get(self._folder / file, make) if self._folder else make()

    def _sea(self) -> np.ndarray:
        """(rows, columns) bool."""
        real, seed = self.options.coast == "real", self.options.seed
        sea = coastline.real_sea(self._grid) if real else coastline.random_polar_continents(self._grid, seed)
        sea = coastline.without_polar_caps(sea, self._grid) if self.options.grid == "latlon" else sea
        if not sea.any():
            raise Refusal(f"data={self.options.name} has no sea cell: choose another region, or more rows")
        return sea

    def _make_base(self) -> xr.Dataset:
        base = fields.base(self._grid.lat, self._grid.lon, self._grid.area, self._sea(), self._grid.topology)
        return fields.with_steps(base, self.options.steps)

    def _make_sample(self, base: xr.Dataset, split: str, number: int) -> xr.Dataset:
        options = self.options
        rng = np.random.default_rng([options.seed, SPLITS.index(split), number])
        operator = random_diffusion(self._grid, base.mask.values, rng, options.scales, options.steps)
        tolerance = options.tolerance["train" if split == "train" else "evaluation"]
        return fields.sample(operator, normalization.exact(operator, tolerance)).assign_attrs(tolerance=tolerance)


def _plain(value: Any) -> Any:
    """Return a configuration without what is null, so that samples of before keep their place in the cache."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
