"""Days, latitudes and longitudes of files as maps need them: whole days, from south to north and from west to east."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh import curvilinear, grid_points
from dlgd.problems.ssh.curvilinear import Regridding

log = logging.getLogger(__name__)

UNEVEN = 0.02  # of a step: rounding to float32 moves degrees by 3e-5, which is less even for cells of 1/60 degree
GAP = 4.0  # steps beside it: a longer step is a hole in an axis; those of a stretched grid change gradually
OFF = 0.05  # of a step: what two files may differ by
FIRST, LAST = np.datetime64("1678-01-01"), np.datetime64("2261-12-31")  # nanoseconds in 64 bits reach no further


# --- time ------------------------------------------------------------------------------------------------------


def times(dataset: xr.Dataset, name: str, units: str | None, where: Path, *, some_missing: bool = False) -> np.ndarray:
    """The times of a file, datetime64[ns] (n,).

    units: such as "days since 2012-10-01", for a file whose times have none. some_missing: whether some of them may be
    missing, NaT, as those of lines across a swath.
    """
    field = dataset[name].variable
    if field.ndim > 1:
        raise Refusal(f"{name} in {where} must have one dimension, not {', '.join(map(str, field.dims))}")
    if "since" not in str(field.attrs.get("units", "")):
        if units is None:
            raise Refusal(
                f"{name} in {where} has no units: type data.time_units such as 'days since 2012-10-01', or set its "
                "attribute units"
            )
        field = field.copy(deep=False)
        field.attrs = {key: value for key, value in field.attrs.items() if key != "units"} | {"units": units}
    try:
        found = xr.decode_cf(xr.Dataset({name: field}))[name].values.ravel()
    except (ValueError, OverflowError) as error:
        raise Refusal(f"{name} in {where} cannot be read as times: {str(error).splitlines()[0]}") from error
    calendar = str(field.attrs.get("calendar", "standard"))
    if found.dtype == object:
        found = _from_calendar(found, name, calendar, where)
    if found.dtype.kind != "M" or not len(found) or (np.isnat(found).all() if some_missing else np.isnat(found).any()):
        if found.dtype.kind == "M" and np.isnat(found).all():
            raise Refusal(f"{name} in {where} has no time at all, so that there is nothing to read: leave the file out")
        raise Refusal(f"{name} in {where} has times that are missing or cannot be read")
    known = found[~np.isnat(found)]
    if known.min() < FIRST or known.max() > LAST:
        raise Refusal(f"{name} in {where} has years outside 1678 to 2261: shift its times")
    return found.astype("datetime64[ns]")


def line_times(dataset: xr.Dataset, name: str, units: str | None, where: Path) -> np.ndarray:
    """The times of points or lines along a track; those that are missing are `filled`, or NaT, and told."""
    found = times(dataset, name, units, where, some_missing=True)
    stamps = filled(found)
    missing, lost = int(np.isnat(found).sum()), int(np.isnat(stamps).sum())
    if missing:
        log.warning(
            "%s: %d of %d lines have no time: %d are timed between their neighbours, %d are left out",
            where, missing, len(found), missing - lost, lost,
        )  # fmt: skip
    return stamps


def filled(stamps: np.ndarray) -> np.ndarray:
    """Times (n,) of points or lines along a track with those that are missing, NaT, put evenly between the known ones
    around them. They stay NaT at both ends, and where others lie between: where a step would be more than twice or less
    than half as long as is usual."""
    (known,) = np.nonzero(~np.isnat(stamps))
    if len(known) == len(stamps) or len(known) < 2:
        return stamps
    seconds = (stamps[known] - stamps[known[0]]) / np.timedelta64(1, "s")
    steps = np.diff(seconds) / np.diff(known)
    usual = float(np.median(steps))
    (missing,) = np.nonzero(np.isnat(stamps))
    missing = missing[(missing > known[0]) & (missing < known[-1])]
    step = steps[np.searchsorted(known, missing) - 1]
    missing = missing[(step <= 2 * usual) & (step >= usual / 2)]
    found = stamps.copy()
    between = 1e9 * np.interp(missing, known, seconds)
    found[missing] = stamps[known[0]] + np.rint(between).astype("timedelta64[ns]")
    return found


def check_units(given: str | None) -> None:
    """Refuse what are no units of times."""
    if given is not None and " since " not in given:
        raise Refusal(f"data.time_units={given} must be such as 'days since 2012-10-01', or null")


def _from_calendar(found: np.ndarray, name: str, calendar: str, where: Path) -> np.ndarray:
    """cftime objects -> datetime64 of the same date. Refusal of a date that the usual calendar does not have."""
    converted = []
    for time in found:
        try:
            converted.append(np.datetime64(time.isoformat(), "s"))
        except ValueError as error:
            raise Refusal(
                f"{name} in {where} has the date {time.strftime('%Y-%m-%d')} of the calendar {calendar}, which other "
                "calendars lack: convert it first, with xarray's convert_calendar for instance"
            ) from error
    log.info("%s: the dates of its calendar %s are taken as they are; days that it lacks are missing", where, calendar)
    return np.array(converted)


def days(stamps: np.ndarray) -> np.ndarray:
    """datetime64[D]: the day of each time. A minute is added, because 24:00 may be 23:59:59.99 in float32."""
    return (stamps + np.timedelta64(1, "m")).astype("datetime64[D]")


def period(given: Sequence[Any] | None, option: str = "data.period") -> tuple[np.datetime64, np.datetime64]:
    """The first and last day that an option gives; without limits where it is null."""
    if given is None:
        return FIRST, LAST
    try:
        first, last = (np.datetime64(str(day), "D") for day in ((given,) if isinstance(given, str) else given))
    except (ValueError, TypeError) as error:
        raise Refusal(f"{option}={given} must be two days such as [2012-10-01,2013-09-30]") from error
    if not first <= last:
        raise Refusal(f"{option}={given} ends before it begins: type the first day first")
    return first, last


# --- space -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Box:
    """A box in degrees. `west` lies from -360 to 360, and `east` above it by at most 360."""

    south: float = -90.0
    north: float = 90.0
    west: float | None = None  # None: wherever the grid begins
    east: float | None = None

    @classmethod
    def of(cls, given: Sequence[Any] | None) -> Box:
        """The box of data.box=[south, north, west, east]; the whole globe where it is null."""
        if given is None:
            return cls()
        try:
            south, north, west, east = map(float, given)
            if not np.isfinite([south, north, west, east]).all():
                raise ValueError
        except (TypeError, ValueError) as error:
            raise Refusal(f"data.box={given} must be [south,north,west,east] in degrees, or null") from error
        if not -90 <= south < north <= 90 or west == east:
            raise Refusal(
                f"data.box={given} must go from south to north within -90 to 90, and from west to east"
                + in_other_order("data.box", given, "[south,north,west,east]")
            )
        if not (-360 <= west <= 360 and -360 <= east <= 360):
            raise Refusal(f"data.box={given} has longitudes beyond -360 to 360")
        return cls(south, north, west, west + ((east - west) % 360 or 360.0))


def in_other_order(option: str, given: Sequence[Any], order: str) -> str:
    """What to type where what stands in the place of latitudes can be none, and makes a box when both pairs of numbers
    are exchanged; else "".

    order: in which the option takes them.
    """
    west, east, south, north = map(float, given)
    if order.startswith("[west"):
        west, east, south, north = south, north, west, east
    if max(abs(west), abs(east)) <= 90 or not (-90 <= south < north <= 90 and -360 <= min(west, east) < 360):
        return ""
    exchanged = ",".join(f"{float(one):g}" for one in (*given[2:], *given[:2]))
    return f"; its order is {order}, so type {option}=[{exchanged}]"


def rows_and_columns(
    lat: np.ndarray, lon: np.ndarray, dims: tuple[str, str], box: Box, where: Path
) -> tuple[np.ndarray, np.ndarray, tuple[str, str], Regridding | None]:
    """Latitudes and longitudes of one dimension, the names of their dimensions, and the way to them from a curvilinear
    grid, or one of unevenly spaced axes; None where the arrays of a file are evenly spaced axes, or repeat such axes.
    """
    lat, lon = np.squeeze(lat) if lat.ndim > 2 else lat, np.squeeze(lon) if lon.ndim > 2 else lon
    if lat.ndim == lon.ndim == 1:
        chosen = [of(axis, box, where, uneven=True)[1] for of, axis in ((latitudes, lat), (longitudes, lon))]
        if all(map(even, chosen)):
            return lat, lon, dims, None
        lat, lon = np.meshgrid(lat, lon, indexing="ij")
    if lat.ndim != 2 or lat.shape != lon.shape:
        return lat, lon, dims, None
    points, lost, stray = grid_points.places_known(lat, lon)
    if lost:
        log.warning("%s: %d points of its grid stand in one place, and do not count", where, lost)
    if stray:
        log.warning("%s: %d points of its grid stand far from all of their neighbours, and do not count", where, stray)
    if not (np.isfinite(points.lat) & np.isfinite(points.lon)).any() or min(lat.shape) < 2:
        raise Refusal(f"longitudes and latitudes in {where} must be finite numbers at two rows and columns or more")
    if not -90.01 <= np.nanmin(lat) <= np.nanmax(lat) <= 90.01:
        raise Refusal(f"latitudes in {where} go from {np.nanmin(lat):g} to {np.nanmax(lat):g}: degrees are needed")
    axes = grid_points.rectilinear(points, UNEVEN)
    if axes is not None and even(axes[0]) and even(np.unwrap(axes[1], period=360)):
        return axes[0], axes[1], (dims[1], dims[0]) if axes[2] else dims, None
    found = curvilinear.regridding(points, box.south, box.north, box.west, box.east)
    return found.lat, found.lon, dims, found


def latitudes(values: np.ndarray, box: Box, where: Path, *, uneven: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The latitudes in the box, from south to north: (indices into the file, degrees).

    uneven: whether their steps may differ, as on Mercator's grid.
    """
    _check_axis(values, "latitudes", where)
    order = np.argsort(values)
    if np.diff(values[order]).min() <= 0:
        _refuse_uneven(values[order], "latitudes", where)
    if not -90.01 <= values[order[0]] <= values[order[-1]] <= 90.01:
        raise Refusal(f"latitudes in {where} go from {values[order[0]]:g} to {values[order[-1]]:g}: degrees are needed")
    step = values[order[1]] - values[order[0]]
    chosen = order[(values[order] >= box.south - OFF * step) & (values[order] <= box.north + OFF * step)]
    if len(chosen) < 2:
        swapped = box.west is not None and box.east is not None and ((values > box.west) & (values < box.east)).any()
        question = ": is it [south,north,west,east]?" if swapped else ""
        raise Refusal(f"data.box has fewer than two of the latitudes {_range(values[order])} of {where}{question}")
    _check_even(values[chosen], "latitudes", where, uneven)
    return chosen, values[chosen]


