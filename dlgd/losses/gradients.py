"""Losses for maps whose slopes matter: those of sea surface height are geostrophic currents and their vorticity."""

from __future__ import annotations

import torch
from torch import Tensor

from dlgd.core import checks
from dlgd.core.contract import Loss, Spec
from dlgd.core.errors import Refusal
from dlgd.core.specs import MapSpec
from dlgd.losses.pointwise import check_numbers

LEAST = 1e-3  # the divisor where nothing counts; below the weight of any cell, in windows of up to 2,000 days


class Gradients(Loss):
    """E[e^2] + gradients (E[(de/dy)^2] + E[(de/dx)^2]) + laplacian E[(d2e/dx2 + d2e/dy2)^2], e the error of the scaled
    target.

    Derivatives are per cell: by Sobel's differences (x - 1 to x + 1, smoothed across), and by the 5-point Laplacian.
    Of sea surface height they are those of currents and vorticity, up to g / f and g / f^2, where cells are as high as
    wide. A cell's derivatives count where all 3 x 3 cells around it do, so that no value on land or beyond the boundary
    enters. The code 4dvarnet-starter has gradients = 1000 / 50 on cells of 1/20 degree, and compares the lengths of
    gradients.

    gradients: weight of the squared gradients, in squared cells, 0 or more; 0 leaves them out.
    laplacian: weight of the squared Laplacians, in cells to the power of 4, 0 or more; 0 leaves them out.
    day_weights: "triangular" weighs day t of maps of several days by 1 - |t - middle| / (middle + 1), because the
    middle day is the one that is scored; "equal" weighs all days alike.
    """

    def __init__(self, *, spec: Spec, gradients: float, laplacian: float, day_weights: str) -> None:
        super().__init__()
        check_numbers("gradients", spec)
        if spec.kind == "sequence":
            raise Refusal(
                f"loss=gradients compares neighbouring cells of maps but data={spec.name} gives sequences: try loss=mse"
            )
        checks.number("loss.gradients", gradients, least=0)
        checks.number("loss.laplacian", laplacian, least=0)
        checks.choice("loss.day_weights", day_weights, ("triangular", "equal"))
        self.gradients, self.laplacian = gradients, laplacian
        self.triangular = day_weights == "triangular" and isinstance(spec, MapSpec)

    def forward(self, *, prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(B, C, Y, X) each."""
        error = torch.where(mask, prediction, 0.0) - torch.where(mask, target, 0.0)
        weight = triangle(mask.shape[1], like=error) if self.triangular else error.new_ones(1, 1, 1)
        inner = weight * eroded(mask)
        terms = {"mse": weighted_mean(error.square(), weight * mask)}
        if self.gradients > 0:
            along_y, along_x = sobel(error)
            squares = along_y.square() + along_x.square()
            terms["gradients"] = self.gradients * weighted_mean(squares, inner)
        if self.laplacian > 0:
            terms["laplacian"] = self.laplacian * weighted_mean(laplacian(error).square(), inner)
        return torch.stack(list(terms.values())).sum(), {name: part.detach() for name, part in terms.items()}


def triangle(days: int, *, like: Tensor) -> Tensor:
    """(days, 1, 1): 1 in the middle, falling to 0 a day beyond the first and the last."""
    middle = (days - 1) / 2
    from_middle = (torch.arange(days, device=like.device, dtype=like.dtype) - middle).abs()
    return (1 - from_middle / (middle + 1))[:, None, None]


def weighted_mean(x: Tensor, weight: Tensor) -> Tensor:
    """Return the mean; zero, with zero gradient, where nothing has a weight."""
    return (weight * x).sum() / weight.sum().clamp(min=LEAST)


def eroded(mask: Tensor) -> Tensor:
    """(..., Y, X) bool -> (..., Y - 2, X - 2): whether all 3 x 3 cells are in the mask."""
    rows = mask[..., :-2, :] & mask[..., 1:-1, :] & mask[..., 2:, :]
    return rows[..., :-2] & rows[..., 1:-1] & rows[..., 2:]


def sobel(x: Tensor) -> tuple[Tensor, Tensor]:
    """(..., Y, X) -> derivatives per cell along Y and along X, (..., Y - 2, X - 2) each."""
    across_x = (x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]) / 4
    across_y = (x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]) / 4
    return (across_x[..., 2:, :] - across_x[..., :-2, :]) / 2, (across_y[..., 2:] - across_y[..., :-2]) / 2


def laplacian(x: Tensor) -> Tensor:
    """(..., Y, X) -> (..., Y - 2, X - 2), per squared cell."""
    middle = x[..., 1:-1, 1:-1]
    rows, columns = x[..., 2:, 1:-1] + x[..., :-2, 1:-1], x[..., 1:-1, 2:] + x[..., 1:-1, :-2]
    return rows + columns - 4 * middle
