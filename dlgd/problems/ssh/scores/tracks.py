"""Scores of maps along the tracks of satellites that were held out, as in the SSH mapping data challenge 2021a.

Maps are interpolated linearly in time, latitude and longitude to the points; those within MARGIN of the boundary of the
maps are left out. As in the challenge the tracks, which have errors of their own, take the place of the truth, and mu
is the mean over days, of those with FEWEST points or more, of 1 - rms(map - track) / rms(track); sigma is the standard
deviation over these days.

track_lambda_x is the wavelength at which 1 - PSD(map - track) / PSD(track) falls to 0.5. Welch's method gives the
spectra, over segments of passes: 1000 km in the challenge, each beginning a quarter of its length after the one before.
A pass ends where the next point is more than GAP later. The challenge assumes a nominal distance between points (6.39
km), interpolates the wavelength linearly in the score, gives the last point of a pass to the next one, and leaves out
the last pass. Here the distance is the median one, the score is linear between two wavenumbers, and all passes count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlgd.core.errors import Refusal
from dlgd.physics.grids import great_circle_m, unit_vectors
from dlgd.problems.ssh import seam
from dlgd.problems.ssh.days import DAY
from dlgd.problems.ssh.scores.spectra import FEWEST as FEWEST_OF_SPECTRUM
from dlgd.problems.ssh.scores.spectra import resolved_down_to

if TYPE_CHECKING:
    import xarray as xr

MARGIN = 0.25  # degrees
FEWEST = 10  # points that a day needs to be scored
GAP = np.timedelta64(4, "s")
STEP = 0.25  # of a segment, from the beginning of one to that of the next


@dataclass(frozen=True)
class Track:
    """Points (point,) in order of satellite and time."""

    satellite: np.ndarray
    time: np.ndarray
    lat: np.ndarray
    lon: np.ndarray
    observed: np.ndarray  # m
    mapped: np.ndarray  # m, of the maps at the points

    @property
    def spacing_km(self) -> float:
        """The median distance between two neighbouring points of a pass, km."""
        place = unit_vectors(self.lat, self.lon)
        return float(np.median(great_circle_m(place[1:], place[:-1])[~self._ends])) / 1000

    @property
    def _ends(self) -> np.ndarray:
        """Bool (point - 1,): where the next point belongs to another pass."""
        return (np.diff(self.time) > GAP) | (np.diff(self.satellite) != 0)

    def segments(self, length: int) -> Iterator[slice]:
        """Segments of `length` points of the same pass."""
        borders = [0, *(np.flatnonzero(self._ends) + 1), len(self.time)]
        for begin, end in zip(borders[:-1], borders[1:], strict=True):
            for first in range(begin, end - length + 1, max(int(STEP * length), 1)):
                yield slice(first, first + length)


def held_out(samples: xr.Dataset) -> bool:
    """Whether the samples have held-out points."""
    return "held_out" in samples and bool(samples.held_out.any())


def track_of(samples: xr.Dataset, prediction: np.ndarray) -> Track:
    """The held-out points between the first and the last day and within the maps, with the maps' values there.

    Points with a neighbouring cell on land, or a neighbouring day that is not among the samples, are left out.
    prediction: (sample, lat, lon) in m.
    """
    from scipy.interpolate import RegularGridInterpolator

    kept = samples.held_out.values.astype(bool)
    time, lat, lon, observed, satellite = (
        samples[f"track_{name}"].values[kept] for name in ("time", "lat", "lon", "ssh", "satellite")
    )
    days, south, west = samples.time.values, samples.lat.values, samples.lon.values
    lon = (lon - west[0]) % 360 + west[0]
    within = (lat >= south[0] + MARGIN) & (lat <= south[-1] - MARGIN) & (time >= days[0]) & (time <= days[-1])
    if not seam.is_ring(west):
        within &= (lon >= west[0] + MARGIN) & (lon <= west[-1] - MARGIN)
    after = np.clip(np.searchsorted(days, time), 1, max(len(days) - 1, 1))
    if len(days) > 1:
        within &= days[after] - days[after - 1] <= DAY
    order = np.flatnonzero(within & np.isfinite(observed))
    order = order[np.lexsort((time[order], satellite[order]))]
    time, lat, lon, observed, satellite = (values[order] for values in (time, lat, lon, observed, satellite))
    mapped = np.full(len(time), np.nan)
    if len(days) > 1 and len(time):
        axis, maps, east = seam.closed(west, np.asarray(prediction, np.float64), lon)
        at = RegularGridInterpolator(((days - days[0]) / DAY, south, axis), maps)
        mapped = at(np.stack(((time - days[0]) / DAY, lat, east), axis=1))
    sea = np.isfinite(mapped)
    return Track(satellite[sea], time[sea], lat[sea], lon[sea], observed[sea].astype(np.float64), mapped[sea])


def daily_scores(track: Track) -> dict[str, float]:
    """track_mu and track_sigma; empty where no day has enough points."""
    day, number, points = np.unique(track.time.astype("datetime64[D]"), return_inverse=True, return_counts=True)
    enough = points >= FEWEST
    if not enough.any():
        return {}
    error = np.bincount(number, (track.mapped - track.observed) ** 2, minlength=len(day))[enough]
    signal = np.bincount(number, track.observed**2, minlength=len(day))[enough]
    if not (signal > 0).all():
        raise Refusal("The held-out points of a day are all 0: there is nothing to score.")
    scores = 1 - np.sqrt(error / signal)
    return {"track_mu": float(scores.mean()), "track_sigma": float(scores.std())}


def resolved_along(track: Track, segment_km: float) -> float | None:
    """track_lambda_x in km; None where nothing is resolved. Only for tracks with `has_segment`."""
    from scipy.signal import welch

    spacing = track.spacing_km
    length = int(segment_km / spacing)
    segments = list(track.segments(length))
    observed, error = (
        np.stack([values[points] for points in segments]) for values in (track.observed, track.mapped - track.observed)
    )
    # each row is one segment: the mean over rows is Welch's estimate
    wavenumber, psd_observed = welch(observed, fs=1 / spacing, nperseg=length, noverlap=0)
    _, psd_error = welch(error, fs=1 / spacing, nperseg=length, noverlap=0)
    score = 1 - psd_error.mean(axis=0)[1:] / psd_observed.mean(axis=0)[1:]
    return resolved_down_to(wavenumber[1:], score)


def has_segment(track: Track, segment_km: float) -> bool:
    """Whether some pass is as long as a segment, and a segment is long enough for a spectrum."""
    if len(track.time) < FEWEST_OF_SPECTRUM or track._ends.all():
        return False
    length = int(segment_km / track.spacing_km)
    return length >= FEWEST_OF_SPECTRUM and next(track.segments(length), None) is not None
