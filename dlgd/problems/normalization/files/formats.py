"""All formats of files that get exact norms, and what is common to them: recognize, read, compute, compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from dlgd.core import checks, netcdf
from dlgd.core.errors import Refusal
from dlgd.problems.normalization.files import mds, mitgcm, nemovar, roms, saber
from dlgd.problems.normalization.files.opened import Opened, Sides

FORMATS = {"saber": saber, "mitgcm": mitgcm, "roms": roms, "nemovar": nemovar}


@dataclass(frozen=True)
class Exact:
    """gamma (nz, n) by the name of its field; by the same names, how many cells have a norm, how many of them were
    compared with brute force, and the largest relative error of gamma^2 at these."""

    gamma: Mapping[str, np.ndarray]
    counts: Mapping[str, int]
    compared: Mapping[str, int]
    errors: Mapping[str, float]

    @property
    def worst(self) -> float:
        """The largest error of all fields."""
        return max(self.errors.values(), default=0.0)

    def sentences(self) -> list[str]:
        """Return what is said of each field."""
        said = []
        for name, error in self.errors.items():
            count = self.compared[name]
            levels = len(self.gamma[name])
            norms = f"{name}: {self.counts[name]} norms in {levels} level{'s' * (levels > 1)}"
            against = f"largest relative error of gamma^2 at {count} cells, against brute force: {error:.1e}"
            said.append(f"{norms}; {against}" if count else norms)
        return said


def read(
    source: Path, grid: Path | None, sides: Sides, *, name: str | None, options: Mapping[str, Mapping[str, Any]]
) -> tuple[str, Opened]:
    """Return the name of the format, and what was read.

    name: of the format; None: recognized by what the file holds. options: those of each format. Refusal where none
    fits, and where options of another format than the file's were changed.
    """
    if name is not None:
        checks.choice("format", name, FORMATS)
    found = recognized(source) if name is None else name
    chosen = {other: module.Options(**options.get(other, {})) for other, module in FORMATS.items()}
    for other, module in FORMATS.items():
        if other != found and chosen[other] != module.Options():
            raise Refusal(f"options {other}.* have no effect on a file of the format {found}: leave them out")
    return found, FORMATS[found].read(source, grid, sides, chosen[found])


def recognized(path: Path) -> str:
    """Return the name of the format of a file. Refusal where it is none."""
    if path.is_dir():
        raise Refusal(f"{path} is a folder: give the file with the length scales")
    variables: list[str] = []
    if path.is_file() and not mitgcm.recognized(path, ()):
        netcdf.refuse_damaged(path)
        try:
            with netCDF4.Dataset(path) as dataset:
                variables = [*dataset.variables, *dataset.dimensions]
        except OSError as error:
            raise netcdf.unreadable(path, error) from error
    for name, module in FORMATS.items():
        if module.recognized(path, variables):
            return name
    if not path.exists() and not mds.exists(path):
        raise Refusal(f"{path} is not there: give a file with length scales")
    raise Refusal(
        f"{path} has no format that is known: hzScales or vtScales (saber), a name such as smooth3DscalesH001 "
        "(mitgcm), zeta or temp on eta_rho, xi_rho (roms), or K11 and K22 (nemovar) are missing; "
        f"it has {', '.join(dict.fromkeys(variables)) or 'no variables'}"
    )


def exact(opened: Opened, *, check: int, seed: int) -> Exact:
    """Compute all fields, and compare `check` cells of each with brute force. Refusal where norms are not finite, or
    where a field has none."""
    gamma, counts, compared, errors = {}, {}, {}, {}
    known: dict[int, np.ndarray] = {}  # fields may share an operator
    for field in opened.fields:
        if not len(field.cells):
            raise Refusal(f"{field.name} has no cell at sea with a length scale: are the mask and the scales right?")
        if id(field.operator) not in known:
            known[id(field.operator)] = field.operator.gamma()
        found = gamma[field.name] = known[id(field.operator)]
        if not np.isfinite(found[tuple(field.cells.T)]).all():
            raise Refusal(f"the norms of {field.name} are not finite everywhere: are its scales and the grid right?")
        some = field.cells[np.random.default_rng(seed).permutation(len(field.cells))[:check]]
        error = np.abs((found[tuple(some.T)] / field.operator.brute_force(some)) ** 2 - 1)
        counts[field.name] = len(field.cells)
        compared[field.name], errors[field.name] = len(some), float(error.max(initial=0.0))
    return Exact(gamma, counts, compared, errors)