def longitudes(values: np.ndarray, box: Box, where: Path, *, uneven: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The longitudes in the box, from west to east without a jump: (indices into the file, degrees).

    The first one lies from -180 to 180. Without a box, the region begins after the widest gap of the circle, so that it
    may lie across the date line. uneven: whether their steps may differ, as on a stretched grid.
    """
    _check_axis(values, "longitudes", where)
    circle = np.sort(values % 360)
    gaps = np.diff(circle, append=circle[0] + 360)
    step = float(np.median(np.sort(gaps)[:-1]))
    west, east = box.west, box.east
    if west is None or east is None:
        ring = gaps.max() < 1.5 * step
        west = float(values[0]) if ring else float(circle[(gaps.argmax() + 1) % len(circle)])
        east = np.inf
    offset = (values - west + OFF * step) % 360 - OFF * step
    order = np.argsort(offset)
    if gaps.min() < OFF * step:
        raise Refusal(f"longitudes in {where} meet the same meridian twice: leave one of the two columns out")
    chosen = order[offset[order] <= east - west + OFF * step]
    if len(chosen) < 2:
        raise Refusal(f"data.box has fewer than two of the longitudes {_range(values)} of {where}")
    _check_even(offset[chosen], "longitudes", where, uneven)
    first = (west + offset[chosen[0]] + 180) % 360 - 180
    return chosen, first + offset[chosen] - offset[chosen[0]]


def same_axis(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two axes are equal except for rounding."""
    return len(one) == len(other) and float(abs(one - other).max()) < OFF * (one[1] - one[0])


def _check_axis(values: np.ndarray, name: str, where: Path) -> None:
    if values.ndim != 1:
        raise Refusal(f"{name} in {where} have {values.ndim} dimensions: interpolate to a regular grid of lat and lon")
    if len(values) < 2 or not np.isfinite(values).all():
        raise Refusal(f"{name} in {where} must be at least two finite numbers")


def _check_even(ascending: np.ndarray, name: str, where: Path, uneven: bool) -> None:
    """Refuse steps that differ, or, where they may, a step so much longer than its neighbours that it is a gap."""
    steps = np.diff(ascending)
    beside = np.fmax(np.append(steps[1:], np.nan), np.append(np.nan, steps[:-1]))
    if not even(ascending) and (not uneven or (steps > GAP * beside).any()):
        _refuse_uneven(ascending, name, where)


def _refuse_uneven(ascending: np.ndarray, name: str, where: Path) -> NoReturn:
    steps = np.diff(ascending)
    raise Refusal(
        f"{name} in {where} are not evenly spaced (steps of {steps.min():g} to {steps.max():g} degrees): "
        "interpolate to a regular grid"
        + (", or choose a data.box on one side of the gap" if steps.max() > GAP * np.median(steps) else "")
    )


def even(axis: np.ndarray) -> bool:
    """Whether steps are equal but for rounding."""
    steps = np.diff(axis)
    return bool(abs(steps - np.median(steps)).max() <= UNEVEN * abs(np.median(steps)))


def _range(values: np.ndarray) -> str:
    return f"{values.min():g} to {values.max():g}"
