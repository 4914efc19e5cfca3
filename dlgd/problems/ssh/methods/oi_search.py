"""A search for a few positive parameters of a cost that is expensive and has no derivative, and observations that are
left out so that such a cost can be computed without a truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.methods.sea_points import days_of

PARTS = 4  # of the passes of a satellite that is alone
HALF_ORBIT = 50 / 1440  # days, about, of each altimeter
NOTHING_TO_TUNE = (
    "baseline.tune=true needs training days whose truth is known, or passes along tracks that can be left out: type "
    "baseline.tune=false"
)


def search(
    cost: Callable[[Sequence[float]], float], start: Sequence[float], factors: Sequence[float] = (1.5, 1.2)
) -> tuple[list[float], float]:
    """Return parameters and their cost, such that a change of any one by the last of the factors does not cost less.

    One parameter at a time is multiplied or divided by the first factor, as long as that helps; then by the next one.
    """
    best, least = list(start), cost(start)
    for factor in factors:
        failed = 0  # moves in sequence that did not help
        moves = [(number, step) for number in range(len(best)) for step in (factor, 1 / factor)]
        while failed < len(moves):
            number, step = moves[0]
            moved = [value * step if n == number else value for n, value in enumerate(best)]
            if (value := cost(moved)) < least:
                best, least, failed = moved, value, 0
            else:
                moves, failed = [*moves[1:], moves[0]], failed + 1
    return best, least


def left_out(samples: xr.Dataset, turn: int) -> xr.Dataset:
    """Samples whose `held_out` points are those of one satellite, another one at each turn 0, 1, ...; of a satellite
    that is alone, every fourth pass. Points that are held out already are in none of them."""
    if "track_ssh" not in samples:
        raise Refusal(NOTHING_TO_TUNE)
    if "held_out" in samples:
        samples = samples.isel(point=np.flatnonzero(~samples.held_out.values.astype(bool)))
    groups = samples.track_satellite.values
    if len(np.unique(groups)) == 1:
        groups = (days_of(samples.track_time) / HALF_ORBIT).astype(int) % PARTS
    satellites = np.unique(groups)
    return samples.assign(held_out=("point", groups == satellites[turn % max(1, len(satellites))]))
