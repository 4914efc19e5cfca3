"""What a person asks for who wants predictions checked against exact ones, and what a data set answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlgd.core import checks
from dlgd.core.errors import Refusal

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr


@dataclass(frozen=True, kw_only=True)
class Check:
    """cells: how many cells of each sample are compared with exact answers, at least 1.
    tolerance: the largest error that is good enough, 1e-6 to 1, as the data set measures it.
    seconds: how long the repair of a sample may take, above 0.
    """

    cells: int
    tolerance: float = 1e-2
    seconds: float = 60.0

    def __post_init__(self) -> None:
        checks.whole_number("check", self.cells, least=1)
        checks.number("tolerance", self.tolerance, least=1e-6, most=1)
        checks.number("seconds", self.seconds, above=0)


def asked(cells: int | None, *, tolerance: float | None, seconds: float | None) -> Check | None:
    """Return the check with the usual options for those that are None; None without cells. Refusal of options that have
    no effect then."""
    typed = {name: value for name, value in (("tolerance", tolerance), ("seconds", seconds)) if value is not None}
    if cells is not None:
        return Check(cells=cells, **typed)
    for name, value in typed.items():
        raise Refusal(f"{name}={value} has no effect without check: give check=50, or another number of cells")
    return None


@dataclass(frozen=True)
class Repaired:
    """prediction: in physical units, repaired. variables: what goes into the file besides, by name. sentences: what is
    said of each sample. good: whether all samples are within the tolerance."""

    prediction: np.ndarray
    variables: Mapping[str, xr.Variable]
    sentences: Sequence[str]
    good: bool
