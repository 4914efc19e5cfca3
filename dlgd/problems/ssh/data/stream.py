"""Windows of maps as tensors, and training batches of windows: all on the device, without a loop over samples.

NaN means unknown, in truth and in observations alike. One more day, row and column of NaN stand at the end of every
tensor: whatever lies beyond the record or the boundary of the grid is looked up there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dlgd.core.contract import Batch, Stream
from dlgd.core.specs import COORDINATES, FIRST_GUESS, OBSERVATIONS, OBSERVED, SEA, SST, SST_KNOWN

REACH = 3.0  # lengths within which first guesses use observations: those farther away would weigh less than 0.011
PRIOR = 0.1  # weight of the mean, which is 0; an observation at the very place weighs 1
LEAST_SEA = 0.2  # share of the cells of a patch


def channel_groups(days: int, *, sst: bool, coordinates: bool) -> dict[str, tuple[str, ...]]:
    """Return the groups of input channels with the names of their channels, in the order of a batch's channels.

    days: days of a window. sst, coordinates: whether there are the groups SST and SST_KNOWN, and COORDINATES.
    """
    offsets = range(-(days // 2), days // 2 + 1)
    of_days = {FIRST_GUESS: "first_guess", OBSERVATIONS: "observation", OBSERVED: "observed"}
    groups = {group: tuple(f"{name}_{day:+d}" for day in offsets) for group, name in of_days.items()}
    groups[SEA] = ("sea",)
    if sst:
        groups |= {group: tuple(f"{group}_{day:+d}" for day in offsets) for group in (SST, SST_KNOWN)}
    return groups | ({COORDINATES: ("x", "y", "cos_year", "sin_year")} if coordinates else {})


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Standard deviations L of the Gaussian weights exp(-d^2 / (2 L^2)) of first guesses.

    y, x: in cells, south-north and west-east. days: in time.
    """

    y: float
    x: float
    days: float

    @property
    def reach(self) -> tuple[int, int]:
        """Cells (south-north, west-east) on each side whose observations are used."""
        return math.ceil(REACH * self.y), math.ceil(REACH * self.x)


