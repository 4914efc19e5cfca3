"""Rows of a table beside figures that others have printed: which row is best, and is the printed order confirmed?

Our runs have a spread over seeds; printed figures have none.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dlgd.results.significance import FEWEST, LEVELS, Difference, differences
from dlgd.scoring.table import MISSING

CONFIRMED, REVERSED, WITHIN, ONE_SEED = "confirmed", "not confirmed", "within spread", "one seed"
VERDICTS = (CONFIRMED, WITHIN, ONE_SEED, REVERSED)


@dataclass(frozen=True)
class Row:
    """A row of a table: each score has a number for each seed, and may have one printed figure."""

    name: str
    scores: Mapping[str, Mapping[str, float]]  # {score: {seed: number}}; a seed that was not run is absent
    published: Mapping[str, float] = field(default_factory=dict)
    seeded: bool = True  # False for a method that gives the same answer each time

    def values(self, score: str) -> list[float]:
        """Return a number for each seed."""
        return list(self.scores.get(score, {}).values())

    def mean(self, score: str) -> float | None:
        """Return the mean over seeds; None where no seed was run."""
        values = self.values(score)
        return statistics.fmean(values) if values else None

    def spread(self, score: str) -> float | None:
        """Return the standard deviation over seeds; None where fewer than two seeds were run."""
        values = self.values(score)
        if len(values) > 1:
            return statistics.stdev(values)
        return 0.0 if values and not self.seeded else None

    @property
    def seeds(self) -> int:
        """Return the number of seeds that were run."""
        return max(map(len, self.scores.values()), default=0)


@dataclass(frozen=True)
class Comparison:
    """A table: its rows, each with a name of its own; its scores from left to right; and the row of reference.

    higher: whether more of a score is better; None where neither more nor less is. An absent score: less is better.
    against: the name of the row with which all others are compared; None: the best row of each score.
    """

    rows: Sequence[Row]
    scores: Sequence[str]
    higher: Mapping[str, bool | None] = field(default_factory=dict)
    against: str | None = None

    def best(self, score: str) -> Row | None:
        """Return the row with the best mean; None where fewer than two rows have one."""
        means = [(row, mean) for row in self.rows if (mean := row.mean(score)) is not None]
        higher = self.higher.get(score, False)
        if len(means) < 2 or higher is None:
            return None
        return (max if higher else min)(means, key=lambda pair: pair[1])[0]

    def reference(self, score: str) -> Row | None:
        """Return the row with which the others are compared."""
        if self.against is None:
            return self.best(score)
        return next(row for row in self.rows if row.name == self.against)

    def differences(self, score: str) -> dict[str, Difference]:
        """Return the difference of each row from the reference, by the name of the row."""
        reference = self.reference(score)
        if reference is None:
            return {}
        values = {row.name: row.scores.get(score, {}) for row in self.rows}
        return differences(values, reference.name, unseeded=frozenset(row.name for row in self.rows if not row.seeded))

    def legend(self) -> str:
        """Return a sentence that says what the marks of the table mean, or why there are none."""
        found = [one for score in self.scores for one in self.differences(score).values()]
        if not any(one.p is not None for one in found):
            return f"No significance is marked: no row has {FEWEST} seeds in common with the one it is compared with."
        marks = ", ".join(f"{mark} p < {level}" for level, mark in reversed(LEVELS))
        other = "the best of its column" if self.against is None else self.against
        return (
            f"{marks}: differs from {other} over the seeds that both have; two-sided paired t-test, p raised for the "
            f"number of rows (Holm); rows with fewer than {FEWEST} such seeds are not tested."
        )


@dataclass(frozen=True)
class Pair:
    """Two rows in their printed order, and whether our runs confirm it."""

    better: str
    worse: str
    verdict: str


def pairs(rows: Sequence[Row], score: str, *, higher: bool = False) -> list[Pair]:
    """Return a verdict for each pair of rows that we have run and whose printed figures differ.

    A difference of our means counts when it exceeds the root of the sum of squares of the two spreads.
    """
    comparable = [row for row in rows if score in row.published and row.mean(score) is not None]
    found = []
    for pair in itertools.combinations(comparable, 2):
        better, worse = sorted(pair, key=lambda row: row.published[score], reverse=higher)
        if better.published[score] != worse.published[score]:
            found.append(Pair(better.name, worse.name, _verdict(better, worse, score, -1 if higher else 1)))
    return found


def _verdict(better: Row, worse: Row, score: str, sign: int) -> str:
    """Return the verdict on two rows; `sign` is 1 where a lower score is better, else -1."""
    spread, other_spread = better.spread(score), worse.spread(score)
    if spread is None or other_spread is None:
        return ONE_SEED
    difference = sign * (statistics.fmean(worse.values(score)) - statistics.fmean(better.values(score)))
    if abs(difference) <= math.hypot(spread, other_spread):
        return WITHIN
    return CONFIRMED if difference > 0 else REVERSED


def verdict(rows: Sequence[Row], score: str, *, higher: bool = False) -> str:
    """Return the verdict on the printed order of all rows; one reversed pair is enough for "not confirmed"."""
    verdicts = {pair.verdict for pair in pairs(rows, score, higher=higher)}
    return next((word for word in (REVERSED, ONE_SEED, WITHIN, CONFIRMED) if word in verdicts), MISSING)


def in_words(table: Comparison) -> list[str]:
    """Return a sentence for each score with a printed order: the number of pairs of each verdict, the reversed ones."""
    sentences = []
    for score in table.scores:
        found = pairs(table.rows, score, higher=bool(table.higher.get(score)))
        if found:
            numbers = Counter(pair.verdict for pair in found)
            counted = ", ".join(f"{numbers[word]} {word}" for word in VERDICTS if word in numbers)
            reversed_pairs = [f"{pair.worse} before {pair.better}" for pair in found if pair.verdict == REVERSED]
            named = f": {'; '.join(reversed_pairs)}" if reversed_pairs else ""
            sentences.append(f"{score}: of the pairs in print {counted}{named}.")
    return sentences


def short_names(names: Sequence[str]) -> tuple[str, list[str]]:
    """Return ("model.skip", ["none", "addition"]) for rows that differ in one setting; else ("", the names)."""
    keys = {name.partition("=")[0] for name in names}
    if len(keys) > 1 or any(name.count("=") != 1 for name in names):
        return "", list(names)
    return keys.pop(), [name.partition("=")[2] for name in names]
