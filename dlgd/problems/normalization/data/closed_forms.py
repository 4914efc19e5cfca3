"""Closed forms of gamma, which need no learning: first guesses, and further fields for the input of a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgd.core import checks
from dlgd.physics import bridges, normalization, normalization3d, separable
from dlgd.physics.diffusion import Diffusion
from dlgd.physics.diffusion3d import Diffusion3D

GUESS = "gamma_estimate"  # m; among the fields of every closed form


class ClosedForm(ABC):
    """Computes fields (y, x) of one operator: GUESS, and `channels`, dimensionless and of order one at sea."""

    channels: tuple[str, ...]
    directional: tuple[tuple[str, str], ...]  # pairs of channels that change places when the grid is turned
    residual: float  # typical size of log(gamma / guess) near the coast

    @abstractmethod
    def reach(self, operator: Diffusion) -> int:
        """Cells on each side that the fields of a cell depend on, at most."""

    @abstractmethod
    def __call__(self, operator: Any, reach: int | None = None) -> dict[str, np.ndarray]:
        """The fields by name, NaN on land.

        operator: a `Diffusion`, or of three dimensions a `Diffusion3D`. reach: that of the grid whose part the operator
        is; None: its own.
        """


def _log_energy(size: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    """log(w F_pp), or with volumes log(V F_pp)."""
    return np.log(size) - 2 * np.log(gamma)


class Homogeneous(ClosedForm):
    """The closed form of a homogeneous ocean: each cell as if its own diffusivities held everywhere."""

    channels = ("log_estimate",)
    directional = ()
    residual = 0.25

    def reach(self, operator: Diffusion) -> int:
        """One: that of the faces."""
        return 1

    def __call__(self, operator: Diffusion, reach: int | None = None) -> dict[str, np.ndarray]:
        """See `physics.normalization.homogeneous`."""
        gamma = normalization.homogeneous(operator)
        return {GUESS: gamma, "log_estimate": (_log_energy(operator.area, gamma) + 2.5) / 1.2}


class Separable(ClosedForm):
    """The separable closed form: as if diffusion along rows and along columns did not affect each other.

    A network also sees its logarithmic distance from the homogeneous form (zero far from the coast), and its factors,
    the probabilities of return along the column (i) and along the row (j), at an early and at a late time.
    """

    TIMES = {"early": 1, "late": 5}  # of the ten in `physics.separable.times`: about 5 and 18
    channels: tuple[str, ...] = (
        "log_estimate",
        "log_excess",
        *(f"log_return_{axis}_{when}" for when in TIMES for axis in "ij"),
    )
    directional = tuple((f"log_return_i_{when}", f"log_return_j_{when}") for when in TIMES)
    residual = 0.1

    def reach(self, operator: Diffusion) -> int:
        """See `physics.separable.reach`."""
        return separable.reach(operator)

    def __call__(self, operator: Diffusion, reach: int | None = None) -> dict[str, np.ndarray]:
        """See `physics.separable`."""
        homogeneous = _log_energy(operator.area, normalization.homogeneous(operator))
        returns = separable.returns(operator, reach)
        return self._fields(returns, homogeneous, operator.area, operator.sea, operator.steps)

    def _fields(
        self,
        returns: Sequence[np.ndarray],
        homogeneous: np.ndarray,  # the logarithm of its energy
        size: np.ndarray,  # area or volume
        sea: np.ndarray,
        steps: int,
    ) -> dict[str, np.ndarray]:
        energy = np.where(sea, separable.energy(returns, steps), np.nan)
        found = {
            GUESS: np.sqrt(size / energy),
            "log_estimate": (np.log(energy) + 2.5) / 1.2,
            "log_excess": np.clip((np.log(energy) - homogeneous) / 0.5, -6, 6),
        }
        for when, time in self.TIMES.items():
            for axis, along in zip("ijk", returns, strict=False):
                found[f"log_return_{axis}_{when}"] = np.where(sea, (np.log(along[..., time]) + 1) / 0.6, np.nan)
        return found


def _shifts(axes: str) -> tuple[str, ...]:
    return tuple(f"log_shift_{axis}_{when}" for when in Separable.TIMES for axis in axes)


class Bridge(Separable):
    """The separable form whose factors are averaged over the lines that a returning walk visits.

    A network sees these factors, and by how much the average has changed the logarithm of each.
    """

    channels = (*Separable.channels, *_shifts("ij"))
    directional = (*Separable.directional, *zip(_shifts("i"), _shifts("j"), strict=True))
    residual = 0.05

    def reach(self, operator: Diffusion) -> int:
        """See `physics.bridges.reach`."""
        return bridges.reach(operator)

    def __call__(self, operator: Diffusion, reach: int | None = None) -> dict[str, np.ndarray]:
        """See `physics.bridges`."""
        homogeneous = _log_energy(operator.area, normalization.homogeneous(operator))
        halo = None if reach is None else reach // 2
        single = separable.returns(operator, halo)
        means = bridges.averaged(operator, single, halo)
        found = self._fields(means, homogeneous, operator.area, operator.sea, operator.steps)
        return found | self._changes(means, single, operator.sea)

    def _changes(
        self, means: Sequence[np.ndarray], single: Sequence[np.ndarray], sea: np.ndarray
    ) -> dict[str, np.ndarray]:
        found = {}
        for when, time in self.TIMES.items():
            for axis, mean, alone in zip("ijk", means, single, strict=False):
                change = np.clip(np.log(mean[..., time] / alone[..., time]) / 0.1, -6, 6)
                found[f"log_shift_{axis}_{when}"] = np.where(sea, change, np.nan)
        return found


class SeparableVolume(Separable):
    """The same in three dimensions, (level, y, x), of the full operator."""

    channels = (*Separable.channels, *(f"log_return_k_{when}" for when in Separable.TIMES))

    def __call__(self, operator: Diffusion3D, reach: int | None = None) -> dict[str, np.ndarray]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """See `physics.normalization3d.returns`. The operator is a whole grid."""
        homogeneous = _log_energy(operator.volume, normalization3d.homogeneous(operator, "implicit"))
        return self._fields(
            normalization3d.returns(operator), homogeneous, operator.volume, operator.sea, operator.steps
        )


class BridgeVolume(SeparableVolume, Bridge):
    """The averaged form in three dimensions, (level, y, x), of the full operator."""

    channels = (*SeparableVolume.channels, *_shifts("ijk"))

    def __call__(self, operator: Diffusion3D, reach: int | None = None) -> dict[str, np.ndarray]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """See `physics.bridges.averaged_in_volumes`. The operator is a whole grid."""
        homogeneous = _log_energy(operator.volume, normalization3d.homogeneous(operator, "implicit"))
        single = normalization3d.returns(operator)
        means = bridges.averaged_in_volumes(operator, single)
        found = self._fields(means, homogeneous, operator.volume, operator.sea, operator.steps)
        return found | self._changes(means, single, operator.sea)


CLOSED_FORMS: dict[str, type[ClosedForm]] = {
    "homogeneous": Homogeneous,
    "separable": Separable,
    "bridge": Bridge,
}
VOLUME_FORMS: dict[str, type[ClosedForm]] = {"separable": SeparableVolume, "bridge": BridgeVolume}


def choose(name: str) -> ClosedForm:
    """Return the closed form of a name. Refusal of a name that does not exist."""
    checks.choice("data.closed_form", name, CLOSED_FORMS)
    return CLOSED_FORMS[name]()
