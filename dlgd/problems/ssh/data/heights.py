"""What a height is: an anomaly, a height above the geoid or another one, and how high each can be.

Values that no sea has are told: fill values that the file does not declare, and cm that are not labelled.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import map_names

log = logging.getLogger(__name__)


HIGHEST = 200.0  # m: the geoid itself stays within 110 m of the ellipsoid
MANY = 1_000_000  # values that are enough for a median


@dataclass(frozen=True)
class Kind:
    """words: what it is called in a message. highest: what it stays below on both sides of 0, m."""

    words: str
    highest: float


# Altimetry's own products keep anomalies within 2 m (Jason-3 Products Handbook, editing criteria); storm surges and
# tides that are left in add to that. The mean dynamic topography lies within 2 m of the geoid, tides within 8 m.
ANOMALY = Kind("sea level anomaly", 3.0)
TOPOGRAPHY = Kind("height above the geoid", 10.0)
UNKNOWN = Kind("sea surface height", HIGHEST)

ANOMALIES = re.compile(r"sla|ssha|msla|anomaly")
TOPOGRAPHIES = re.compile(r"mdt|adt|zos|zeta|sossheig|dynamic_topography")
ELLIPSOID = re.compile(r"mss|mean_sea_surface|geoid")
STANDARD = {
    "sea_surface_height_above_sea_level": ANOMALY,
    "sea_surface_height_above_mean_sea_level": ANOMALY,
    "sea_surface_height_above_geoid": TOPOGRAPHY,
    "sea_surface_height_above_reference_ellipsoid": UNKNOWN,
}

FEWEST = 3  # of equal values that may be a fill value
FAR = 20.0  # robust standard deviations between a fill value and what is measured, and m at least:
FAR_M = 3.0
ROUGH = 3.0  # m: no dynamic topography of a sea has a larger robust standard deviation


def kind(dataset: xr.Dataset, name: str) -> Kind:
    """What a variable, or a sum of variables, is by its terms' names and standard names."""
    terms = [term for _, term in map_names.summands(dataset, name)]
    said = [(term.lower(), str(dataset[term].attrs.get("standard_name", ""))) for term in terms]
    if any(ELLIPSOID.search(term) for term, _ in said):
        return UNKNOWN
    if any(TOPOGRAPHIES.search(term) for term, _ in said):
        return TOPOGRAPHY
    of_standard = [STANDARD[standard] for _, standard in said if standard in STANDARD]
    if of_standard:
        return of_standard[0]
    return ANOMALY if any(ANOMALIES.search(term) for term, _ in said) else UNKNOWN


def spread(values: np.ndarray) -> tuple[float, float]:
    """Median and robust standard deviation, 1.4826 median absolute deviations, of finite values (n,), or of MANY of
    them."""
    values = values[:: max(1, len(values) // MANY)]
    median = float(np.median(values))
    return median, 1.4826 * float(np.median(np.abs(values - median)))


def limit(of: Kind, values: np.ndarray) -> Kind:
    """The kind whose limit counts for finite values (n,): that of a height above the geoid if an unknown one is
    mostly as low as these."""
    low = of is UNKNOWN and len(values) > 0 and float(np.median(np.abs(values))) < ROUGH
    return TOPOGRAPHY if low else of


def refuse_impossible(values: np.ndarray, name: str, where: Path) -> None:
    """Refuse values of any shape, m, that no sea has: beyond HIGHEST, or filled in where there is none. NaN is none."""
    finite = values[np.isfinite(values)].ravel()
    if not len(finite):
        return
    highest = float(np.abs(finite).max())
    filled = _fill_value(finite)
    if filled is not None:
        raise Refusal(
            f"{name} in {where} reaches {filled[0]:.6g} m, exactly so in {filled[1]} of {len(finite)} places and far "
            "from all other heights: set its attribute _FillValue to it if it means that there is none, or leave such "
            "fields of a CSV file empty"
        )
    if highest > HIGHEST:
        raise Refusal(
            f"{name} in {where} reaches {highest:.3g} m, which no sea surface does: correct its units, or set its "
            "attribute _FillValue if such values mean that there are none"
        )


def suspect_units(values: np.ndarray, name: str, where: Path) -> None:
    """Warn of values of any shape that look like cm or mm, in a file that gives no units."""
    finite = values[np.isfinite(values)].ravel()
    if not len(finite):
        return
    _, std = spread(finite)
    if std > ROUGH:
        log.warning(
            "%s in %s has no units, and its %d values vary by %.3g (%.3g to %.3g): are these cm or mm? They count as m "
            "until its attribute units says so", name, where, len(finite), std, finite.min(), finite.max(),
        )  # fmt: skip


def _fill_value(finite: np.ndarray) -> tuple[float, int] | None:
    """The highest or the lowest of the values (n,) and how often it is there, if it is not measured but filled in: it
    is exactly repeated, and far from all others."""
    for value in (float(finite.max()), float(finite.min())):
        equal = finite == value
        count = int(equal.sum())
        if count < FEWEST or count == len(finite):
            continue
        rest = finite[~equal]
        median, std = spread(rest)
        gap = float(np.abs(rest - value).min())
        if gap > max(FAR_M, FAR * std) and abs(value - median) > max(FAR_M, FAR * std):
            return value, count
    return None


def labelled(dataset: xr.Dataset, name: str) -> bool:
    """Whether all terms of a height have units."""
    return all(str(dataset[term].attrs.get("units", "")).strip() for _, term in map_names.summands(dataset, name))
