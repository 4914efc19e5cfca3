"""Options that all data sets of sea surface height have; conf/data/ssh.yaml gives their usual values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import first_guesses

PREDICT = ("all", "centre")


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """name: as typed in data=...

    days: of a window, an odd number. predict: all of its days, or the one at the centre. patch: cells of a training
    patch on each side, None for whole maps. coordinates: whether networks see their place in the map and the day of the
    year. tile: cells on each side of the overlapping tiles in which maps are predicted, None for whole maps.

    first_guess: km and days, standard deviations of the Gaussian weights with which observations are smoothed to be a
    network's first guess; or a method whose maps are (`first_guesses.py`), and how often training days are observed for
    it. resample_observations: whether a training window's truth is observed where and with the errors of another one.
    dropped: probability of a training window's day to be hidden. margin: days before and after a split of which samples
    have the observations.

    noise_std: m, of one observation. satellites, swath_errors, held_out, seed: of simulated observations, see
    `observing.Observing`; of others, held_out is a satellite whose observations are in no map.
    """

    name: str
    days: int
    predict: str
    patch: int | None
    coordinates: bool
    first_guess: Mapping[str, Any]
    resample_observations: bool
    dropped: float
    margin: int
    tile: int | None
    satellites: str | Sequence[str]
    noise_std: float
    swath_errors: Mapping[str, float]
    held_out: str | None
    seed: int

    @property
    def half(self) -> int:
        """Days of a window before the one at its centre, and as many after it."""
        return self.days // 2

    @property
    def reach(self) -> int:
        """Days before and after a split whose observations are looked at: so many must lie between two splits."""
        return self.margin + self.half

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        checks.odd_number("data.days", self.days, least=1)
        checks.choice("data.predict", self.predict, PREDICT)
        checks.number("data.dropped", self.dropped, least=0, below=1, hint="it is a probability")
        first_guesses.check(self.first_guess, dropped=self.dropped)
        if self.margin < self.half:
            raise Refusal(f"data.margin={self.margin} must be at least {self.half}, half of data.days={self.days}")
        checks.number("data.noise_std", self.noise_std, least=0)
        checks.whole_number("data.tile", self.tile, least=8, null=True, hint="null is for whole maps")
        checks.whole_number("data.patch", self.patch, least=1, null=True, hint="null is for whole maps")