@dataclass(frozen=True, kw_only=True)
class Maps:
    """All days of a record, scaled: tensors (day, y, x) with NaN at the end of their axes, see the head of this file.

    truth: the heights. observations: the observations; or their errors, which are observations less truth, where the
    observations of windows are resampled.
    sea: (y, x), 1 at sea and 0 on land. year: (day,), angle of the day of the year in rad.
    guess: a method's maps, NaN where it has none; None where first guesses are made of the observations shown.
    sst: the temperature, NaN on land and where it is not known; None where networks see none.
    """

    truth: Tensor
    observations: Tensor
    sea: Tensor
    year: Tensor
    guess: Tensor | None = None
    sst: Tensor | None = None

    @staticmethod
    def of(
        *,
        truth: Tensor,
        observations: Tensor,
        sea: Tensor,
        year: Tensor,
        guess: Tensor | None = None,
        sst: Tensor | None = None,
    ) -> Maps:
        """From tensors without the NaN at the end: (day, y, x), NaN where unknown, sea (y, x) and year (day,)."""

        def ended(field: Tensor) -> Tensor:
            return functional.pad(field, (0, 1, 0, 1, 0, 1), value=torch.nan)

        return Maps(
            truth=ended(truth),
            observations=ended(observations),
            sea=functional.pad(sea.to(truth.dtype), (0, 1, 0, 1)),
            year=functional.pad(year, (0, 1)),
            guess=None if guess is None else ended(guess),
            sst=None if sst is None else ended(sst.where(sea > 0, torch.nan)),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Days, rows and columns, without the NaN at the end."""
        days, ny, nx = self.truth.shape
        return days - 1, ny - 1, nx - 1


def joined(several: Sequence[Maps]) -> Maps:
    """Put records of the same sea one behind the other, each with its day of NaN at the end.

    Either all of them have guesses, or none has; and temperatures likewise.
    """
    optional = [name for name in ("guess", "sst") if getattr(several[0], name) is not None]
    fields = ("truth", "observations", "year", *optional)
    return replace(several[0], **{name: torch.cat([getattr(maps, name) for maps in several]) for name in fields})


class Windows:
    """Cuts batches out of maps.

    days: days of a window, centred on the one that is asked for. size: (Y, X) cells, from the corner that is asked for.
    halo: cells of context on each side of the input. lengths: of the first guesses made of the observations shown.
    coordinates: whether the input has the group of channels COORDINATES.
    centre: whether the target is the day in the middle alone.
    ring: whether the last column is a neighbour of the first, as on a grid all around the globe.
    """

    def __init__(
        self,
        maps: Maps,
        *,
        days: int,
        size: tuple[int, int],
        halo: int,
        lengths: Lengths,
        coordinates: bool,
        centre: bool,
        ring: bool = False,
    ) -> None:
        self.ring = ring
        self.maps, self.days, self.size, self.halo = maps, days, size, halo
        self.groups = tuple(channel_groups(days, sst=maps.sst is not None, coordinates=coordinates))
        self.centre = centre
        self.reach = lengths.reach if maps.guess is None else (0, 0)
        device, (height, width) = maps.truth.device, size
        self._offsets = torch.arange(days, device=device) - days // 2
        self._rows = torch.arange(-halo - self.reach[0], height + halo + self.reach[0], device=device)
        self._columns = torch.arange(-halo - self.reach[1], width + halo + self.reach[1], device=device)
        self._weight_y = _weights(height + 2 * halo, self.reach[0], lengths.y, device)
        self._weight_x = _weights(width + 2 * halo, self.reach[1], lengths.x, device)
        gaps = (self._offsets[:, None] - self._offsets).float()
        self._weight_t = torch.exp(-((gaps / lengths.days) ** 2) / 2)

    def batch(
        self, day: Tensor, top: Tensor, left: Tensor, *, errors_of: Tensor | None = None, shown: Tensor | None = None
    ) -> Batch:
        """Windows centred on `day` (B,) with their corners at `top`, `left` (B,), all int64.

        errors_of: (B,) days in the middle of other windows; the truth is observed along their tracks, with their
            errors. None takes each window's own observations.
        shown: bool (B, T), the days of a window whose observations are shown; None shows all.
        """
        days, rows, columns = self._indices(day, top, left)
        reach_y, reach_x = self.reach
        truth = self.maps.truth[days, rows, columns]
        errors = errors_of is not None
        others = self._indices(errors_of, top, left)[0] if errors else days
        observations = self.maps.observations[others, rows, columns]
        if errors:
            observations = observations + truth
        if shown is not None:
            observations = observations.where(shown[:, :, None, None], torch.nan)
        seen, observations = ~observations.isnan(), observations.nan_to_num(0.0)
        rows, columns = (
            rows[:, :, reach_y : rows.shape[2] - reach_y],
            columns[..., reach_x : columns.shape[3] - reach_x],
        )
        sea = self.maps.sea[rows[:, 0], columns[:, 0]][:, None]
        if self.maps.guess is None:
            guess = self._first_guess(observations, seen) * sea
        else:
            guess = self.maps.guess[days, rows, columns].nan_to_num(0.0)
        seen, observations, truth = (_crop(field, reach_y, reach_x) for field in (seen, observations, truth))
        target = _crop(truth, self.halo, self.halo)
        if self.centre:
            target = target[:, self.days // 2, None]
        channels = {FIRST_GUESS: guess, OBSERVATIONS: observations, OBSERVED: seen.to(observations.dtype), SEA: sea}
        if self.maps.sst is not None:  # that of the day and place of the truth, whoever observed it
            sst = self.maps.sst[days, rows, columns]
            channels |= {SST: sst.nan_to_num(0.0), SST_KNOWN: (~sst.isnan()).to(sst.dtype)}
        if COORDINATES in self.groups:
            channels[COORDINATES] = self._coordinates(sea, rows, columns, day)
        return Batch(
            input=torch.cat([channels[group] for group in self.groups], dim=1),
            target=target.nan_to_num(0.0),
            mask=~target.isnan(),
            observed=_crop(seen, self.halo, self.halo),
        )

    def _indices(self, day: Tensor, top: Tensor, left: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Indices of the windows and their surroundings: days (B, T, 1, 1), rows (B, 1, H, 1), columns (B, 1, 1, W)."""
        columns = left[:, None] + self._columns
        columns = columns % self.maps.shape[2] if self.ring else columns
        wanted = (day[:, None] + self._offsets, top[:, None] + self._rows, columns)
        days, rows, columns = (
            index.where((index >= 0) & (index < count), count)
            for index, count in zip(wanted, self.maps.shape, strict=True)
        )
        return days[:, :, None, None], rows[:, None, :, None], columns[:, None, None, :]

    def _first_guess(self, observations: Tensor, seen: Tensor) -> Tensor:
        """Smooth observations (B, T, H, W), 0 where there are none -> (B, T, Y + 2 halo, X + 2 halo), 0 far away."""
        both = torch.stack([observations, seen.to(observations.dtype)])
        both = self._weight_y @ (both @ self._weight_x.T)  # (2, B, T, Y, X)
        total, weight = torch.einsum("st,nbtyx->nbsyx", self._weight_t, both)
        return total / (weight + PRIOR)

    def _coordinates(self, sea: Tensor, rows: Tensor, columns: Tensor, day: Tensor) -> Tensor:
        """Place in the map and day of the year, (B, 4, Y + 2 halo, X + 2 halo), 0 off the sea."""
        _, ny, nx = self.maps.shape
        year = self.maps.year[day][:, None, None, None]
        x, y = 2 * columns / max(nx - 1, 1) - 1, 2 * rows / max(ny - 1, 1) - 1
        return torch.cat([x * sea, y * sea, year.cos() * sea, year.sin() * sea], dim=1)


def _crop(field: Tensor, rows: int, columns: int) -> Tensor:
    """The field without so many rows and columns on each side."""
    height, width = field.shape[-2:]
    return field[..., rows : height - rows, columns : width - columns]


def _weights(count: int, reach: int, length: float, device: torch.device) -> Tensor:
    """(count, count + 2 reach): for each place the Gaussian weights of the places around it; 0 beyond the reach."""
    distance = torch.arange(count + 2 * reach, device=device) - reach - torch.arange(count, device=device)[:, None]
    return torch.exp(-((distance / length) ** 2) / 2).where(distance.abs() <= reach, 0.0)


class MapStream(Stream):
    """Random windows of random patches; the batch of a step depends on the seed and the step alone.

    A patch lies anywhere in the grid, as often at its boundary as elsewhere, where at least a share LEAST_SEA of its
    cells is sea, or, in a grid with less sea, as much as any patch has.

    centres: (n,), int64: the days that may stand in the middle of a window.
    resample_observations: whether windows get another day's tracks and errors; `maps.observations` are errors then.
    dropped: probability that the observations of a day of a window are hidden.
    """

    def __init__(
        self,
        windows: Windows,
        *,
        centres: Tensor,
        batch_size: int,
        resample_observations: bool,
        dropped: float,
        seed: int,
    ) -> None:
        self.windows, self.centres, self.batch_size = windows, centres, batch_size
        self.resample_observations, self.dropped, self.seed = resample_observations, dropped, seed
        self.corners = _corners(windows.maps.sea[:-1, :-1], windows.size, ring=windows.ring)
        _, ny, nx = windows.maps.shape
        height, width = windows.size
        self.steps_per_epoch = max(1, round(len(centres) * ny * nx / (height * width * batch_size)))
        self._generator = torch.Generator()

    def batch(self, step: int) -> Batch:
        """The batch of a step. The few numbers that say what to cut are drawn on the CPU, the same for every device."""
        seed = np.random.SeedSequence((self.seed, step)).generate_state(1, np.uint64)[0]
        generator, device = self._generator.manual_seed(int(seed)), self.centres.device
        days = torch.randint(len(self.centres), (2, self.batch_size), generator=generator).to(device)
        places = torch.randint(len(self.corners), (self.batch_size,), generator=generator).to(device)
        probability = torch.rand(self.batch_size, self.windows.days, generator=generator).to(device)
        day, other = self.centres[days]
        top, left = self.corners[places].T
        return self.windows.batch(
            day,
            top,
            left,
            errors_of=other if self.resample_observations else None,
            shown=probability >= self.dropped if self.dropped > 0 else None,
        )


def _corners(sea: Tensor, size: tuple[int, int], *, ring: bool) -> Tensor:
    """Rows and columns (n, 2) of the corners that may be drawn, for a sea (y, x) of 0 and 1.

    ring: whether patches narrower than the grid may begin in any column and go on in the first one.

    Corners are taken from half a patch before the first cell to half a patch before the last one, and are then moved
    back into the grid: networks see cells at the boundary about as often as others.
    """
    (ny, nx), (height, width) = sea.shape, size
    ring = ring and width < nx
    around = torch.cat([sea, sea[:, : width - 1]], 1) if ring else sea
    share = functional.avg_pool2d(around[None, None], size, stride=1)[0, 0]
    top = torch.arange(-(height // 2), ny - height + height // 2 + 1, device=sea.device).clamp(0, ny - height)
    left = torch.arange(-(width // 2), nx - width + width // 2 + 1, device=sea.device).clamp(0, nx - width)
    left = torch.arange(nx, device=sea.device) if ring else left
    corners = torch.cartesian_prod(top, left)
    enough = min(LEAST_SEA, float(share.max())) * (1 - 1e-6)  # a little less, because means are rounded
    return corners[share[corners[:, 0], corners[:, 1]] >= enough]
