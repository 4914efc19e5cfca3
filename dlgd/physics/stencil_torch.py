"""Probing on a device: the whole padded grid at once, with many right-hand sides together and one spacing.

On a CPU the compiled tiles of `stencil` are far faster; on a GPU large simple array operations win.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def _product(local: tuple[Tensor, Tensor, Tensor], x_LYX: Tensor, out_LYX: Tensor, factor: float) -> None:
    """out <- factor (S x) - out, in place; nothing comes in across the boundary."""
    centre, south, west = local
    out_LYX.neg_().addcmul_(centre, x_LYX, value=factor)
    out_LYX[:, 1:].addcmul_(south[1:-1], x_LYX[:, :-1], value=-factor)
    out_LYX[:, :-1].addcmul_(south[1:-1], x_LYX[:, 1:], value=-factor)
    out_LYX[:, :, 1:].addcmul_(west[:, 1:-1], x_LYX[:, :, :-1], value=-factor)
    out_LYX[:, :, :-1].addcmul_(west[:, 1:-1], x_LYX[:, :, 1:], value=-factor)


def probe(
    stencil: tuple[np.ndarray, np.ndarray, np.ndarray],
    wanted: np.ndarray,
    halo: tuple[int, int],
    spacing: tuple[int, int],
    series: np.ndarray,
    bound: float,
    device: torch.device | str,
    lanes: int = 64,
) -> np.ndarray:
    """|p(A) e_p|^2 (ny, nx) for the wanted cells, zero elsewhere.

    stencil: diagonal (NY, NX), south (NY + 1, NX) and west (NY, NX + 1) couplings, padded by `halo` rows
    and columns; series: Chebyshev coefficients of p on [1, bound]; lanes: right-hand sides at a time.
    """
    rows, columns = spacing
    ny, nx = wanted.shape
    diagonal, south, west = (torch.as_tensor(a, device=device) for a in stencil)
    scale = 2 / (bound - 1)
    local = (scale * diagonal - (bound + 1) / (bound - 1), scale * south, scale * west)
    y = torch.arange(ny, device=device)[:, None]
    x = torch.arange(nx, device=device)
    sign = (1 - 2 * ((y * 7919 + x * 104729) // 64 % 2)).to(diagonal.dtype)
    sources = sign * torch.as_tensor(wanted, device=device)
    phase = (y % rows) * columns + x % columns
    energy = torch.zeros(ny, nx, dtype=diagonal.dtype, device=device)
    inner = (slice(None), slice(halo[0], halo[0] + ny), slice(halo[1], halo[1] + nx))
    starts = [oy * columns + ox for oy in range(min(rows, ny)) for ox in range(min(columns, nx))]
    for first in range(0, len(starts), lanes):
        lane_starts = starts[first : first + lanes]
        offsets = torch.tensor(lane_starts, device=device)
        diracs = torch.where(phase == offsets[:, None, None], sources, 0)
        older = torch.zeros(len(offsets), *diagonal.shape, dtype=diagonal.dtype, device=device)
        newer = torch.zeros_like(older)
        for k in range(len(series) - 1, -1, -1):
            _product(local, newer, older, 2.0 if k else 1.0)
            older[inner].add_(diracs, alpha=float(series[k]))
            older, newer = newer, older
        _collect(newer.square_(), energy, halo, spacing, lane_starts)
    return np.where(wanted, energy.double().cpu().numpy(), 0.0)


def _collect(
    square_LYX: Tensor, energy: Tensor, halo: tuple[int, int], spacing: tuple[int, int], starts: list[int]
) -> None:
    """Each Dirac gets the energy of its own box, `spacing` wide and centred on it.

    starts: row * columns + column of the first Dirac of each right-hand side, within a box.
    """
    (rows, columns), (ny, nx) = spacing, energy.shape
    padded = torch.nn.functional.pad(square_LYX, (0, columns, 0, rows))
    for start, box in zip(starts, padded, strict=True):
        oy, ox = divmod(start, columns)
        top, left = halo[0] + oy - rows // 2, halo[1] + ox - columns // 2
        high, wide = -(-(ny - oy) // rows), -(-(nx - ox) // columns)
        boxes = box[top : top + high * rows, left : left + wide * columns]
        energy[oy::rows, ox::columns] = boxes.unflatten(0, (high, rows)).unflatten(2, (wide, columns)).sum((1, 3))
