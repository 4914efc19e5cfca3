"""Training samples of several grids at once: data=several_grids.

Networks of one grid fail on kinds of grids, coasts and length scales that they have not seen. Those that have seen
several kinds hold on others; see experiments/normalization.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.core.options import from_keywords
from dlgd.problems.normalization.data import patches
from dlgd.problems.normalization.data.operator_source import OperatorSource
from dlgd.problems.normalization.data.simulated import TINY, NormalizationCoefficients, NormalizationOptions

OF_A_GRID = ("grid", "rows", "columns", "coast", "diffusivity", "region", "seed")


@dataclass(frozen=True, kw_only=True)
class SeveralGridsOptions(NormalizationOptions):
    """Options besides those of simulated data:

    more_grids: further grids by names of your own. Each gives the number of its training `samples`, and may change
        `grid`, `rows`, `columns`, `coast`, `diffusivity`, `region` and `seed`. Validation and test samples are of the
        first grid, which the other options describe.
    """

    more_grids: Mapping[str, Mapping[str, Any]]

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        super().check()
        if not isinstance(self.more_grids, Mapping):
            raise Refusal(f"data.more_grids={self.more_grids} must give options for each name of a grid")
        for name, changes in self.more_grids.items():
            known = ("samples", *OF_A_GRID)
            if not isinstance(changes, Mapping) or "samples" not in changes or not set(changes) <= set(known):
                raise Refusal(
                    f"data.more_grids.{name} must give samples, may give {', '.join(OF_A_GRID)}, nothing else"
                )
            for key in ("samples", "rows", "columns"):
                if key in changes:
                    checks.whole_number(f"data.more_grids.{name}.{key}", changes[key], least=1)


@from_keywords(SeveralGridsOptions)
class SeveralGrids(NormalizationCoefficients):
    """Simulated samples. See conf/data/several_grids.yaml, and `SeveralGridsOptions`."""

    options: SeveralGridsOptions  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, options: SeveralGridsOptions) -> None:
        OperatorSource.__init__(self, options)

    @cached_property
    def others(self) -> dict[str, NormalizationCoefficients]:
        """The data set of each further grid."""
        return {name: self._other(name, changes) for name, changes in self.options.more_grids.items()}

    def _other(self, name: str, changes: Mapping[str, Any]) -> NormalizationCoefficients:
        own = {key: value for key, value in vars(self.options).items() if key != "more_grids"}
        samples = {"train": changes["samples"], "valid": 1, "test": 1}
        if "grid" in changes:
            own["region"] = None
        return NormalizationCoefficients(
            **(own | dict(changes) | {"samples": samples, "name": f"{self.options.name}.{name}"})
        )

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        super().check()
        for name, other in self.others.items():
            try:
                other.check()
            except Refusal as error:
                raise Refusal(f"data.more_grids.{name}: {error}") from error

    def tiny(self) -> SeveralGrids:
        """The same data set with 2 / 1 / 1 samples on 40 x 48 cells with random continents, and one further grid."""
        more_grids = {"mercator": {"grid": "mercator", "samples": 1}}
        options: dict[str, Any] = vars(self.options) | TINY | {"more_grids": more_grids}
        return SeveralGrids(**options)

    def prepare(self) -> None:
        """Read the samples of all grids that are in the cache, and make the others."""
        super().prepare()
        for other in self.others.values():
            other.prepare()

    def checksum(self) -> str:
        """A digest of all splits, and of the samples of the further grids."""
        return "-".join([super().checksum(), *(other.checksum() for other in self.others.values())])

    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> patches.MixedStream:
        """Random patches of all grids."""
        options: dict[str, Any] = {"halo": halo, "batch_size": batch_size, "seed": seed, "device": device}
        sources = (self, *self.others.values())
        return patches.MixedStream([source.patch_stream(**options) for source in sources])
