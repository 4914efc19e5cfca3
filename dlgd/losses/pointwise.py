"""Losses that compare cell by cell: the mean over the cells of the mask; no other cell counts.

Values outside the mask are replaced before anything is computed from them, so that neither a value nor a NaN there can
reach the loss or a gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from dlgd.core import checks
from dlgd.core.contract import Loss, Spec
from dlgd.core.errors import Refusal


def masked_mean(
    function: Callable[[Tensor, Tensor], Tensor], prediction: Tensor, target: Tensor, mask: Tensor
) -> Tensor:
    """Return the mean of function(prediction, target) over the mask; zero, with zero gradient, where it is empty."""
    kept = torch.where(mask, prediction, 0.0), torch.where(mask, target, 0.0)
    return torch.where(mask, function(*kept), 0.0).sum() / mask.sum().clamp(min=1)


def check_numbers(name: str, spec: Spec) -> None:
    """Refuse labels, where loss=<name> compares numbers."""
    if spec.kind == "label":
        raise Refusal(f"loss={name} compares numbers but data={spec.name} gives labels: try loss=cross_entropy")


def check_divisible(name: str, spec: Spec) -> None:
    """Refuse a physical target that may be zero, where loss=<name> divides by it."""
    if spec.bounds is not None and not spec.scaling.log:
        low, high = (spec.scaling.mean + spec.scaling.std * bound for bound in spec.bounds)
        if low <= 0 <= high:
            raise Refusal(f"loss={name} divides by the target, which may be 0 in data={spec.name}: try loss=mse")


class _Pointwise(Loss):
    """Mean of a function of scaled prediction and target."""

    function: Callable[[Tensor, Tensor], Tensor]

    def __init__(self, *, spec: Spec, name: str, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        check_numbers(name, spec)
        self.name, self.function = name, function

    def forward(self, *, prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Any shape; prediction, target and mask alike."""
        value = masked_mean(self.function, prediction, target, mask)
        return value, {self.name: value.detach()}


def mse(*, spec: Spec) -> Loss:
    """Return the mean squared error of the scaled target."""
    return _Pointwise(spec=spec, name="mse", function=lambda p, t: (p - t) ** 2)


def mae(*, spec: Spec) -> Loss:
    """Return the mean absolute error of the scaled target."""
    return _Pointwise(spec=spec, name="mae", function=lambda p, t: (p - t).abs())


def huber(*, spec: Spec, delta: float) -> Loss:
    """Return the loss of Huber 1964: quadratic in small errors, linear in large ones.

    delta: the error at which it becomes linear, in units of the scaled target, above 0.
    """
    checks.number("loss.delta", delta, above=0)
    return _Pointwise(
        spec=spec, name="huber", function=lambda p, t: functional.huber_loss(p, t, reduction="none", delta=delta)
    )


def relative(*, spec: Spec, power: float) -> Loss:
    """Return E[|eps|^power], eps = (prediction^2 - target^2) / target^2 of the physical target (Coulaud 2022, sec. 4).

    power: 1 or more; with 2 the square root of the loss is the score RMSE(eps).
    """
    check_divisible("relative", spec)
    checks.number("loss.power", power, least=1, hint="below, a perfect prediction has no gradient")

    def error(prediction: Tensor, target: Tensor) -> Tensor:
        ratio = spec.scaling.ratio(prediction=prediction, target=target)
        return (ratio**2 - 1).abs() ** power

    return _Pointwise(spec=spec, name="relative", function=error)
