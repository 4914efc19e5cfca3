"""Errors of maps of sea surface height, and of the geostrophic velocity and vorticity that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlgd.core.errors import Refusal
from dlgd.physics.geostrophy import velocity, vorticity
from dlgd.problems.ssh.scores.maps import Maps

MAX_BATCH_ELEMENTS = 2_000_000  # cells whose velocities are held in memory at once


def daily_rmse(maps: Maps) -> np.ndarray:
    """Root mean square error of each day, (day,), m; NaN on days without a known cell."""
    return np.sqrt(_daily_mean(maps.error[:, maps.sea] ** 2))


def height_scores(maps: Maps) -> dict[str, float]:
    """rmse (m), mu, mu_daily, sigma and explained_variance, which `SshEvaluation` explains."""
    truth, error = maps.truth[:, maps.sea], maps.error[:, maps.sea]
    count = np.isfinite(truth).sum(axis=1)  # which is not that of all sea cells on a day with holes
    days = count > 0
    signal, squares = _daily_mean(truth[days] ** 2), _daily_mean(error[days] ** 2)
    if not (signal > 0).all() or np.nanvar(truth) == 0:
        raise Refusal("The true ssh is 0 throughout a day, or never changes: there is nothing to compare with.")
    daily = 1 - np.sqrt(squares / signal)
    mean_square, mean_signal = (np.average(values, weights=count[days]) for values in (squares, signal))
    return {
        "rmse": float(np.sqrt(mean_square)),
        "mu": float(1 - np.sqrt(mean_square / mean_signal)),
        "mu_daily": float(daily.mean()),
        "sigma": float(daily.std()),
        "explained_variance": float(1 - np.nanvar(error) / np.nanvar(truth)),
    }


def _daily_mean(values: np.ndarray) -> np.ndarray:
    """The mean of the known values (day, cell) of each day; NaN where there is none."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1)


def flow_scores(maps: Maps) -> dict[str, float]:
    """rmse_u (m/s) and rmse_vorticity (of zeta / f), and their explained variances. Empty where no cell has enough
    neighbours, or where the truth has no flow."""
    days = max(MAX_BATCH_ELEMENTS // maps.truth[0].size, 1)
    sums: dict[str, Sums] = {}
    for first in range(0, len(maps.time), days):
        some = slice(first, first + days)
        # velocity and vorticity are linear in the height: those of its error are their errors
        for kind, height in (("truth", maps.truth[some]), ("error", maps.predicted[some] - maps.truth[some])):
            place = {"lat": maps.lat, "lon": maps.lon}
            u, v = velocity(height, **place)
            for name, field in (("u", u), ("v", v), ("vorticity", vorticity(height, **place))):
                sums.setdefault(f"{name} {kind}", Sums()).add(field[np.isfinite(field)])
    scores = {}
    for name, components in (("u", ("u", "v")), ("vorticity", ("vorticity",))):
        truth, error = ([sums[f"{one} {kind}"] for one in components] for kind in ("truth", "error"))
        if all(each.count > 0 for each in truth) and sum(each.variance for each in truth) > 0:
            scores[f"rmse_{name}"] = float(np.sqrt(sum(each.mean_square for each in error)))
            shares = sum(each.variance for each in error) / sum(each.variance for each in truth)
            scores[f"explained_variance_{name}"] = float(1 - shares)
    return scores


@dataclass
class Sums:
    """Sums over values that come piece by piece."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, values: np.ndarray) -> None:
        """Add values of any shape."""
        self.count += values.size
        self.total += float(values.sum())
        self.squares += float((values**2).sum())

    @property
    def mean_square(self) -> float:
        """The mean of the squares of all values."""
        return self.squares / self.count

    @property
    def variance(self) -> float:
        """The variance of all values."""
        return self.mean_square - (self.total / self.count) ** 2
