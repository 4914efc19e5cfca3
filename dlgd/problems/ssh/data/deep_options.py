"""The options of data=deep_currents; conf/data/deep_currents.yaml gives their usual values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlgd.core import checks
from dlgd.core.contract import Method
from dlgd.core.errors import Refusal
from dlgd.core.options import make_from
from dlgd.problems.ssh.data.observing import Observing
from dlgd.problems.ssh.data.sea_splits import SeaSplits

SEEN = ("truth", "interpolated")
INTERPOLATION = ("Lx", "Ly", "Lt", "noise")


@dataclass(frozen=True, kw_only=True)
class DeepOptions(SeaSplits):
    """name: the name of the data set, as typed in data=...
    seen: the maps of the surface: the "truth", or "interpolated" from simulated satellites by optimal interpolation.
    days: days of a window of maps, an odd number; the currents are those of the day at its centre.
    network_cells: points along a side of the maps that networks see and answer with, at least 8: waves shorter than two
        of them are left out, and the currents below have few. None: all points of the sea.
    first_guess: `method`, a classical method from whose answer networks start: they see it, and learn what it misses.
        None: they start from nothing.
    interpolation: correlation lengths Lx and Ly, degrees, and time Lt, days, and noise, m, of optimal interpolation;
        its other options are those of baseline=oi_tuned.
    satellites, noise_std, seed: of the simulated satellites, see `Observing`.
    """

    name: str
    seen: str
    days: int
    network_cells: int | None
    first_guess: Mapping[str, Method | None]
    interpolation: Mapping[str, float]
    satellites: str | Sequence[str]
    noise_std: float
    seed: int

    @property
    def observing(self) -> Observing:
        """The simulated satellites, none of which is held out; the lines of a swath share no errors."""
        errors = {"roll": 0.0, "baseline": 0.0, "length_km": 1000.0}
        return make_from(Observing, self, swath_errors=errors, held_out=None)

    @property
    def half(self) -> int:
        """Days of a window before the one at its centre, and as many after it."""
        return self.days // 2

    @property
    def method(self) -> Method | None:
        """The method of the first guesses."""
        return self.first_guess["method"]

    @property
    def points(self) -> int:
        """Points along a side of the maps that networks see."""
        cells = self.simulation.cells
        return cells if self.network_cells is None else self.network_cells

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        checks.choice("data.seen", self.seen, SEEN)
        checks.odd_number("data.days", self.days, least=1)
        if set(self.first_guess) != {"method"} or not isinstance(self.method, Method | None):
            raise Refusal(
                f"data.first_guess={dict(self.first_guess)} must give a classical method: type "
                "+baseline@data.first_guess.method=wavenumber_regression, or data.first_guess.method=null"
            )
        if set(self.interpolation) != set(INTERPOLATION):
            raise Refusal(f"data.interpolation must give {', '.join(INTERPOLATION)}")
        for key, value in self.interpolation.items():
            checks.number(f"data.interpolation.{key}", value, above=0)
        self.check_sea(further=self.half)
        checks.whole_number("data.network_cells", self.network_cells, least=8, null=True, hint="null is for all")
        if self.points > (cells := self.simulation.cells):
            raise Refusal(f"data.network_cells={self.network_cells} is more than data.sea.cells={cells}: choose fewer")
        self.observing.check()
        gap, train = self.splits["gap"], self.splits["train"]
        if gap < self.days - 1:
            raise Refusal(
                f"data.splits.gap={gap} is too short for data.days={self.days}: windows of two splits would share "
                f"maps; leave {self.days - 1} days between them"
            )
        if train < self.days:
            raise Refusal(f"data.days={self.days} is more than the {train} days of the training split")
