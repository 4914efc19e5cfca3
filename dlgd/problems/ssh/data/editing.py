"""Editing of observations: points that no sea explains are left out before maps are made of them, and are counted.

A single point of 5 m among 1,500 moves a map by metres. Four rules, each of which can be turned off, look for them:

flags     what a file says itself, see `quality_flags.py`; along tracks alone
highest   a guard in m, which depends on what the heights are, see `heights.py`
sigma     a point that is too many robust standard deviations (1.4826 median absolute deviations) from the median of
          the points around it in space and time. The standard deviation counts as LEAST_STD at least, so that an eddy
          in quiet water passes, and in a western boundary current it is that of the current
jumps     along tracks alone: a point that is too many robust standard deviations from the median of its neighbours on
          both sides. Eddies and fronts are smooth there: neighbours are 7 km away, or less

Rules of this kind edit the measurements of all altimeters (AVISO, Jason-3 Products Handbook, section "Editing
criteria"); their robust form is Hampel's (1974, J. Am. Stat. Assoc. 69, 383-393).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.core.options import of_group
from dlgd.problems.ssh.data import heights, quality_flags
from dlgd.problems.ssh.data.heights import Kind

log = logging.getLogger(__name__)

AUTO = "auto"
ALARM = 0.1  # share of the points: where more are left out, something else may be wrong
# The surroundings of a point are its own bin and those around it.
BIN_DEGREES = 1.0  # of latitude, and as many km from west to east
BIN_DAYS = 5.0
FEWEST = 30  # points that say how much a place varies; where there are fewer, those of the whole box do
OF_A_BIN = 200  # points that are enough of each
LEAST_STD = 0.25  # m: an eddy of 1 m in quiet water stays within five of these
LEAST_JUMP = 0.06  # m: what noise and curvature move a point from the median of its neighbours
NEIGHBOURS = 3  # on each side
APART = np.timedelta64(10, "s")  # at most, from a point to the last of its neighbours
APART_DEGREES = 0.5
BIASED = 0.5  # m: two altimeters do not differ by more


@dataclass(frozen=True, kw_only=True)
class Editing:
    """Which observations are left out:

    flags: those that quality flags of the files call bad: of the flags that are recognized ("auto"), of a list of
        flags, or of "none".
    sigma: robust standard deviations between a point and the median of the points around it in space and time, beyond
        which it is left out; None: no point is.
    jumps: the same between a point of a track and the median of its neighbours.
    highest: m, beyond which heights are left out; "auto" is 3 for a sea level anomaly and 10 for a height above the
        geoid; None: there is no limit.
    """

    flags: str | Sequence[str] = quality_flags.AUTO
    sigma: float | None = 5.0
    jumps: float | None = 5.0
    highest: float | str | None = AUTO

    @classmethod
    def of(cls, given: Mapping[str, object]) -> Editing:
        """From the options data.editing. Refusal of those that cannot work."""
        editing = of_group(cls, "data.editing", given)
        quality_flags.option(editing.flags)
        checks.number("data.editing.sigma", editing.sigma, above=0, null=True, hint="null is for no such rule")
        checks.number("data.editing.jumps", editing.jumps, above=0, null=True, hint="null is for no such rule")
        if editing.highest != AUTO:
            checks.number("data.editing.highest", editing.highest, above=0, null=True, hint="in m, or auto")
        return editing


def too_high(values: np.ndarray, of: Kind, editing: Editing, said: str) -> np.ndarray:
    """Bool (n,): whether a height (n,), m, is beyond the guard; told with numbers. said: what they are, and where.

    Refusal where more than half of the heights are: these are no such heights.
    """
    beyond = np.zeros(len(values), bool)
    if editing.highest is None or not len(values):
        return beyond
    kind = heights.limit(of, values)
    highest = kind.highest if isinstance(editing.highest, str) else float(editing.highest)
    beyond = np.abs(values) > highest
    count = int(beyond.sum())
    if count > 0.5 * len(values):
        raise Refusal(
            f"{count} of {len(values)} heights of {said} lie beyond {highest:g} m, the limit of a {kind.words}: set "
            "the attribute units (in CSV a name such as sla (cm)), choose another variable, or type "
            "data.editing.highest=null"
        )
    if count:
        out = values[beyond]
        _tell(
            count, len(values),
            f"{said}: {count} of {len(values)} heights lie beyond {highest:g} m, the limit of a {kind.words} "
            f"({out.min():.3g} to {out.max():.3g} m), and are left out (data.editing.highest)",
        )  # fmt: skip
    return beyond


def outliers(points: Mapping[str, np.ndarray], editing: Editing, said: str, *, satellites: Sequence[str]) -> np.ndarray:
    """Bool (n,): whether a point along tracks fails the rules `jumps` or `sigma`; told with numbers.

    A satellite that lies BIASED from the others is told, too, and compared with itself: it is no outlier.

    points: ssh (m), time (datetime64), lat, lon (degrees, without a jump) and satellite (whole numbers), each (n,) and
        finite, in order of satellite and time. said: what they are, and where. satellites: their names.
    """
    found = np.zeros(len(points["ssh"]), bool)
    if editing.jumps is not None and len(found):
        jump = from_neighbours(points)
        known = np.isfinite(jump)
        if known.any():
            there = {key: values[known] for key, values in points.items()}
            found[known] = _beyond(there, jump[known], editing.jumps, LEAST_JUMP, centred=False)
        what = f"jump by more than {editing.jumps:g} robust standard deviations from their neighbours along the track"
        _report(found, points["ssh"], said, what, "jumps")
    if editing.sigma is not None and not found.all():
        left = {key: values[~found] for key, values in points.items()}
        heights_left = left["ssh"].astype(float)
        for number, value in biases(left).items():
            heights_left[left["satellite"] == number] -= value
            log.warning(
                "%s: %s lies %.3g m %s those around it: are all satellites' heights the same quantity?",
                said, satellites[number], abs(value), "above" if value > 0 else "below",
            )  # fmt: skip
        far = np.zeros(len(found), bool)
        far[~found] = _beyond(left, heights_left, editing.sigma, LEAST_STD, centred=True)
        _report(far, points["ssh"], said, _far(editing.sigma), "sigma")
        found |= far
    return found


def edit_maps(maps: np.ndarray, lat: np.ndarray, lon: np.ndarray, of: Kind, editing: Editing, said: str) -> None:
    """Set observations in maps (day, lat, lon), m, of consecutive days that fail `highest` or `sigma` to NaN, in place;
    told with numbers. said: what they are, and where."""
    known = np.isfinite(maps)
    beyond = too_high(maps[known], of, editing, said)
    if beyond.any():
        maps[tuple(index[beyond] for index in np.nonzero(known))] = np.nan
    if editing.sigma is None:
        return
    days, around, out = len(maps), int(BIN_DAYS), []
    for first in range(0, days, around):  # with the days around these: all together would take too much memory
        start, stop = max(first - around, 0), min(first + 2 * around, days)
        day, row, column = np.nonzero(np.isfinite(maps[start:stop]))
        values = maps[start:stop][day, row, column]
        points = {"lat": lat[row], "lon": lon[column], "time": day.astype("timedelta64[D]")}
        if not len(values):
            continue
        far = _beyond(points, values, editing.sigma, LEAST_STD, centred=True)
        far &= (day + start >= first) & (day + start < first + around)
        out.append((day[far] + start, row[far], column[far]))
    if out:
        places = tuple(np.concatenate(each) for each in zip(*out, strict=True))
        found = np.zeros(maps.shape, bool)
        found[places] = True
        kept = np.isfinite(maps)
        _report(found[kept], maps[kept], said, _far(editing.sigma), "sigma")
        maps[places] = np.nan


def _far(sigma: float) -> str:
    return f"lie more than {sigma:g} robust standard deviations from those around them"


def from_neighbours(points: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n,) m: ssh less the median of NEIGHBOURS points on each side; NaN where some are missing or far, as at the ends
    of a pass. Points as for `outliers`."""
    ssh, time, lat, satellite = (points[key] for key in ("ssh", "time", "lat", "satellite"))
    difference = np.full(len(ssh), np.nan)
    reach = NEIGHBOURS
    if len(ssh) < 2 * reach + 1:
        return difference
    middle = slice(reach, len(ssh) - reach)

    def shifted(values: np.ndarray, by: int) -> np.ndarray:
        return values[reach + by : len(values) - reach + by]

    around = np.stack([shifted(ssh, by) for by in range(-reach, reach + 1) if by])
    near = np.ones(len(ssh) - 2 * reach, bool)
    lon = points["lon"] * np.cos(np.deg2rad(lat))
    for by in (-reach, reach):
        near &= shifted(satellite, by) == satellite[middle]
        near &= np.abs(shifted(time, by) - time[middle]) <= APART
        near &= np.hypot(shifted(lat, by) - lat[middle], shifted(lon, by) - lon[middle]) <= APART_DEGREES
    difference[middle] = np.where(near, ssh[middle] - np.median(around, axis=0), np.nan)
    return difference


