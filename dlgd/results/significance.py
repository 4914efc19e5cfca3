"""Tests whether two rows differ by more than the chance of their seeds.

Two rows are compared seed by seed, over the seeds that both have: runs of one seed share the order of the batches and
perhaps more, and the difference removes what they share. The test is Student's two-sided paired t-test, which assumes
normal differences. Wilcoxon's signed-rank test does not, but it needs six seeds to find any p below 0.05.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FEWEST = 3  # pairs; a spread over fewer pairs says nothing
LEVELS = ((0.01, "**"), (0.05, "*"))


@dataclass(frozen=True)
class Difference:
    """The difference of a row from the reference."""

    pairs: int
    mean: float  # over the pairs, in the units of the score
    p: float | None  # probability of such a mean if the rows do not differ; None where it cannot be computed

    @property
    def mark(self) -> str:
        """Return one star for p < 0.05, two for p < 0.01, else an empty text."""
        return next((mark for level, mark in LEVELS if self.p is not None and self.p < level), "")


def differences(
    values: Mapping[str, Mapping[str, float]], reference: str, *, unseeded: frozenset[str] = frozenset()
) -> dict[str, Difference]:
    """Return the difference of each row {seed: value} from the reference row, by name.

    The reference row and rows without a common seed are left out. A row among `unseeded` gives the same answer for
    every seed. As some of many rows differ by chance, each p is raised for their number after Holm (1979, Scandinavian
    Journal of Statistics 6, 65-70).
    """
    found = {}
    for name, row in values.items():
        apart = [] if name == reference else _apart(row, values[reference], name in unseeded, reference in unseeded)
        if apart:
            found[name] = Difference(len(apart), statistics.fmean(apart), paired_p(apart))
    corrected = holm({name: one.p for name, one in found.items() if one.p is not None})
    return {name: Difference(one.pairs, one.mean, corrected.get(name)) for name, one in found.items()}


def _apart(row: Mapping[str, float], other: Mapping[str, float], row_once: bool, other_once: bool) -> list[float]:
    if not row or not other:
        return []
    if row_once and other_once:
        return [next(iter(row.values())) - next(iter(other.values()))]
    if row_once:
        row = dict.fromkeys(other, next(iter(row.values())))
    if other_once:
        other = dict.fromkeys(row, next(iter(other.values())))
    return [row[seed] - other[seed] for seed in row if seed in other]


def paired_p(apart: Sequence[float]) -> float | None:
    """Return p of the differences of pairs; None for fewer than FEWEST, and where all are equal and show no spread."""
    if len(apart) < FEWEST or not all(map(math.isfinite, apart)):
        return None
    spread = statistics.stdev(apart)
    if spread == 0:
        return None
    # scipy.stats.ttest_rel gives the same p, but takes a second to import.
    from scipy.special import stdtr

    t = statistics.fmean(apart) / (spread / math.sqrt(len(apart)))
    return float(2 * stdtr(len(apart) - 1, -abs(t)))


def holm(probabilities: Mapping[str, float]) -> dict[str, float]:
    """Return the probabilities after Holm: the lowest of n times n, the next times n - 1, and so on.

    None is above 1 or below the one before it.
    """
    corrected, largest = {}, 0.0
    for rank, (name, probability) in enumerate(sorted(probabilities.items(), key=lambda pair: (pair[1], pair[0]))):
        largest = max(largest, min(1.0, (len(probabilities) - rank) * probability))
        corrected[name] = largest
    return corrected
