"""First guesses by a classical method: networks start from its maps and not from smoothed observations.

The tracks of the training split never change. From one set of a method's maps a network would learn where these tracks
are, and would fail on other days. So the split is observed several times, each time along the tracks of other days and
with their errors, and the method makes maps of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.contract import Method
from dlgd.core.errors import Refusal
from dlgd.problems.ssh.days import DAY

NEEDED, OPTIONAL = {"km", "days"}, {"method", "observation_draws"}


def check(first_guess: Mapping[str, Any], *, dropped: float) -> None:
    """Refuse options of data.first_guess that cannot work, in one sentence each."""
    if set(first_guess) - OPTIONAL != NEEDED:
        raise Refusal("data.first_guess must give km and days, such as data.first_guess={km: 25, days: 3}")
    for key in sorted(NEEDED):
        checks.number(f"data.first_guess.{key}", first_guess[key], above=0)
    checks.whole_number("data.first_guess.observation_draws", first_guess.get("observation_draws", 1), least=1)
    method = first_guess.get("method")
    if method is None:
        return
    if not isinstance(method, Method):
        raise Refusal(
            f"data.first_guess.method={method} must be a classical method: type +baseline@data.first_guess.method=oi, "
            "or null for smoothed observations"
        )
    if dropped > 0:
        raise Refusal(
            f"data.dropped={dropped} hides days from a network, but data.first_guess.method has seen them: choose one"
        )


def maps(
    method: Method, samples: xr.Dataset, *, half: int, train: Callable[[], xr.Dataset]
) -> tuple[np.ndarray, np.ndarray]:
    """Return days (n,), datetime64, and the method's maps of them (n, lat, lon), m.

    The days are those of the samples and `half` days around them, as far as there are observations. The method gets the
    daily maps of observations alone: it never sees the truth, nor a table of tracks, which resampled training days do
    not have. train: the training split, from which a method learns that does.
    """
    if method.learns:
        method.fit(train())
    around = samples.time.values[:, None] + np.arange(-half, half + 1) * DAY
    days = np.unique(around)
    known = samples.day.values.astype("datetime64[D]")
    days = days[np.isin(days.astype("datetime64[D]"), known)]
    names = [name for name, field in samples.items() if name == "ssh" or "point" in field.dims]
    asked = samples.drop_vars([*names, "time"]).assign_coords(time=("sample", days))
    return days, method.predict(asked)


def observed_by_others(train: xr.Dataset, shift: int) -> xr.Dataset:
    """The training split, whose days are observed along the tracks of the days `shift` later, and with their errors.

    The last days take the tracks of the first ones. Observations before and after the split are left out, because the
    truth of those days is unknown.
    """
    truth, days = train.ssh.transpose("sample", "lat", "lon"), train.day.values.astype("datetime64[D]")
    own = np.isin(days, train.time.values.astype("datetime64[D]"))
    observations = train.observations.transpose("day", "lat", "lon").values[own]
    errors = np.roll(observations - truth.values, -shift, axis=0)
    field = xr.DataArray(truth.values + errors, {"day": train.day.values[own]}, ("day", "lat", "lon"))
    others = train.drop_vars([name for name, one in train.items() if "point" in one.dims])
    return others.isel(day=np.flatnonzero(own)).assign(observations=field)


def shifts(days: int, count: int) -> list[int]:
    """`count` shifts, spread evenly over a split of so many days; the first one is 0."""
    return [number * days // count for number in range(count)]