def _beyond(
    points: Mapping[str, np.ndarray], values: np.ndarray, most: float, least: float, *, centred: bool
) -> np.ndarray:
    """Bool (n,): whether finite values are more than `most` standard deviations, which count as `least` at least, from
    the median around them, or from 0 if they are not `centred`."""
    median, std = surroundings(points["lat"], points["lon"], points["time"], values)
    return np.abs(values - (median if centred else 0.0)) > most * np.maximum(std, least)


def surroundings(
    lat: np.ndarray, lon: np.ndarray, time: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Median and robust standard deviation (n,) of the finite values around each point, within a bin or two of
    BIN_DEGREES and BIN_DAYS."""
    whole = heights.spread(values)
    bins = np.stack(
        [
            np.floor((lat - lat.min()) / BIN_DEGREES),
            np.floor((lon - lon.min()) * np.cos(np.deg2rad(lat.mean())) / BIN_DEGREES),
            np.floor((time - time.min()) / np.timedelta64(1, "D") / BIN_DAYS),
        ]
    ).astype(np.int64)
    shape = tuple((bins.max(axis=1) + 3).tolist())  # a bin without points on each side
    flat = np.asarray(np.ravel_multi_index(tuple(bins + 1), shape))
    order = np.argsort(flat, kind="stable")
    numbers, starts = np.unique(flat[order], return_index=True)
    parts = dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=True))
    thinned = {number: values[part[:: max(1, len(part) // OF_A_BIN)]] for number, part in parts.items()}
    steps = [int(np.ravel_multi_index(step, shape)) for step in np.ndindex(3, 3, 3)]
    offsets = [step - steps[len(steps) // 2] for step in steps]
    median, std = np.empty(len(values)), np.empty(len(values))
    for number, part in parts.items():
        near = [thinned[number + offset] for offset in offsets if number + offset in thinned]
        together = np.concatenate(near)
        median[part], std[part] = heights.spread(together) if len(together) >= FEWEST else whole
    return median, std


def biases(points: Mapping[str, np.ndarray]) -> dict[int, float]:
    """By satellite, m: the median of its heights less those around them; of satellites with more than BIASED."""
    satellites = np.unique(points["satellite"])
    if len(satellites) < 2:
        return {}
    median, _ = surroundings(points["lat"], points["lon"], points["time"], points["ssh"])
    above = points["ssh"] - median
    found = {int(one): float(np.median(above[points["satellite"] == one])) for one in satellites}
    return {number: value for number, value in found.items() if abs(value) > BIASED}


def _report(found: np.ndarray, ssh: np.ndarray, said: str, what: str, option: str) -> None:
    count = int(found.sum())
    if count:
        out = ssh[found]
        _tell(
            count, len(ssh),
            f"{said}: {count} of {len(ssh)} heights {what} ({out.min():.3g} to {out.max():.3g} m), and are left out "
            f"(data.editing.{option})",
        )  # fmt: skip


def _tell(count: int, total: int, sentence: str) -> None:
    """A warning where so much is left out that something else may be wrong."""
    log.log(logging.WARNING if count > ALARM * total else logging.INFO, "%s", sentence)


def repeated(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Bool (n,): whether another point of the same satellite, before this one, has the same time, place and height."""
    keys = [columns[key] for key in ("ssh", "lon", "lat", "time", "satellite")]
    order = np.lexsort(keys)
    found = np.zeros(len(order), bool)
    found[order[1:]] = np.logical_and.reduce([key[order[1:]] == key[order[:-1]] for key in keys])
    return found
