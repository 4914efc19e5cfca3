"""The systems of Lorenz of 1963 and 1996: data=lorenz63, data=lorenz96; see `source.py`."""

from __future__ import annotations

from dataclasses import dataclass

from dlgd.core.contract import DataSource
from dlgd.core.options import from_keywords
from dlgd.physics.lorenz import Lorenz63, Lorenz96
from dlgd.problems.lorenz.data.options import LorenzOptions
from dlgd.problems.lorenz.data.source import Lorenz


@dataclass(frozen=True, kw_only=True)
class Lorenz63Options(LorenzOptions):
    """sigma, rho, beta: the parameters of the equations, without unit, as Lorenz (1963) calls them."""

    sigma: float
    rho: float
    beta: float


@from_keywords(Lorenz63Options)
class Lorenz63Data(Lorenz):
    """Three variables, which are the channels. See `Lorenz63Options`."""

    ring = False

    def __init__(self, options: Lorenz63Options) -> None:
        super().__init__(options, Lorenz63(sigma=options.sigma, rho=options.rho, beta=options.beta))

    def tiny(self) -> DataSource:
        """Sixteen windows for training."""
        return Lorenz63Data(**(vars(self.typed) | self._small()))


@dataclass(frozen=True, kw_only=True)
class Lorenz96Options(LorenzOptions):
    """size: number of variables on the circle. forcing: F of the equations of Lorenz (1996); 8 is chaotic."""

    size: int
    forcing: float


@from_keywords(Lorenz96Options)
class Lorenz96Data(Lorenz):
    """Variables on a circle, which is the axis X. See `Lorenz96Options`."""

    ring = True

    def __init__(self, options: Lorenz96Options) -> None:
        super().__init__(options, Lorenz96(size=options.size, forcing=options.forcing))

    def tiny(self) -> DataSource:
        """Sixteen windows for training."""
        return Lorenz96Data(**(vars(self.typed) | self._small()))
