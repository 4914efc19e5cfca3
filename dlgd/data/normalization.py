"""Diffusion operators on global ocean grids and their exact normalization coefficients: data=nemovar, data=mercator.

A sample is a pair of random length-scale fields; the simulator computes gamma exactly. Samples are xarray
Datasets with the variables that a user's own file must have too:

    alpha_i (sample, y_face, x) m2   on south faces, last row the north side of the grid; (sample, y, x) in a
                                     user's file means that the north side is closed
    alpha_j (sample, y, x) m2        on west faces
    w (y, x) m2                      cell area
    mask (y, x)                      1 at sea, 0 on land
    gamma (sample, y, x) m           normalization coefficient, NaN on land; what the network predicts
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.contract import PARTS, Batch, DataSource, Spec, Stream
from dlgd.data import cache, features, fields, patches
from dlgd.physics import coastline, diffusion, grids, normalization
from dlgd.physics.halo import Topology, pad_cells, pad_south_faces, pad_west_faces
from dlgd.settings import Refusal, cache_folder

GRIDS = {"mercator": grids.mercator, "tripolar": grids.tripolar}
LARGEST_SCALE = 5  # cells; longer ones cannot be probed at all tolerances


class NormalizationCoefficients(DataSource):
    """See conf/data/nemovar.yaml for the options.

    `tolerance` maps "train" and "evaluation" to the largest relative error of gamma^2 in those parts.
    `diffusivity` holds the keyword arguments of `physics.diffusion.random_diffusion`.
    `coast_weight` draws coastal cells (1 + coast_weight) times as often as those of the open sea.
    """

    def __init__(
        self,
        *,
        name: str,
        grid: str,
        rows: int,
        columns: int,
        coast: str,
        samples: Mapping[str, int],
        tolerance: Mapping[str, float],
        diffusivity: Mapping[str, float],
        seed: int,
        features: str,
        standardize_over: str,
        distance: str,
        patch: int,
        coast_weight: float,
        in_memory: bool = False,
    ) -> None:
        self._options = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.name, self.grid_name, self.coast, self.seed = name, grid, coast, seed
        self.rows, self.columns, self.patch, self.coast_weight = rows, columns, patch, coast_weight
        self.counts, self.tolerance = dict(samples), dict(tolerance)
        self.diffusivity, self.in_memory = dict(diffusivity), in_memory
        self.features = _choose(features, standardize_over, distance)
        self._samples: dict[str, xr.Dataset] = {}

    # --- what is known before any work ---------------------------------------------------------------------

    @property
    def spec(self) -> Spec:
        """Fields of gamma."""
        return Spec(
            name=self.name,
            kind="field",
            input_channels=self.features.channels,
            output_channels=("gamma",),
            grid=(self.rows, self.columns),
            units="m",
            scaling=self.features.scaling,
        )

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        if self.grid_name not in GRIDS:
            raise Refusal(f"data.grid={self.grid_name} is unknown: choose one of {', '.join(GRIDS)}")
        if self.coast not in ("real", "random"):
            raise Refusal(f"data.coast={self.coast} is unknown: choose real or random")
        if set(self.counts) != set(PARTS) or min(self.counts.values()) < 0:
            raise Refusal(f"data.samples must give a number for each of {', '.join(PARTS)}")
        for part in PARTS:
            if self.counts[part] < 1:
                raise Refusal(f"data.samples.{part}={self.counts[part]}: at least one {part} sample is needed")
        if not 1 <= self.patch <= min(self.rows, self.columns):
            raise Refusal(
                f"data.patch={self.patch} does not fit the grid of {self.rows} x {self.columns} cells: "
                f"choose at most {min(self.rows, self.columns)}"
            )
        if self.coast_weight < 0:
            raise Refusal(f"data.coast_weight={self.coast_weight} must be zero or more")
        if self.seed < 0:
            raise Refusal(f"data.seed={self.seed} must be zero or more")
        if set(self.tolerance) != {"train", "evaluation"}:
            raise Refusal("data.tolerance must give a number for each of train and evaluation")
        for part, tolerance in self.tolerance.items():
            if not 1e-8 <= tolerance <= 1e-2:
                raise Refusal(f"data.tolerance.{part}={tolerance:g} must lie between 1e-8 and 1e-2")
        self._check_diffusivity()
        try:
            _ = self._grid
        except ValueError as error:
            raise Refusal(f"data.rows={self.rows}, data.columns={self.columns}: {error}") from error

    def _check_diffusivity(self) -> None:
        names = ("scale_min", "scale_max", "anisotropy", "smoothness")
        if set(self.diffusivity) != set(names):
            raise Refusal(f"data.diffusivity must give {', '.join(names)} and nothing else")
        low, high, anisotropy, smoothness = (self.diffusivity[name] for name in names)
        if not 0 < low <= high <= LARGEST_SCALE:
            raise Refusal(
                f"data.diffusivity.scale_min={low} and scale_max={high} must be positive, in order, "
                f"and at most {LARGEST_SCALE} cells"
            )
        if not 0 <= anisotropy <= 1:
            raise Refusal(f"data.diffusivity.anisotropy={anisotropy} must lie between 0 and 1")
        if not smoothness > 0:
            raise Refusal(f"data.diffusivity.smoothness={smoothness} must be positive")

    def tiny(self) -> NormalizationCoefficients:
        """The same on a grid of 40 x 48 cells with random continents, 2 / 1 / 1 samples, kept in memory."""
        options = self._options | {
            "rows": 40,
            "columns": 48,
            "coast": "random",
            "samples": {"train": 2, "valid": 1, "test": 1},
            "patch": 16,
            "tolerance": {"train": 1e-4, "evaluation": 1e-4},
            "in_memory": True,
        }
        return NormalizationCoefficients(**options)

    # --- making and reading ----------------------------------------------------------------------------------

    @cached_property
    def _grid(self) -> grids.Grid:
        return GRIDS[self.grid_name](self.rows, self.columns)

    @property
    def _topology(self) -> Topology:
        return Topology("periodic", "fold" if self.grid_name == "tripolar" else "closed")

    @cached_property
    def _folder(self) -> Path | None:
        """Keyed by what the samples depend on; their number is not among it, so that more can be added."""
        if self.in_memory:
            return None
        keys = ("grid", "rows", "columns", "coast", "tolerance", "diffusivity", "seed")
        config = {key: self._options[key] for key in keys}
        config = {k: dict(v) if isinstance(v, Mapping) else v for k, v in config.items()} | {"format": 1}
        return cache.folder_for(cache_folder(), self.name, config)

    def prepare(self) -> None:
        """Every sample of every part: read where it is in the cache, else made (seconds each, all cores)."""
        self.check()
        if self._samples:
            return
        guard = cache.lock(self._folder) if self._folder else None
        try:
            base = self._keep("grid.nc", self._make_base)
            made = {part: [] for part in PARTS}
            for part, number in fields.progress(self._pairs(), f"data={self.name}"):
                file = f"{part}-{number:03d}.nc"
                made[part].append(self._keep(file, lambda p=part, n=number: self._make_sample(base, p, n)))
        finally:
            if guard:
                guard.release()
        complete = {}
        for part in PARTS:
            joined = xr.concat(made[part], dim="sample").assign_coords(sample=np.arange(len(made[part])))
            complete[part] = fields.complete(base.merge(joined), self.features.distance_metric)
        if not self.features.statistics:
            self.features.learn(fields.as_cells(complete["train"]), base.mask.values)
        self._samples = complete

    def _pairs(self) -> list[tuple[str, int]]:
        return [(part, number) for part in PARTS for number in range(self.counts[part])]

    def _keep(self, file: str, make: Callable[[], xr.Dataset]) -> xr.Dataset:
        return cache.get(self._folder / file, make) if self._folder else make()

    def _make_base(self) -> xr.Dataset:
        real = self.coast == "real"
        sea = coastline.real_sea(self._grid) if real else coastline.random_polar_continents(self._grid, self.seed)
        return fields.base(self._grid.lat, self._grid.lon, self._grid.area, sea, self._topology)

    def _make_sample(self, base: xr.Dataset, part: str, number: int) -> xr.Dataset:
        rng = np.random.default_rng([self.seed, PARTS.index(part), number])
        operator = diffusion.random_diffusion(self._grid, base.mask.values, rng, **self.diffusivity)
        tolerance = self.tolerance["train" if part == "train" else "evaluation"]
        return fields.sample(operator, normalization.exact(operator, tolerance)).assign_attrs(tolerance=tolerance)

    def checksum(self) -> str:
        """Over all parts."""
        return "-".join(cache.digest(self.samples(part))[:12] for part in PARTS)

    @property
    def statistics(self) -> dict[str, float]:
        """Means and standard deviations of standardized features; none for dimensionless ones."""
        return self.features.statistics

    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Those of the training samples."""
        self.features.use_statistics(statistics)

    def samples(self, part: str) -> xr.Dataset:
        """See the head of this module; with `distance` (cells) and `gamma_homogeneous` (m) besides."""
        self.prepare()
        return self._samples[part]

    def read(self, path: Path) -> xr.Dataset:
        """A user's file, checked; the topology is this data set's unless the file has attributes of its own."""
        return fields.complete(fields.read(path, self._topology), self.features.distance_metric)

    # --- tensors ---------------------------------------------------------------------------------------------

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """Whole grids, one at a time."""
        topology = fields.topology(samples)
        sea = samples.mask.values
        around = {
            "w": pad_cells(samples.w.values, halo + 1, topology, "nearest"),
            "sea": pad_cells(sea, halo + 1, topology),
            "distance": pad_cells(samples.distance.values, halo + 1, topology, "nearest"),
        }
        for number in range(samples.sizes["sample"]):
            one = samples.isel(sample=number)
            padded = features.Padded(
                alpha_i=pad_south_faces(one.alpha_i.values, halo + 1, topology),
                alpha_j=pad_west_faces(one.alpha_j.values, halo + 1, topology),
                estimate=pad_cells(one.gamma_homogeneous.values, halo + 1, topology),
                **around,
            )
            if "gamma" in one:
                target = self.features.target(one.gamma.values, one.gamma_homogeneous.values)
            else:
                target = np.zeros(sea.shape, np.float32)
            tensors = (self.features.input(padded), target[None], sea[None])
            yield Batch(*(torch.as_tensor(a)[None].to(device) for a in tensors))

    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """Random patches; coastal cells more often with `coast_weight`."""
        train = self.samples("train")
        batches = list(self.encode(train, halo=halo, device=device))
        near_coast = np.exp(-np.maximum(train.distance.values - 1, 0) / 3.0)  # errors stand within some 3 cells
        return patches.PatchStream(
            input_NCYX=torch.cat([b.input for b in batches]),
            target_NCYX=torch.cat([b.target for b in batches]),
            mask_NCYX=torch.cat([b.mask for b in batches]),
            weight_YX=np.where(train.mask.values, 1 + self.coast_weight * near_coast, 0.0),
            halo=halo,
            patch=self.patch,
            batch_size=batch_size,
            periodic=True,
            seed=seed,
        )

    def to_physical(self, prediction: Tensor, samples: xr.Dataset) -> np.ndarray:
        """(sample, 1, y, x) -> gamma (sample, y, x) in m, NaN on land."""
        scaled = prediction.detach().float().cpu().numpy()[:, 0]
        gamma = np.stack(
            [self.features.gamma(*pair) for pair in zip(scaled, samples.gamma_homogeneous.values, strict=True)]
        )
        return np.where(samples.mask.values, gamma, np.nan)


def _choose(name: str, standardize_over: str, distance: str) -> features.Features:
    try:
        return features.choose(name, standardize_over=standardize_over, distance=distance)
    except ValueError as error:
        raise Refusal(f"data.{error}") from error
