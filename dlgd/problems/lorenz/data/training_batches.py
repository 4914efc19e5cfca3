"""Batches of training windows: with the inputs of the samples, or with inputs that are drawn anew at each step.

Each function is `make` of a `SequenceStream`, once its keywords are given: it takes the numbers (B,) and the values
(B, length, N) of the chosen windows, and the generator of the step.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dlgd.core.contract import Batch
from dlgd.problems.lorenz.data.observations import Observing
from dlgd.problems.lorenz.data.observings import Observings
from dlgd.problems.lorenz.data.tensors import SequenceTensors


def with_known_observations(
    numbers: Tensor,
    windows: Tensor,
    generator: torch.Generator,
    *,
    tensors: SequenceTensors,
    known: Tensor,
    guesses: Tensor | None = None,
) -> Batch:
    """Return windows to be assimilated with one of the draws of the observations of all samples.

    known, guesses: (draws, windows, length, N), the observations and the first guesses of a method, where there is one.
    """
    draws, count = known.shape[:2]
    if draws > 1:
        numbers = numbers + count * torch.randint(draws, numbers.shape, generator=generator, device=numbers.device)
    chosen = known.flatten(0, 1).index_select(0, numbers)
    return tensors.assimilation(
        chosen, windows, None if guesses is None else guesses.flatten(0, 1).index_select(0, numbers)
    )


def with_known_steps(
    numbers: Tensor, windows: Tensor, _: torch.Generator, *, tensors: SequenceTensors, known: Tensor
) -> Batch:
    """Return windows to be forecast with the known steps of all samples (windows, history, N)."""
    return tensors.forecast(known.index_select(0, numbers), windows[:, known.shape[1] :])


def with_new_observations(
    numbers: Tensor,
    windows: Tensor,
    generator: torch.Generator,
    *,
    tensors: SequenceTensors,
    observings: Observings,
    allowed: Callable[[Observing], Tensor],
) -> Batch:
    """Return windows to be assimilated; their observations are drawn anew. allowed: see `Observings.seen`."""
    # of the windows, only their number counts: none shares the noise of the series
    seen = observings.seen(numbers, numbers, windows.shape[1], allowed, generator)
    noisy = _noisy(windows, observings.variances(numbers)[:, None, None], generator)
    return tensors.assimilation(torch.where(seen, noisy, torch.nan), windows)


def with_new_noise(
    _: Tensor, windows: Tensor, generator: torch.Generator, *, tensors: SequenceTensors, history: int, variance: float
) -> Batch:
    """Return windows to be forecast; the noise of their known steps is drawn anew."""
    return tensors.forecast(_noisy(windows[:, :history], variance, generator), windows[:, history:])


def _noisy(values: Tensor, variance: float | Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.randn(values.shape, generator=generator, device=values.device)
    return values + variance**0.5 * noise
