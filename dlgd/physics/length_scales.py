"""Random length scales of diffusion: smooth ones, and what those of ocean models have besides.

In the samples that the authors of the report published, scales fall towards coasts to half of what they are some cells
away, are larger in a band along the equator with sharp edges, and differ by up to six times from a row to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
from scipy.special import ndtr

from dlgd.physics.coastline import signed_distance
from dlgd.physics.diffusion import STEPS, Diffusion, open_faces
from dlgd.physics.grids import Grid
from dlgd.physics.halo import pad_cells
from dlgd.physics.random_fields import smooth_field

Range: TypeAlias = Sequence[float]  # the two ends of what is drawn for each sample, evenly in its logarithm


@dataclass(frozen=True, kw_only=True)
class NearCoasts:
    """share: of a scale that is left at the coast, 0 to 1. cells: from the coast to where all of it is there."""

    share: Range
    cells: Range


@dataclass(frozen=True, kw_only=True)
class EquatorialBand:
    """factor: of west-east scales within the band. half_width: degrees of latitude on each side of the equator."""

    factor: Range
    half_width: Range


@dataclass(frozen=True, kw_only=True)
class Fronts:
    """factor: of both scales on one side of a front. area: share of the globe that is on that side, 0 to 1.

    Fronts are the lines on which a smooth random field has one value.
    """

    factor: Range
    area: Range


@dataclass(frozen=True, kw_only=True)
class LengthScales:
    """Smooth random fields l_i (south-north) and l_j (west-east), in cells, and what changes them.

    scale_min, scale_max: the range of l in cells (of the local distance between centres); log l is uniform in it.
    anisotropy: share of independent amplitude in l_i and l_j, 0 (isotropic, l_i = l_j) to 1 (independent).
    smoothness: correlation length of log l in degrees of arc; of several, each sample has one.
    coast, band, fronts: see `NearCoasts`, `EquatorialBand` and `Fronts`; None: none.
    """

    scale_min: float = 0.25
    scale_max: float = 1.6
    anisotropy: float = 0.7
    smoothness: float | Sequence[float] = 20.0
    coast: NearCoasts | None = None
    band: EquatorialBand | None = None
    fronts: Fronts | None = None

    def __post_init__(self) -> None:
        if not 0 < self.scale_min <= self.scale_max:
            raise ValueError(f"scale_min {self.scale_min} and scale_max {self.scale_max} must be positive and in order")
        if not 0 <= self.anisotropy <= 1:
            raise ValueError(f"anisotropy {self.anisotropy} must lie between 0 and 1")
        for part in (self.coast, self.band, self.fronts):
            for field in fields(part) if part is not None else ():
                low, high = getattr(part, field.name)
                if not 0 < low <= high or (field.name in ("share", "area") and high > 1):
                    raise ValueError(f"{field.name} {low} to {high} must be positive and in order, shares at most 1")

    @property
    def largest(self) -> float:
        """The largest scale that can be drawn, in cells."""
        factors = [max(part.factor[1], 1.0) for part in (self.band, self.fronts) if part is not None]
        return self.scale_max * float(np.prod(factors))


def random_diffusion(
    grid: Grid, sea: np.ndarray, rng: np.random.Generator, scales: LengthScales | None = None, steps: int = STEPS
) -> Diffusion:
    """Return an operator with random length scales; None for the scales is `LengthScales()`."""
    scales = LengthScales() if scales is None else scales
    streams = rng.spawn(4)  # the common field must be the same on both kinds of faces
    draws = streams[3]
    smoothness = np.atleast_1d(np.asarray(scales.smoothness, float))
    smoothness = float(smoothness[draws.integers(len(smoothness))]) if len(smoothness) > 1 else float(smoothness[0])

    def length(points: np.ndarray, own: np.random.Generator) -> np.ndarray:
        shared = smooth_field(points, smoothness, np.random.default_rng(shared_seed))
        z = np.sqrt(1 - scales.anisotropy**2) * shared + scales.anisotropy * smooth_field(points, smoothness, own)
        return scales.scale_min * (scales.scale_max / scales.scale_min) ** ndtr(z)

    shared_seed = int(streams[2].integers(2**63))
    l_i, l_j = length(grid.south_position, streams[0]), length(grid.west_position, streams[1])
    if scales.coast is not None:
        share, cells = _drawn(scales.coast.share, draws), _drawn(scales.coast.cells, draws)
        for scale, distance in zip((l_i, l_j), _to_the_coast(sea, grid), strict=True):
            scale *= share + (1 - share) * np.clip(distance / cells, 0, 1)
    if scales.band is not None:
        factor, half_width = _drawn(scales.band.factor, draws), _drawn(scales.band.half_width, draws)
        l_j[np.abs(grid.west_position[..., 2]) < np.sin(np.deg2rad(half_width))] *= factor
    if scales.fronts is not None:
        factor, area = _drawn(scales.fronts.factor, draws), _drawn(scales.fronts.area, draws)
        seed = int(draws.integers(2**63))
        height = [smooth_field(points, 15.0, np.random.default_rng(seed)) for points in _faces(grid)]
        level = np.quantile(height[1], 1 - area)
        for scale, of_front in zip((l_i, l_j), height, strict=True):
            scale[of_front > level] *= factor
    return _operator(grid, sea, l_i * grid.south_distance, l_j * grid.west_distance, steps)


def _drawn(ends: Range, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(ends))))


def _faces(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    return grid.south_position, grid.west_position


def _to_the_coast(sea: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Cells to the coast from south faces (ny + 1, nx) and west faces (ny, nx), 0 on land, cut at 64."""
    distance = pad_cells(np.maximum(signed_distance(sea, grid.topology), 0), 1, grid.topology)
    inner = distance[:, 1:-1]
    return (inner[:-1] + inner[1:]) / 2, (distance[1:-1, :-2] + distance[1:-1, 1:-1]) / 2


def _operator(grid: Grid, sea: np.ndarray, l_i: np.ndarray, l_j: np.ndarray, steps: int) -> Diffusion:
    """Return the operator with these length scales in m: alpha = l^2 * length of the face / distance of the centres."""
    open_i, open_j = open_faces(sea, grid.topology)
    alpha_i = np.where(open_i, l_i**2 * grid.south_length / grid.south_distance, 0.0)
    alpha_j = np.where(open_j, l_j**2 * grid.west_length / grid.west_distance, 0.0)
    if grid.topology.south_north == "fold":  # one face seen from both sides: equal to the last bit
        alpha_i[-1] = (alpha_i[-1] + alpha_i[-1, ::-1]) / 2
    if grid.topology.south_north == "periodic":
        alpha_i[-1] = alpha_i[0]
    return Diffusion(alpha_i, alpha_j, grid.area, sea, grid.topology, steps)
