"""The mean and variance of a Gaussian field, of which some noisy values are known, on maps of many days.

With correlation C, observations y at points p, and r = noise / std, a field of prior mean 0 has at x

    mean      C(x, p) (C(p, p) + r^2 I)^-1 y,
    variance  std^2 [1 - C(x, p) (C(p, p) + r^2 I)^-1 C(p, x)]

(Bretherton et al. 1976, Deep-Sea Research 23, 559-582). Errors that the lines of a swath share are added to r^2 I, see
`swath_errors`. Each tile of space and time answers for all its cells and days from the observations near it, by one
Cholesky factorization. Tiles are padded and solved in batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dlgd.core.errors import Refusal
from dlgd.core.progress import progress
from dlgd.problems.ssh.methods.covariances import correlation, in_space, in_time
from dlgd.problems.ssh.methods.oi_tiles import Tile, cut, cut_ring, tiles_of, wrapped
from dlgd.problems.ssh.methods.sea_points import Points
from dlgd.problems.ssh.methods.swath_errors import SwathErrors, covariance
from dlgd.problems.ssh.seam import is_ring

TILE_DAYS, TILE, CELLS = 2.0, 2.5, 4  # size of a tile: correlation times, correlation lengths, and least cells
MAX_BATCH_ELEMENTS = {"cpu": 2**21, "cuda": 2**28}  # numbers in the matrices of the tiles that are solved together


@dataclass(frozen=True)
class Prior:
    """What is assumed of the sea and of its observations."""

    covariance: str
    lengths: tuple[float, float, float]  # Lt in days, Ly and Lx in degrees
    noise: float  # standard deviation of the observations' errors, m
    std: float  # of the sea, m
    swath: SwathErrors | None = None  # of the observations, besides their noise


@dataclass(frozen=True)
class Grid:
    """The places and days of the maps."""

    days: np.ndarray  # (sample,), in any order
    lat: np.ndarray  # degrees
    lon: np.ndarray
    sea: np.ndarray  # bool, (lat, lon)

    @property
    def ring(self) -> bool:
        """Whether the last column is a neighbour of the first: longitudes go all around."""
        return is_ring(self.lon)


@dataclass(frozen=True)
class Selection:
    """Which observations a tile uses: those within `reach` correlation lengths and times of it, `most` at most."""

    reach: float
    most: int


def posterior(
    prior: Prior,
    points: Points,
    grid: Grid,
    selection: Selection,
    *,
    precision: torch.dtype = torch.float64,
    device: str = "cpu",
    with_variance: bool = False,
    title: str | None = None,
) -> np.ndarray:
    """The mean, m, (1, sample, lat, lon), NaN on land; like the points above the background.

    selection: which observations a tile uses. precision: in which the systems are solved.
    with_variance: whether the variance, m2, follows in a second row; it takes several times as long.
    title: of a progress bar; None shows none.
    """
    middle, lengths = grid.lon.mean(), np.array(prior.lengths)
    # all around, tiles stand at the same meridians whatever column is the first
    origin = np.array([grid.days.mean(), grid.lat.mean(), 0.0 if grid.ring else middle])
    period = 360 / prior.lengths[2] if grid.ring else None
    points = replace(points, lon=wrapped(points.lon, 180.0 if grid.ring else middle, 360.0))
    if grid.ring:
        points = points.take(np.lexsort((points.lon, points.lat, points.days)))
    span = selection.reach * prior.lengths[0]
    (near,) = np.nonzero((points.days >= grid.days.min() - span) & (points.days <= grid.days.max() + span))
    # shuffled: of many equally near observations, those that are used come from everywhere
    points = points.take(np.random.default_rng(0).permutation(near))
    observations = (np.stack((points.days, points.lat, points.lon), -1) - origin) / lengths
    t, y, x = ((axis - o) / s for axis, o, s in zip((grid.days, grid.lat, grid.lon), origin, lengths, strict=True))
    rows = cut(y, _tile_size(y))
    columns = cut(x, _tile_size(x)) if period is None else cut_ring(x, _tile_size(x), period)
    innovations = torch.from_numpy(points.ssh / prior.std)
    solver = Solver(
        prior.covariance,
        (prior.noise / prior.std) ** 2,
        torch.from_numpy(observations).to(device),
        innovations.to(device, precision),
        _shared(prior, points, precision, device),
        torch.from_numpy(np.stack(np.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)).to(device),
        period,
    )
    total = torch.zeros((1 + with_variance, len(t), grid.sea.size), dtype=torch.float64, device=device)
    stretches = cut(t, TILE_DAYS)
    for stretch in stretches if title is None else progress(stretches, title):
        tiles = tiles_of(rows, columns, grid.sea, observations, stretch, selection.reach, selection.most)
        members = torch.from_numpy(stretch.members).to(device)
        days, of_days = torch.from_numpy(t[stretch.members]).to(device), torch.from_numpy(stretch.weights).to(device)
        for batch in batches(tiles, MAX_BATCH_ELEMENTS[torch.device(device).type], device):
            weights = batch.weights[:, :, None] * of_days
            for sums, answer in zip(total, solver.solve(batch, days, with_variance), strict=True):
                sums.index_put_((members, batch.cells[:, :, None]), weights * answer, accumulate=True)
    maps = total.cpu().numpy().reshape(-1, len(t), *grid.sea.shape)
    maps[0] *= prior.std
    maps[1:] *= prior.std**2
    maps[:, :, ~grid.sea] = np.nan
    return maps


def _shared(prior: Prior, points: Points, precision: torch.dtype, device: str) -> Shared | None:
    """The errors that points of a swath share; None where none do."""
    if prior.swath is None or points.swath is None:
        return None
    along, functions = points.swath[:, 0], points.swath[:, 1:] * (prior.swath.std / prior.std)
    scaled = torch.from_numpy(functions).to(device, precision)
    return Shared(torch.from_numpy(along.copy()).to(device), scaled, prior.swath.length_km)


def _tile_size(axis: np.ndarray) -> float:
    """The size of a tile along an axis (n,); both in correlation lengths."""
    return max(TILE, CELLS * (axis.max() - axis.min()) / max(1, len(axis) - 1))


@dataclass(frozen=True)
class Batch:
    """b tiles, padded to the same number of observations n and of cells c."""

    cells: Tensor  # (b, c) flat positions
    weights: Tensor  # (b, c), 0 for padding
    observations: Tensor  # (b, n) positions
    inside: Tensor  # (b, n), 1, and 0 for padding


def batches(tiles: list[Tile], numbers: int, device: str) -> Iterator[Batch]:
    """Batches of tiles with similar numbers of observations; their matrices have about `numbers` elements."""
    waiting: list[Tile] = []
    for tile in sorted(tiles, key=lambda tile: len(tile.observations)):
        count, cells = len(tile.observations), max([len(tile.cells), *(len(other.cells) for other in waiting)])
        if len(waiting) > 0 and (len(waiting) + 1) * count * max(count, cells) > numbers:
            yield _padded(waiting, device)
            waiting = []
        waiting.append(tile)
    if len(waiting) > 0:
        yield _padded(waiting, device)


def _padded(tiles: list[Tile], device: str) -> Batch:
    def stack(arrays: list[np.ndarray]) -> Tensor:
        return pad_sequence([torch.from_numpy(array) for array in arrays], batch_first=True).to(device)

    return Batch(
        cells=stack([tile.cells for tile in tiles]),
        weights=stack([tile.weights for tile in tiles]),
        observations=stack([tile.observations for tile in tiles]),
        inside=stack([np.ones(len(tile.observations)) for tile in tiles]),
    )


@dataclass(frozen=True)
class Shared:
    """Errors that the points of a swath share, of a field of std 1."""

    along: Tensor  # (n,) km, float64
    scaled: Tensor  # (n, 5): functions of the distance across the track, times their standard deviations
    length_km: float | None

    def covariance(self, some: Tensor) -> Tensor:
        """Between observations (b, n): (b, n, n)."""
        return covariance(self.along[some], self.scaled[some], self.length_km)


@dataclass(frozen=True)
class Solver:
    """The posterior of a field of mean 0 and std 1. Places are in correlation lengths, float64."""

    covariance: str
    noise_variance: float
    places: Tensor  # (n, 3): (t, y, x) of all observations
    innovations: Tensor  # (n,), in the precision in which is solved
    shared: Shared | None
    cells: Tensor  # (cells, 2): (y, x) of all cells
    period: float | None = None  # of x, where longitudes go all around

    def solve(self, batch: Batch, days: Tensor, with_variance: bool) -> list[Tensor]:
        """Mean and, if wanted, variance in the cells of a batch of tiles on the same days (d,): (b, c, d) each."""
        # measured from the first cell of each tile and the first day, because products of small numbers round little
        corner = torch.cat((days[:1].expand(len(batch.cells), 1), self.cells[batch.cells[:, 0]]), 1)[:, None]
        inside = batch.inside.to(self.innovations)
        places = self._from(self.places[batch.observations] - corner).to(inside)
        cells = self._from(self.cells[batch.cells] - corner[..., 1:]).to(inside)
        matrix = correlation(self.covariance, places, places)
        matrix.diagonal(dim1=1, dim2=2).fill_(1 + self.noise_variance)
        if self.shared is not None:
            matrix += self.shared.covariance(batch.observations)
        matrix *= inside[..., None]  # padding has rows below the diagonal, and only what is below it is read
        matrix.diagonal(dim1=1, dim2=2).add_(1 - inside)
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if failed.any():
            raise Refusal(
                "The observations of baseline=oi are too many and too near one another for so little noise: raise "
                "baseline.noise, or type baseline.precision=float64"
            )
        right = (self.innovations[batch.observations] * inside)[..., None]
        weights = torch.cholesky_solve(right, factor)[:, None, :, 0]
        space = in_space(self.covariance, cells, places[..., 1:])
        time = in_time(self.covariance, (days - days[0]).to(inside), places[..., 0]) * inside[:, None]
        answers = [space @ (time * weights).mT]
        if with_variance:
            answers.append(torch.stack([_explained(factor, space * one[:, None]) for one in time.unbind(1)], 2))
            answers[1] = (1 - answers[1]).clamp_(min=0)
        return answers

    def _from(self, differences: Tensor) -> Tensor:
        """Differences (..., (y, x)) of places, x the shorter way around."""
        if self.period is None:
            return differences
        half = self.period / 2
        x = (differences[..., -1:] + half) % self.period - half
        return torch.cat((differences[..., :-1], x), -1)


def _explained(factor: Tensor, covariance: Tensor) -> Tensor:
    """diag(C (L L^T)^-1 C^T) of L (b, n, n) and C (b, c, n): (b, c)."""
    return torch.linalg.solve_triangular(factor, covariance.mT, upper=False).square_().sum(1)
