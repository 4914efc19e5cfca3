"""Predicted coefficients, compared with exact ones on some cells and computed exactly where they may fail.

A network does not know its errors, but it is mostly wrong where it changes its first guess most. So tiles are repaired
in the order of the largest change in them, until neither the last of them nor a cell that was compared fails.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from dlgd.core.repair import Check, Repaired
from dlgd.physics import normalization
from dlgd.physics.diffusion import Diffusion
from dlgd.problems.normalization.data import fields
from dlgd.problems.normalization.data.closed_forms import GUESS

TILE = normalization.TILE  # cells on each side; exact coefficients of one cell cost as much as those of its tile
BLOCK = 8  # tiles that are repaired at once, at least
SHARE = 0.02  # of all tiles, if that is more
WRONG = 1e9  # in place of an error that is no number
COAST = 3  # cells; half of the cells that are compared are as near to the coast, where errors stand


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was found in a sample: |eps| of the prediction and of the answer, on cells that were compared."""

    before: float  # the largest |eps| of the prediction on the first cells
    after: float  # the largest |eps| of the answer on all that were compared; 0 if all of them were repaired
    compared: int  # cells
    repaired: int  # cells
    sea: int  # cells
    good: bool  # whether `after` is within the tolerance

    def sentence(self, number: int, tolerance: float) -> str:
        """Return what is said to the person who asked."""
        found = f"sample {number}: on {self.compared} cells the largest error of gamma^2 was {self.before:.1e}"
        if self.good and not self.repaired:
            return f"{found}, within {tolerance:g}"
        done = f"{found}; {self.repaired} of {self.sea} cells were computed exactly; now it is {self.after:.1e}"
        return done if self.good else f"{done}, still above {tolerance:g}: give more seconds, or use baseline=exact"


def all_samples(samples: xr.Dataset, prediction: np.ndarray, check: Check) -> Repaired:
    """Repair the predictions (sample, y, x) of samples that are completed by what the closed form gives, in place.

    The same cells are compared whenever the same samples are predicted.
    """
    guesses = samples[GUESS].values if GUESS in samples else [None] * len(prediction)
    exact, outcomes = np.zeros(prediction.shape, np.int8), []
    for number, operator in enumerate(fields.operators(samples)):
        rng = np.random.default_rng(number)
        distance, guess = samples.distance.values, guesses[number]
        exact[number], outcome = repair(operator, prediction[number], guess, check, distance=distance, rng=rng)
        outcomes.append(outcome)
    attributes = {"long_name": "computed exactly", "flag_values": "0, 1", "flag_meanings": "predicted exact"}
    return Repaired(
        prediction,
        {"exact": xr.Variable(("sample", "y", "x"), exact, attributes)},
        [outcome.sentence(number, check.tolerance) for number, outcome in enumerate(outcomes)],
        all(outcome.good for outcome in outcomes),
    )


def repair(
    operator: Diffusion,
    gamma: np.ndarray,
    guess: np.ndarray | None,
    check: Check,
    *,
    distance: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Outcome]:
    """Repair gamma (y, x) in m in place; return where it was computed exactly, (y, x) bool, and what was found.

    gamma: the prediction. guess: what the network started from, None where it has no first guess: then the coast is
    where it is repaired first. distance: to the coast in cells.
    """
    began, sea = time.monotonic(), operator.sea
    error, fixed = np.zeros(sea.shape, np.float32), np.zeros(sea.shape, bool)  # of the prediction
    precision = float(np.clip(check.tolerance / 100, 1e-8, 1e-2))

    def compare(cells: np.ndarray) -> np.ndarray:
        """Note the errors of cells, and return what is exact there."""
        found = normalization.exact(operator, precision, cells=cells)[cells]
        off = np.abs((gamma[cells] / found) ** 2 - 1)
        error[cells] = np.minimum(np.nan_to_num(off, nan=WRONG), WRONG)
        return found

    compared = _drawn(sea, distance, check.cells, rng)
    compare(compared)
    before = float(error[compared].max())
    blocks = _blocks(_doubt(gamma, guess, distance, sea))
    last_failed = False
    while True:
        failing = compared & ~fixed & (error > check.tolerance)
        if not failing.any() and not last_failed:
            left = sea & ~fixed & ~compared
            if not fixed.any() or not left.any() or compared.sum() >= 4 * check.cells:
                break
            fresh = _drawn(left, distance, check.cells, rng)  # cells that nothing was chosen by
            compare(fresh)
            compared |= fresh
            if not (error[fresh] > check.tolerance).any():
                break
        block = next(blocks, None)
        if block is None or time.monotonic() - began > check.seconds:
            break
        gamma[sea & block] = compare(sea & block)
        last_failed = bool((error[sea & block] > check.tolerance).any())
        fixed |= sea & block
    after = float(np.where(fixed, 0.0, error)[compared].max())
    outcome = Outcome(
        before=before,
        after=after,
        compared=int(compared.sum()),
        repaired=int(fixed.sum()),
        sea=int(sea.sum()),
        good=after <= check.tolerance,
    )
    return fixed, outcome


def _doubt(gamma: np.ndarray, guess: np.ndarray | None, distance: np.ndarray, sea: np.ndarray) -> np.ndarray:
    """How doubtful each cell (y, x) is, float32, -inf on land: the change of the guess, or else how near the coast."""
    doubt = np.empty(gamma.shape, np.float32)
    if guess is None:
        np.negative(distance, out=doubt, casting="same_kind")
    else:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # of a gamma that is not positive
            np.divide(gamma, guess, out=doubt, casting="same_kind")
            np.abs(np.log(doubt, out=doubt), out=doubt)
        np.nan_to_num(doubt, copy=False, nan=WRONG, posinf=WRONG)
    doubt[~sea] = -np.inf
    return doubt


def _drawn(among: np.ndarray, distance: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """So many of these cells, (y, x) bool, at random: half of them near the coast, as far as there are some."""
    near = np.flatnonzero(among & (distance <= COAST))
    coastal = rng.choice(near, min(count // 2, len(near)), replace=False)
    del near  # millions of cells are indices of eight bytes
    left = among.copy()
    left.flat[coastal] = False
    others = np.flatnonzero(left)
    chosen = np.zeros(among.shape, bool)
    chosen.flat[coastal] = True
    chosen.flat[rng.choice(others, min(count - len(coastal), len(others)), replace=False)] = True
    return chosen


def _blocks(doubt: np.ndarray) -> Iterator[np.ndarray]:
    """Yield cells (y, x) bool, block after block of tiles, those with the most doubtful cells first."""
    ny, nx = doubt.shape
    rows, columns = -(-ny // TILE), -(-nx // TILE)
    padded = np.full((rows * TILE, columns * TILE), -np.inf, doubt.dtype)
    padded[:ny, :nx] = doubt
    worst = padded.reshape(rows, TILE, columns, TILE).max(axis=(1, 3)).ravel()
    order = np.argsort(-worst, kind="stable")[: np.isfinite(worst).sum()]
    size = max(BLOCK, round(SHARE * len(order)))
    for first in range(0, len(order), size):
        tiles = np.zeros(rows * columns, bool)
        tiles[order[first : first + size]] = True
        yield tiles.reshape(rows, columns).repeat(TILE, axis=0).repeat(TILE, axis=1)[:ny, :nx]
