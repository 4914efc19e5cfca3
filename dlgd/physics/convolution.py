"""The spatial convolution of ROMS's 4D-Var at rho points (tl_conv_r2d and tl_conv_r3d, without GEOPOTENTIAL_HCONV).

With Kh = Kv = 1, h(gamma) = Hgamma and v(gamma) = Vgamma of s4dvar.in, and the smallest spacings of the grid, land too,

    dt_h = Hgamma min(dx, dy)^2 / 4                              n_h = nearest whole number to Hdecay^2 / (2 dt_h)
    dt_v = Vgamma min(Hz)^2 / 2, with IMPLICIT_VCONV max(Hz)     n_v likewise, at least 1 with IMPLICIT_VCONV

and one more step where a number is odd. The square root takes half of the steps, horizontal ones first:

    A <- A + dt_h pm pn (sum over faces of the flux),   flux pmon_u umask (A_i+1 - A_i), and pnom_v vmask (A_j+1 - A_j)
    A <- A + dt_v / Hz (sum of (A_k+1 - A_k) / (z_k+1 - z_k))    or the same implicitly

on N(0, I) over the square root of the area 1 / (pm pn), or of the volume with levels. Beyond the interior points of the
grid nothing flows, or it is periodic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlgd.core.errors import Refusal
from dlgd.physics import edges
from dlgd.physics.halo import Topology, pad_cells
from dlgd.physics.split_diffusion import SplitDiffusion

STEPS_AT_MOST = 20_000


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


def convolution(
    pm: np.ndarray,
    pn: np.ndarray,
    sea: np.ndarray,
    topology: Topology,
    *,
    smallest: float,
    hdecay: float,
    hgamma: float,
    column: Levels | None = None,
    vdecay: float = 0.0,
    vgamma: float = 0.0,
    implicit: bool = False,
) -> SplitDiffusion:
    """The operator on the interior points of a grid; pm, pn (ny, nx) 1/m, sea (ny, nx) bool.

    smallest: spacing of the whole grid, m. hdecay, vdecay: in m; vdecay 0: no vertical convolution (a grid without
    VCONVOLUTION). column: None for a field without levels.
    """
    grid = edges.of_grid(sea.shape, topology)
    m, n = pad_cells(pm, 1, topology, "nearest"), pad_cells(pn, 1, topology, "nearest")
    at_sea = pad_cells(sea, 1, topology)
    south = (n[:-1, 1:-1] + n[1:, 1:-1]) / (m[:-1, 1:-1] + m[1:, 1:-1]) * (at_sea[:-1, 1:-1] & at_sea[1:, 1:-1])
    west = (m[1:-1, :-2] + m[1:-1, 1:-1]) / (n[1:-1, :-2] + n[1:-1, 1:-1]) * (at_sea[1:-1, :-2] & at_sea[1:-1, 1:-1])
    dt, area = hgamma * smallest**2 / 4, 1 / (pm * pn).ravel()
    steps = _even_steps("Hdecay", hdecay, dt)
    thickness = np.ones((1, sea.size)) if column is None else column.thickness.reshape(-1, sea.size)
    exchange, vertical_steps = np.zeros((len(thickness) - 1, sea.size)), 0
    if column is not None and vdecay > 0:
        dt_v = vgamma * (column.thickest if implicit else column.thinnest) ** 2 / 2
        vertical_steps = _even_steps("Vdecay", vdecay, dt_v, least=1 if implicit else 0)
        exchange = dt_v / np.diff(column.centre, axis=0).reshape(-1, sea.size)
    return SplitDiffusion(
        one=grid.one,
        other=grid.other,
        conductance=dt * grid.take(south, west)[None],
        weight=area,
        exchange=exchange,
        thickness=thickness,
        variance=1 / (area * thickness),
        steps=steps // 2,
        vertical_steps=vertical_steps // 2,
        implicit=implicit,
    )


def _even_steps(name: str, decay: float, dt: float, least: int = 0) -> int:
    steps = max(int(np.floor(decay**2 / (2 * dt) + 0.5)), least)
    if steps > STEPS_AT_MOST:
        raise Refusal(f"{name}={decay:g} needs {steps} steps of {dt:.3g} m2: give it in m, as the grid")
    return steps + steps % 2
