"""The systems of Lorenz of 1963 and 1996: data=lorenz63, data=lorenz96; see `source.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlgd.core.contract import DataSource
from dlgd.physics.lorenz import Lorenz63, Lorenz96
from dlgd.problems.lorenz.data.source import Lorenz


class Lorenz63Data(Lorenz):
    """Three variables, which are the channels."""

    ring = False

    def __init__(
        self,
        *,
        name: str,
        task: str,
        preset: str,
        sigma: float,
        rho: float,
        beta: float,
        dt: float | None,
        window: int | None,
        stride: int | None,
        gap: int | None,
        samples: Mapping[str, Any],
        history: int,
        rollout: int,
        leads: int,
        observations: Mapping[str, Any],
        resample_observations: bool | None,
        seed: int | None,
        in_memory: bool = False,
    ) -> None:
        self._given = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        typed = {"dt": dt, "window": window, "stride": stride, "gap": gap, "samples": samples, "seed": seed}
        typed |= {"observations": observations, "resample_observations": resample_observations}
        super().__init__(
            name=name,
            dynamics=Lorenz63(sigma=sigma, rho=rho, beta=beta),
            task=task,
            preset=preset,
            typed=typed,
            history=history,
            rollout=rollout,
            leads=leads,
            in_memory=in_memory,
        )

    def tiny(self) -> DataSource:
        """Sixteen windows for training."""
        return Lorenz63Data(**(self._given | self._small()))


class Lorenz96Data(Lorenz):
    """A circle of variables, which is the axis X."""

    ring = True

    def __init__(
        self,
        *,
        name: str,
        task: str,
        preset: str,
        size: int,
        forcing: float,
        dt: float | None,
        window: int | None,
        stride: int | None,
        gap: int | None,
        samples: Mapping[str, Any],
        history: int,
        rollout: int,
        leads: int,
        observations: Mapping[str, Any],
        resample_observations: bool | None,
        seed: int | None,
        in_memory: bool = False,
    ) -> None:
        self._given = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        typed = {"dt": dt, "window": window, "stride": stride, "gap": gap, "samples": samples, "seed": seed}
        typed |= {"observations": observations, "resample_observations": resample_observations}
        super().__init__(
            name=name,
            dynamics=Lorenz96(size=size, forcing=forcing),
            task=task,
            preset=preset,
            typed=typed,
            history=history,
            rollout=rollout,
            leads=leads,
            in_memory=in_memory,
        )

    def tiny(self) -> DataSource:
        """Sixteen windows for training."""
        return Lorenz96Data(**(self._given | self._small()))
