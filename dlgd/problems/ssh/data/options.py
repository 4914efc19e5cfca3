"""The options that all data sets of sea surface height share; conf/data/ssh.yaml gives their usual values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.core.options import make_from
from dlgd.problems.ssh.data import first_guesses, sst
from dlgd.problems.ssh.data.editing import Editing
from dlgd.problems.ssh.data.observing import Observing

PREDICT = ("all", "centre")


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """What networks see:

    name: the name of the data set, as typed in data=...
    days: days of a window, an odd number; the observations of all of them are a network's input.
    predict: "all" days of a window are the target of training, or the day at its "centre". Scores are always those of
        the day at the centre.
    sst: whether and from where networks also see the temperature of the sea's surface, and where it is known: see
        `SSTOptions` of the simulated sea, and `SSTFiles` of files.
    coordinates: whether networks also see the place of a cell in the map and the day of the year.
    patch: cells on each side of a training patch; None trains on whole maps.
    tile: cells on each side of the overlapping tiles in which maps are predicted, at least 8; None predicts whole maps
        at once. Large maps need tiles, because memory grows with the area.
    first_guess: the maps from which networks start. `km` and `days` are the standard deviations of the Gaussian weights
        that smooth observations in space and time. `method` is a classical method whose maps take their place, or None.
        `observation_draws` is how often training days are then observed, once by their own tracks and otherwise by
        those of other days: see `first_guesses.py`.

    regrid: whether maps whose cells are more than 30 % wider or narrower than those of a network's training are
        brought to cells as wide, and its predictions back; otherwise a warning gives both widths.

    What networks are trained on:

    resample_observations: whether the truth of a training window is observed where another window was, and with its
        errors. The tracks of the training split never change, and networks would learn where they are.
    dropped: probability that the observations of a day are hidden in a training window, from 0 to below 1.
    margin: days before and after a split whose observations methods may use, at least half of `days`.

    Observations:

    noise_std: standard deviation of the error of one observation, m.
    satellites, swath_errors, seed: of simulated observations, see `Observing`.
    held_out: a satellite whose observations are in no map, so that maps can be scored with them; None: there is none.
    editing: which observations in files are left out, see `Editing`.
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
    editing: Mapping[str, Any] = field(default_factory=dict)  # which older run folders do not give
    regrid: bool = False  # which they do not, either
    sst: Mapping[str, Any] = field(default_factory=dict)  # nor this

    @property
    def sees_sst(self) -> bool:
        """Whether networks see temperatures."""
        return bool(self.sst.get("seen", self.sst.get("path") is not None))

    @property
    def observing(self) -> Observing:
        """The simulated satellites."""
        return make_from(Observing, self)

    @property
    def half(self) -> int:
        """Days of a window before the one at its centre, and as many after it."""
        return self.days // 2

    @property
    def reach(self) -> int:
        """Days before and after a split whose observations are used; as many must lie between two splits."""
        return self.margin + self.half

    @property
    def edited(self) -> Editing:
        """Which observations in files are left out. Refusal of options that cannot work."""
        return Editing.of(self.editing)

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        checks.odd_number("data.days", self.days, least=1)
        checks.choice("data.predict", self.predict, PREDICT)
        checks.number("data.dropped", self.dropped, least=0, below=1, hint="it is a probability")
        first_guesses.check(self.first_guess, dropped=self.dropped)
        if self.margin < self.half:
            raise Refusal(f"data.margin={self.margin} must be at least {self.half}, half of data.days={self.days}")
        checks.number("data.noise_std", self.noise_std, least=0)
        checks.of_kind("data.regrid", self.regrid, bool)
        _ = self.edited
        if "path" in self.sst:
            sst.SSTFiles.of(self.sst)
        checks.whole_number("data.tile", self.tile, least=8, null=True, hint="null is for whole maps")
        checks.whole_number("data.patch", self.patch, least=1, null=True, hint="null is for whole maps")
