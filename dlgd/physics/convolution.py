"""The spatial convolution of ROMS's 4D-Var at rho, u and v points (tl_conv_r2d, _u2d, _v2d; _r3d, _u3d, _v3d), without
GEOPOTENTIAL_HCONV.

With Kh = Kv = 1, h(gamma) = Hgamma and v(gamma) = Vgamma of s4dvar.in, and the smallest spacings of the grid, land too,

    dt_h = Hgamma min(dx, dy)^2 / 4                              n_h = nearest whole number to Hdecay^2 / (2 dt_h)
    dt_v = Vgamma min(Hz)^2 / 2, with IMPLICIT_VCONV max(Hz)     n_v likewise, at least 1 with IMPLICIT_VCONV

and one more step where a number is odd. The square root takes half of the steps, horizontal ones first:

    A <- A + dt_h pm pn (sum over faces of the flux),   flux pmon_u umask (A_i+1 - A_i), and pnom_v vmask (A_j+1 - A_j)
    A <- A + dt_v / Hz (sum of (A_k+1 - A_k) / (z_k+1 - z_k))    or the same implicitly

on N(0, I) over the square root of the area 1 / (pm pn), or of the volume with levels. Beyond the interior points of the
grid nothing flows, or it is periodic.

A u point lies on the west face of a rho point, a v point on its south face, and pm, pn, Hz and z there are means of
the two rho points. Between neighbours along the velocity lies a rho point, and the flux is pmon_r (u) or pnom_r (v)
times the difference, without a mask: as in ROMS, u points on land hold noise, too, and exchange it with those at sea.
Between neighbours across it lies a psi point, and the flux is pnom_p pmask (u) or pmon_p pmask (v) times the
difference, with ratios of the means of four rho points and the mask that ROMS's `metrics` makes, whatever its option
gamma2 is: 1 where four or three of these are at sea, 2 where two neighbours are, else 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dlgd.core.errors import Refusal
from dlgd.physics import edges
from dlgd.physics.halo import Topology, pad_cells
from dlgd.physics.split_diffusion import SplitDiffusion

STEPS_AT_MOST = 20_000
Points = Literal["rho", "u", "v"]
Place = tuple[slice, slice]


@dataclass(frozen=True)
class Levels:
    """Thicknesses (nz, ny, nx) in m, and depths of the centres (nz, ny, nx) in m, of the interior, from the bottom up;
    thinnest and thickest of the whole grid, m."""

    thickness: np.ndarray
    centre: np.ndarray
    thinnest: float
    thickest: float


def levels(h: np.ndarray, stretching: dict[str, np.ndarray], hc: float, transform: int) -> tuple[np.ndarray, ...]:
    """z_w (nz + 1, ny, nx) and z_r (nz, ny, nx) in m of a resting sea of depth h (ny, nx) m; ROMS's set_depth.

    stretching: s_w, Cs_w (nz + 1), s_rho, Cs_r (nz). transform: Vtransform, 1 or 2.
    """

    def depth(s: np.ndarray, c: np.ndarray) -> np.ndarray:
        s, c = s[:, None, None], c[:, None, None]
        return hc * (s - c) + c * h if transform == 1 else h * (hc * s + c * h) / (hc + h)

    return depth(stretching["s_w"], stretching["Cs_w"]), depth(stretching["s_rho"], stretching["Cs_r"])


@dataclass(frozen=True)
class _Horizontal:
    """Points (ny, nx) of one kind. area (ny, nx) m2; south (ny + 1, nx), west (ny, nx): the flux through a face over
    the difference of its two points; rho: the two rho points whose mean a column at a point is, padded by 1."""

    area: np.ndarray
    south: np.ndarray
    west: np.ndarray
    rho: tuple[Place, Place]


def at_sea(sea: np.ndarray, topology: Topology, points: Points) -> np.ndarray:
    """Return which points of a kind are at sea, bool, of the interior rho points (ny, nx) that are.

    u points have nx - 1 columns and v points ny - 1 rows; as many as rho points along a periodic direction.
    """
    padded = pad_cells(sea, 1, topology)
    one, other = _beside(sea.shape, topology, points)
    return padded[one] & padded[other]


def convolution(
    pm: np.ndarray,
    pn: np.ndarray,
    sea: np.ndarray,
    topology: Topology,
    *,
    smallest: float,
    hdecay: float,
    hgamma: float,
    points: Points = "rho",
    column: Levels | None = None,
    vdecay: float = 0.0,
    vgamma: float = 0.0,
    implicit: bool = False,
) -> SplitDiffusion:
    """The operator on the interior points of a kind; pm, pn (ny, nx) 1/m, sea (ny, nx) bool of the interior rho points.

    smallest: spacing of the whole grid, m. hdecay, vdecay: in m; vdecay 0: no vertical convolution (a grid without
    VCONVOLUTION). column: None for a field without levels.
    """
    m, n = pad_cells(pm, 1, topology, "nearest"), pad_cells(pn, 1, topology, "nearest")
    wet = pad_cells(sea, 1, topology)
    at = _rho(m, n, wet, topology) if points == "rho" else _velocity(m, n, wet, topology, points)
    grid = edges.of_grid(at.area.shape, topology)
    dt, nodes = hgamma * smallest**2 / 4, at.area.size
    steps = _even_steps("Hdecay", hdecay, dt)
    thickness = np.ones((1, nodes)) if column is None else _mean(column.thickness, at, topology)
    exchange, vertical_steps = np.zeros((len(thickness) - 1, nodes)), 0
    if column is not None and vdecay > 0:
        dt_v = vgamma * (column.thickest if implicit else column.thinnest) ** 2 / 2
        vertical_steps = _even_steps("Vdecay", vdecay, dt_v, least=1 if implicit else 0)
        exchange = dt_v / np.diff(_mean(column.centre, at, topology), axis=0)
    return SplitDiffusion(
        one=grid.one,
        other=grid.other,
        conductance=dt * grid.take(at.south, at.west)[None],
        weight=at.area.ravel(),
        exchange=exchange,
        thickness=thickness,
        variance=1 / (at.area.ravel() * thickness),
        steps=steps // 2,
        vertical_steps=vertical_steps // 2,
        implicit=implicit,
    )


def _beside(shape: tuple[int, ...], topology: Topology, points: Points) -> tuple[Place, Place]:
    """The two rho points beside each point, in arrays padded by 1; twice the same for rho points."""
    (ny, nx), inner = shape, slice(1, -1)
    row = slice(int(topology.south_north != "periodic"), ny), slice(1 + int(topology.south_north != "periodic"), ny + 1)
    column = slice(int(topology.west_east != "periodic"), nx), slice(1 + int(topology.west_east != "periodic"), nx + 1)
    if points == "u":
        return (inner, column[0]), (inner, column[1])
    return ((row[0], inner), (row[1], inner)) if points == "v" else ((inner, inner), (inner, inner))


def _rho(m: np.ndarray, n: np.ndarray, sea: np.ndarray, topology: Topology) -> _Horizontal:
    """Rho points; all arrays are padded by 1."""
    area = 1 / (m * n)[1:-1, 1:-1]
    south = (n[:-1, 1:-1] + n[1:, 1:-1]) / (m[:-1, 1:-1] + m[1:, 1:-1]) * (sea[:-1, 1:-1] & sea[1:, 1:-1])
    west = (m[1:-1, :-2] + m[1:-1, 1:-1]) / (n[1:-1, :-2] + n[1:-1, 1:-1]) * (sea[1:-1, :-2] & sea[1:-1, 1:-1])
    return _Horizontal(area, south, west, _beside(area.shape, topology, "rho"))


def _velocity(m: np.ndarray, n: np.ndarray, sea: np.ndarray, topology: Topology, points: Points) -> _Horizontal:
    """U or v points; all arrays are padded by 1."""
    ny, nx = m.shape[0] - 2, m.shape[1] - 2
    one, other = rho = _beside((ny, nx), topology, points)
    area = 4 / ((m[one] + m[other]) * (n[one] + n[other]))
    slip = _slip(sea)  # of the psi point south-west of each rho point
    if points == "u":
        columns = one[1]
        south = (_four(n) / _four(m) * slip)[:, columns]
        return _Horizontal(area, south, (m / n)[one], rho)
    rows = one[0]
    west = (_four(m) / _four(n) * slip)[rows, :-1]
    return _Horizontal(area, (n / m)[rows.start : rows.stop + 1, 1:-1], west, rho)


def _four(padded: np.ndarray) -> np.ndarray:
    """The sum of the four rho points around each psi point (ny + 1, nx + 1)."""
    return padded[:-1, :-1] + padded[:-1, 1:] + padded[1:, :-1] + padded[1:, 1:]


def _slip(sea: np.ndarray) -> np.ndarray:
    """ROMS's pmask (ny + 1, nx + 1)."""
    count = _four(sea.astype(int))
    diagonal = sea[:-1, :-1] == sea[1:, 1:]  # of two at sea: they are opposite one another
    return np.where(count >= 3, 1, np.where((count == 2) & ~diagonal, 2, 0))


def _mean(column: np.ndarray, at: _Horizontal, topology: Topology) -> np.ndarray:
    """(nz, ny, nx) of rho points -> (nz, n), means of the two beside each point."""
    padded = pad_cells(column, 1, topology, "nearest")
    one, other = at.rho
    return ((padded[..., *one] + padded[..., *other]) / 2).reshape(len(column), -1)


def _even_steps(name: str, decay: float, dt: float, least: int = 0) -> int:
    steps = max(int(np.floor(decay**2 / (2 * dt) + 0.5)), least)
    if steps > STEPS_AT_MOST:
        raise Refusal(f"{name}={decay:g} needs {steps} steps of {dt:.3g} m2: give it in m, as the grid")
    return steps + steps % 2
