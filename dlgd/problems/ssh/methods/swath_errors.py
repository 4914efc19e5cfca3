"""Errors that the points of a swath share, in optimal interpolation.

Roll, baseline, phase and timing of a wide-swath altimeter shift a whole line across the track by a function of the
distance a from it (Gaultier et al. 2016, J. Atmos. Oceanic Technol. 33, 119-126; Metref et al. 2019, Remote Sens. 11,
1336). They are unknowns of each line, of which a priori variances q_k are known, so that observations have the error
covariance R + B Q B^T: between two points at the distance d along the track

    r^2 [same point] + exp(-d / length) sum_k q_k f_k(a) f_k(a'),   f = 1, a, a^2, a where a > 0, a where a < 0

with a in EDGE_KM, and without a length exp(-d / length) is 1 within a line and 0 otherwise. The unknowns need not be
solved for: the dense matrix that OI factorizes has this sum in it, which is the same by Woodbury's identity.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import checks
from dlgd.core.constants import SECONDS_PER_DAY
from dlgd.core.errors import Refusal
from dlgd.core.options import of_group
from dlgd.physics.orbits import SATELLITES
from dlgd.problems.ssh import seam

log = logging.getLogger(__name__)

EDGE_KM = 60.0  # of the swath of SWOT
SPEED = SATELLITES["swot"].orbit.speed_km_s
APART_KM = 1e12  # between the tracks of two satellites, which share no error
SAME_LINE_KM = 0.1
SIMULATED = "simulated"
PREFIX = "swath_"  # of the attributes of samples whose swaths were simulated with errors


@dataclass(frozen=True, kw_only=True)
class SwathErrors:
    """constant, linear, quadratic, left, right: standard deviations at the swath's edge, m, of errors that grow as
        f_k: of a line's timing, of its roll angle, of the baseline's length, and of the phase of each side.
    length_km: along the track, of their correlation; None: each line has errors of its own.
    """

    constant: float = 0.0
    linear: float = 0.0
    quadratic: float = 0.0
    left: float = 0.0
    right: float = 0.0
    length_km: float | None = None

    @classmethod
    def of(cls, given: Mapping[str, object]) -> SwathErrors:
        """From baseline.swath_errors. Refusal of what cannot be such errors."""
        errors = of_group(cls, "baseline.swath_errors", given)
        for name, value in given.items():
            if name == "length_km":
                checks.number(f"baseline.swath_errors.{name}", value, above=0, null=True, hint="in km along the track")
            else:
                checks.number(f"baseline.swath_errors.{name}", value, least=0)
        return errors

    @property
    def std(self) -> np.ndarray:
        """(5,) m: of the functions in the order of `functions`."""
        return np.array([self.constant, self.linear, self.quadratic, self.right, self.left])


def option(given: object) -> None:
    """Refuse what baseline.swath_errors cannot be."""
    if given is None or given == SIMULATED:
        return
    if not isinstance(given, Mapping):
        raise Refusal(
            f"baseline.swath_errors={given} must be {SIMULATED}, null, or standard deviations in m such as "
            "{linear: 0.05, quadratic: 0.02, length_km: 1000}"
        )
    SwathErrors.of(given)


def assumed(given: str | Mapping[str, object] | None, samples: xr.Dataset) -> SwathErrors | None:
    """What an option assumes of samples: None where they have no swath, or none that was simulated with errors."""
    if given is None or "track_across" not in samples:
        return None
    if isinstance(given, Mapping):
        return SwathErrors.of(given)
    known = {name: float(samples.attrs.get(PREFIX + name, 0)) for name in ("roll", "baseline", "length_km")}
    if not known["roll"] and not known["baseline"]:
        return None
    return SwathErrors(linear=known["roll"], quadratic=known["baseline"], length_km=known["length_km"])


def warn_of_none(given: str | Mapping[str, object] | None, samples: xr.Dataset) -> None:
    """Say that errors were typed for samples without a swath."""
    if isinstance(given, Mapping) and "track_across" not in samples:
        log.warning(
            "baseline.swath_errors changes nothing: no observation has a distance across a swath "
            "(cross_track_distance in its file)"
        )


def functions(samples: xr.Dataset, days: np.ndarray) -> np.ndarray | None:
    """(point, 6): how far along the track each point is, km, and the five functions of its distance across, which are 0
    at points of no swath; None where samples have no swath. days: (point,) times."""
    if "track_across" not in samples:
        return None
    a = samples.track_across.values.astype(np.float64) / EDGE_KM
    along = SPEED * SECONDS_PER_DAY * days + APART_KM * samples.track_satellite.values
    each = np.stack([np.ones_like(a), a, a**2, np.maximum(a, 0), np.minimum(a, 0)], -1)
    return np.concatenate([along[:, None], np.where(np.isfinite(a)[:, None], each, 0.0)], -1)


def covariance(along: Tensor, scaled: Tensor, length_km: float | None) -> Tensor:
    """Of the errors of points (b, n) along tracks, km in float64, with functions (b, n, 5) times their standard
    deviations: (b, n, n)."""
    apart = (along[..., :, None] - along[..., None, :]).abs_()
    shared = apart < SAME_LINE_KM if length_km is None else torch.exp(-apart / length_km)
    return (scaled @ scaled.mT) * shared.to(scaled)


def of_points(samples: xr.Dataset, maps: np.ndarray, errors: SwathErrors, some: np.ndarray) -> np.ndarray:
    """The mean of the errors that points of swaths share, m (n,), given maps that were made with the same assumptions.

    With the observations y, which have white noise of the standard deviation r = samples.noise_std, and the field x at
    the points, E[e | y] = E[E[e | x, y] | y] = B Q B^T (B Q B^T + r^2 I)^-1 (y - E[x | y]), and maps are E[x | y].

    maps: (sample, lat, lon) m. some: (n,) the places in the table of points over sea and between the samples' days.
    """
    table = samples.isel(point=some)
    shared = functions(table, (table.track_time.values - samples.time.values[0]) / np.timedelta64(1, "D"))
    assert shared is not None, "swaths alone have such errors"
    scaled = torch.from_numpy(shared[:, 1:] * errors.std)
    matrix = covariance(torch.from_numpy(shared[:, 0].copy()), scaled, errors.length_km).numpy()
    noise = max(float(samples.attrs["noise_std"]), 1e-3) ** 2  # m2; of a matrix that can be inverted
    differences = table.track_ssh.values - at_points(samples, maps, some)
    return matrix @ np.linalg.solve(matrix + noise * np.eye(len(matrix)), differences)


def at_points(samples: xr.Dataset, maps: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Maps (sample, lat, lon) at points of the table (n,), linear in time, latitude and longitude; NaN beside land and
    outside."""
    from scipy.interpolate import RegularGridInterpolator

    start = samples.time.values[0]
    days, when = (
        (each - start) / np.timedelta64(1, "D") for each in (samples.time.values, samples.track_time.values[some])
    )
    lon, maps, east = seam.closed(samples.lon.values, maps, samples.track_lon.values[some])
    places = np.stack([when, samples.track_lat.values[some], east], -1)
    return RegularGridInterpolator((days, samples.lat.values, lon), maps, bounds_error=False)(places)
