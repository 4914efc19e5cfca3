"""Options that the data sets of both systems of Lorenz have; conf/data/lorenz63.yaml gives their usual values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class PresetOptions:
    """What a preset gives, too: None where the preset's value shall be taken.

    dt: time between two steps. window: steps of a sample to be assimilated. stride: steps between training windows.
    gap: steps between the splits. samples: windows of each split. observations: see `observations.Observing`.
    resample_observations: whether training windows are observed anew each time. seed: of the first state, windows,
    patterns and noise.
    """

    dt: float | None
    window: int | None
    stride: int | None
    gap: int | None
    samples: Mapping[str, Any]
    observations: Mapping[str, Any]
    resample_observations: bool | None
    seed: int | None

    @property
    def of_preset(self) -> dict[str, Any]:
        """These options alone, by name."""
        return {field.name: getattr(self, field.name) for field in fields(PresetOptions)}


@dataclass(frozen=True, kw_only=True)
class LorenzOptions(PresetOptions):
    """name: as typed in data=... task: what is asked. preset: a name of `presets.PRESETS`.

    history, rollout, leads: of forecasts, steps that are known, steps that follow in training, and steps that follow in
    samples. in_memory: without a file in the cache.
    """

    name: str
    task: str
    preset: str
    history: int
    rollout: int
    leads: int
    in_memory: bool = False
