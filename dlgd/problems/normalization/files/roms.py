"""ROMS's files of normalization coefficients, roms_nrm_i.nc and its like: exact ones are written at rho points.

NetCDF with the states' own names, (ocean_time, eta_rho, xi_rho) and (ocean_time, s_rho, eta_rho, xi_rho), the first row
and column and the last ones being those of the boundary. What has no norm yet is made by ROMS with LwrtNRM and a few
vectors. The grid file has pm, pn (1/m), mask_rho and, for fields with levels, h (m); Vtransform, hc, s_w, Cs_w, s_rho
and Cs_r stand in either file. Length scales are options, as they are in s4dvar.in.

Norms are 1 over the square root of the variance of `physics.convolution`, in all records. As in ROMS, boundary points
repeat their neighbour within. Points on land, fields at u and v points and the boundary's own norms stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import checks, netcdf
from dlgd.core.errors import Refusal
from dlgd.physics import convolution
from dlgd.physics.convolution import Levels
from dlgd.physics.halo import Topology
from dlgd.physics.split_diffusion import SplitDiffusion
from dlgd.problems.normalization.files import netcdf_copy
from dlgd.problems.normalization.files.opened import Field, Opened, Sides

POINTS = ("eta_rho", "xi_rho")
VERTICAL = ("s_w", "Cs_w", "s_rho", "Cs_r")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Hdecay: length scale in m, as in s4dvar.in; a number, or one for each variable: {zeta: 50e3, temp: 40e3}.
    Vdecay: likewise, vertical, for fields with levels; 0: no VCONVOLUTION.
    Hgamma, Vgamma: factors of the steps in s4dvar.in.
    implicit: whether ROMS was compiled with IMPLICIT_VCONV.
    """

    Hdecay: float | Mapping[str, float] | None = None
    Vdecay: float | Mapping[str, float] | None = None
    Hgamma: float = 0.5
    Vgamma: float = 0.05
    implicit: bool = False

    def __post_init__(self) -> None:
        for name in ("Hdecay", "Vdecay"):
            value = getattr(self, name)
            for of, one in value.items() if isinstance(value, Mapping) else [("", value)]:
                label = f"roms.{name}{'.' if of else ''}{of}"
                checks.number(label, one, least=0 if name == "Vdecay" else None, null=not of)
                if name == "Hdecay" and one is not None:
                    checks.number(label, one, above=0)
        for name in ("Hgamma", "Vgamma"):
            checks.number(f"roms.{name}", getattr(self, name), above=0, most=1)
        checks.of_kind("roms.implicit", self.implicit, bool)


def recognized(path: Path, variables: Collection[str]) -> bool:
    """Return whether there is a field at rho points that has the name of a state."""
    return bool({"zeta", "temp", "salt"} & set(variables)) and "xi_rho" in variables


@dataclass(frozen=True)
class RomsFile:
    """What was read. repeats (n,): for each point of the whole grid the interior point whose norm it gets, -1 on land;
    shapes: that of each variable in the file."""

    fields: Sequence[Field]
    inputs: Sequence[Path]
    said: Sequence[str]
    source: Path
    repeats: np.ndarray
    shapes: Mapping[str, tuple[int, ...]]

    def outputs(self, output: Path) -> list[Path]:
        """A copy."""
        return [output]

    def write(self, gamma: Mapping[str, np.ndarray], output: Path) -> None:
        """All records of each field."""
        values = {}
        for name, norm in gamma.items():
            whole = np.where(self.repeats >= 0, norm[:, self.repeats], np.nan)
            shape = self.shapes[name]
            values[name] = np.broadcast_to(whole.reshape(shape[1:]), shape)
        netcdf_copy.copy(self.source, output, values, {name: name for name in values})


