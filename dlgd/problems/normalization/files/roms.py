"""ROMS's files of normalization coefficients, roms_nrm_i.nc and its like: exact ones at rho, u and v points.

NetCDF with the states' own names, (ocean_time, eta_rho, xi_rho) and (ocean_time, s_rho, eta_rho, xi_rho), or with
eta_u, xi_u and eta_v, xi_v, the first row and column and the last ones being those of the boundary. What has no norm
yet is made by ROMS with LwrtNRM and a few vectors. The grid file has pm, pn (1/m), mask_rho and, for levels, h (m);
Vtransform, hc, s_w, Cs_w, s_rho and Cs_r stand in either file. Length scales are options, as in s4dvar.in.

Norms are 1 over the square root of the variance of `physics.convolution`, in all records. As in ROMS, boundary points
repeat their neighbour within; at u and v points with the sign of the value that stands there, 0 at closed sides that
the velocity would cross, and below 0 along those without slip. Points on land, and norms of the boundary
(roms_nrm_b.nc), stay as they are.
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
from dlgd.physics.convolution import Levels, Points
from dlgd.physics.halo import Topology
from dlgd.physics.split_diffusion import SplitDiffusion
from dlgd.problems.normalization.files import netcdf_copy
from dlgd.problems.normalization.files.opened import Field, Opened, Sides

POINTS: dict[Points, tuple[str, str]] = {
    "rho": ("eta_rho", "xi_rho"), "u": ("eta_u", "xi_u"), "v": ("eta_v", "xi_v"),
}  # fmt: skip
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
    """Return whether there is a field at rho points or of velocity or stress that has the name of a state."""
    states = {"zeta", "temp", "salt"} if "xi_rho" in variables else set()
    states |= {"ubar", "u", "sustr"} if "xi_u" in variables else set()
    return bool(states & set(variables))


@dataclass(frozen=True)
class RomsFile:
    """What was read. repeats: for each variable the interior point whose norm each point of its whole grid (n,) gets,
    -1 on land, and the sign (n,) with which it gets it; shapes: that of each variable in the file."""

    fields: Sequence[Field]
    inputs: Sequence[Path]
    said: Sequence[str]
    source: Path
    repeats: Mapping[str, tuple[np.ndarray, np.ndarray]]
    shapes: Mapping[str, tuple[int, ...]]

    def outputs(self, output: Path) -> list[Path]:
        """A copy."""
        return [output]

    def write(self, gamma: Mapping[str, np.ndarray], output: Path) -> None:
        """All records of each field."""
        values = {}
        for name, norm in gamma.items():
            number, sign = self.repeats[name]
            whole = np.where(number >= 0, sign * norm[:, number], np.nan)
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
    _refuse_other_masks(terrain, sea, grid)
    at = _states(norms, sea, source, grid)
    names = list(at)
    for option in ("Hdecay", "Vdecay"):
        value = getattr(options, option)
        for unknown in set(value) - set(names) if isinstance(value, Mapping) else ():
            raise Refusal(f"roms.{option} has {unknown}, which is no field of {source}: {checks.among(unknown, names)}")
    inner, column = np.s_[1:-1, 1:-1], None
    if any("s_rho" in norms[name].dims for name in names):
        column = _levels(norms, terrain, source, grid, pm.shape)
    fields, repeats = [], {}
    operators: dict[tuple[Any, ...], SplitDiffusion] = {}  # fields of the same scales have the same norms
    for name in names:
        has_levels = "s_rho" in norms[name].dims
        key = (
            at[name],
            has_levels,
            _scale("Hdecay", options.Hdecay, name),
            _scale("Vdecay", options.Vdecay, name) if has_levels else 0,
        )
        if key not in operators:
            operators[key] = convolution.convolution(
                pm[inner], pn[inner], sea[inner], topology,
                smallest=float(min((1 / pm).min(), (1 / pn).min())),
                points=at[name], hdecay=key[2], hgamma=options.Hgamma, column=column if has_levels else None,
                vdecay=key[3], vgamma=options.Vgamma, implicit=options.implicit,
            )  # fmt: skip
        levels = np.arange(len(operators[key].thickness))
        at_sea = np.flatnonzero(convolution.at_sea(sea[inner], topology, at[name]))
        cells = np.stack(np.meshgrid(levels, at_sea, indexing="ij"), axis=-1).reshape(-1, 2)
        fields.append(Field(name, operators[key], cells))
        repeats[name] = _repeats(sea, topology, at[name]), _signs(norms[name], at[name])
    others = [str(name) for name, one in norms.data_vars.items() if str(name) not in names and _is_state(one)]
    said = [f"{', '.join(others)}: not at rho, u or v points, and kept as they are"] if others else []
    shapes = {name: norms[name].shape for name in names}
    return RomsFile(fields, [source, grid], said, source, repeats, shapes)


def _refuse_other_masks(terrain: xr.Dataset, sea: np.ndarray, grid: Path) -> None:
    """Refuse masks of u and v points that do not follow from that of rho points."""
    for name, one, other in (("mask_u", sea[:, :-1], sea[:, 1:]), ("mask_v", sea[:-1], sea[1:])):
        if name in terrain and not np.array_equal(_numbers(terrain, name, grid, 2) > 0, one & other):
            raise Refusal(
                f"{name} in {grid} must be the product of mask_rho on both sides: other masks, such as thin walls, "
                "are not served"
            )


def _states(norms: xr.Dataset, sea: np.ndarray, source: Path, grid: Path) -> dict[str, Points]:
    """The fields that get norms, and the kind of their points. sea (ny, nx): rho points."""
    at: dict[str, Points] = {
        str(name): points
        for name, one in norms.data_vars.items()
        for points, dimensions in POINTS.items()
        if one.dims[-2:] == dimensions and _is_state(one)
    }
    if not at:
        raise Refusal(f"{source} has no field with the dimensions (ocean_time, [s_rho,] eta_rho, xi_rho), or of u or v")
    for name, points in at.items():
        shape = len(sea) - (points == "v"), sea[0].size - (points == "u")
        if norms[name].shape[-2:] != shape:
            raise Refusal(
                f"{name} in {source} has {norms[name].shape[-2:]} points, but pm in {grid} {sea.shape}: "
                f"{shape} at {points} points"
            )
    return at


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


def _repeats(sea: np.ndarray, topology: Topology, points: Points) -> np.ndarray:
    """For each point of a kind, of the whole grid (n,), the number of the interior point whose norm it has, -1 on land;
    sea (ny, nx): rho points."""
    if points == "u":
        sea = sea[:, :-1] & sea[:, 1:]
    if points == "v":
        sea = sea[:-1] & sea[1:]

    def along(size: int, *, periodic: bool, staggered: bool) -> tuple[np.ndarray, int, int]:
        """The interior line that each line repeats, their number, and the place of the first one."""
        if periodic and staggered:  # the last line is the first one again
            return np.arange(size) % (size - 1), size - 1, 0
        lines = np.arange(size) - 1
        return (lines % (size - 2) if periodic else np.clip(lines, 0, size - 3)), size - 2, 1

    row, _, south = along(sea.shape[0], periodic=topology.south_north == "periodic", staggered=points == "v")
    column, width, west = along(sea.shape[1], periodic=topology.west_east == "periodic", staggered=points == "u")
    within = sea[np.ix_(row + south, column + west)]
    return np.where(sea & within, row[:, None] * width + column, -1).ravel()


def _signs(norm: xr.DataArray, points: Points) -> np.ndarray:
    """The sign (n,) with which each point of the whole grid gets the norm: 1 within and at rho points."""
    signs = np.ones(norm.shape[-2:])
    if points != "rho":
        surface = norm.values.reshape(-1, *signs.shape)[-1]
        signs = np.where(np.isfinite(surface), np.sign(surface), 1.0)
        signs[1:-1, 1:-1] = 1
    return signs.ravel()