def read(source: Path, grid: Path | None, sides: Sides, options: Options) -> Opened:
    """Read the names and shapes of the fields, and the grid. Raises Refusal where files do not fit."""
    if grid is None:
        raise Refusal("grid must be given: ROMS's grid file with pm, pn, mask_rho and h")
    norms, terrain = netcdf.read(source, decode_times=False), netcdf.read(grid, decode_times=False)
    topology = sides.topology("closed", "closed")
    if topology.south_north == "fold":
        raise Refusal("south_north=fold is no side of a grid of ROMS: type closed or periodic")
    pm, pn = (_numbers(terrain, name, grid, 2) for name in ("pm", "pn"))
    if not (pm.shape == pn.shape and min(pm.shape) > 2 and (pm > 0).all() and (pn > 0).all()):
        raise Refusal(f"pm and pn in {grid} must be above 0 and of one shape, with a boundary around the interior")
    sea = np.ones(pm.shape, bool) if "mask_rho" not in terrain else _numbers(terrain, "mask_rho", grid, 2) > 0
    names = [str(name) for name, one in norms.data_vars.items() if one.dims[-2:] == POINTS and _is_state(one)]
    if not names:
        raise Refusal(f"{source} has no field with the dimensions (ocean_time, [s_rho,] eta_rho, xi_rho)")
    for name in names:
        if norms[name].shape[-2:] != pm.shape:
            raise Refusal(f"{name} in {source} has {norms[name].shape[-2:]} points, but pm in {grid} {pm.shape}")
    for option in ("Hdecay", "Vdecay"):
        value = getattr(options, option)
        for unknown in set(value) - set(names) if isinstance(value, Mapping) else ():
            raise Refusal(f"roms.{option} has {unknown}, which is no field of {source}: {checks.among(unknown, names)}")
    inner, column = np.s_[1:-1, 1:-1], None
    if any("s_rho" in norms[name].dims for name in names):
        column = _levels(norms, terrain, source, grid, pm.shape)
    at_sea = np.flatnonzero(sea[inner].ravel())
    fields = []
    operators: dict[tuple[Any, ...], SplitDiffusion] = {}  # fields of the same scales have the same norms
    for name in names:
        has_levels = "s_rho" in norms[name].dims
        key = (
            has_levels,
            _scale("Hdecay", options.Hdecay, name),
            _scale("Vdecay", options.Vdecay, name) if has_levels else 0,
        )
        if key not in operators:
            operators[key] = convolution.convolution(
                pm[inner], pn[inner], sea[inner], topology,
                smallest=float(min((1 / pm).min(), (1 / pn).min())),
                hdecay=key[1], hgamma=options.Hgamma, column=column if has_levels else None,
                vdecay=key[2], vgamma=options.Vgamma, implicit=options.implicit,
            )  # fmt: skip
        levels = np.arange(len(operators[key].thickness))
        cells = np.stack(np.meshgrid(levels, at_sea, indexing="ij"), axis=-1).reshape(-1, 2)
        fields.append(Field(name, operators[key], cells))
    others = [str(name) for name, one in norms.data_vars.items() if str(name) not in names and _is_state(one)]
    said = [f"{', '.join(others)}: not at rho points, and kept as they are"] if others else []
    shapes = {name: norms[name].shape for name in names}
    return RomsFile(fields, [source, grid], said, source, _repeats(sea, topology), shapes)


def _is_state(one: xr.DataArray) -> bool:
    """Return whether a variable is a field in time on some points of the grid."""
    return "ocean_time" in one.dims and one.ndim >= 3


def _scale(option: str, value: float | Mapping[str, float] | None, name: str) -> float:
    scale = value.get(name) if isinstance(value, Mapping) else value
    if scale is None:
        alone = f"'roms.{option}={{{name}: 50e3}}'"
        raise Refusal(f"roms.{option} must be given for {name}, in m: roms.{option}=50e3, or {alone}")
    return float(scale)


def _numbers(dataset: xr.Dataset, name: str, path: Path, dimensions: int) -> np.ndarray:
    """A variable of a file in float64, which must have so many dimensions and be finite."""
    if name not in dataset:
        raise Refusal(f"{path} lacks {name}")
    values = dataset[name].values
    if values.dtype.kind not in "iuf" or values.ndim != dimensions or not np.isfinite(values).all():
        raise Refusal(f"{name} in {path} must hold finite numbers in {dimensions} dimensions, not {values.shape}")
    return values.astype(np.float64)


def _levels(norms: xr.Dataset, terrain: xr.Dataset, source: Path, grid: Path, shape: tuple[int, int]) -> Levels:
    """The levels of a resting sea."""
    h = _numbers(terrain, "h", grid, 2)
    if h.shape != shape or (h <= 0).any():
        raise Refusal(f"h in {grid} must be above 0 and have {shape} points, not {h.shape}")

    def either(name: str, dimensions: int) -> np.ndarray:
        dataset, path = (norms, source) if name in norms else (terrain, grid)
        if name not in dataset:
            raise Refusal(f"neither {source} nor {grid} has {name}, which the levels need")
        return _numbers(dataset, name, path, dimensions)

    stretching = {name: either(name, 1) for name in VERTICAL}
    transform = int(either("Vtransform", 0))
    if transform not in (1, 2):
        raise Refusal(f"Vtransform must be 1 or 2, not {transform}")
    z_w, z_r = convolution.levels(h, stretching, float(either("hc", 0)), transform)
    thickness = np.diff(z_w, axis=0)
    if thickness.shape != z_r.shape or thickness.shape[0] != norms.sizes["s_rho"] or (thickness <= 0).any():
        raise Refusal(
            f"s_w, Cs_w, s_rho and Cs_r give {thickness.shape[0]} layers of {thickness.min():.3g} m and more, but "
            f"{source} has {norms.sizes['s_rho']} levels, which must be above 0 m"
        )
    inner = np.s_[:, 1:-1, 1:-1]
    return Levels(thickness[inner], z_r[inner], float(thickness.min()), float(thickness.max()))


def _repeats(sea: np.ndarray, topology: Topology) -> np.ndarray:
    """For each point of the whole grid (n,) the number of the interior point whose norm it has, -1 on land."""
    ny, nx = sea.shape
    row, column = np.clip(np.arange(ny) - 1, 0, ny - 3), np.clip(np.arange(nx) - 1, 0, nx - 3)
    if topology.south_north == "periodic":
        row = (np.arange(ny) - 1) % (ny - 2)
    if topology.west_east == "periodic":
        column = (np.arange(nx) - 1) % (nx - 2)
    number = row[:, None] * (nx - 2) + column
    within = sea[1:-1, 1:-1].ravel()[number]
    return np.where(sea & within, number, -1).ravel()
