"""Rows of a table, over several seeds, beside figures printed elsewhere: which is best, and is the order the same?

What was printed has no spread; what was run here has one over seeds.
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
    """A row: its scores, a number per seed, and those printed elsewhere, one number each."""

    name: str
    scores: Mapping[str, Mapping[str, float]]  # {score: {seed: number}}, no number where it was not run
    published: Mapping[str, float] = field(default_factory=dict)
    seeded: bool = True  # False: a method that gives the same answer each time

    def values(self, score: str) -> list[float]:
        """A number per seed."""
        return list(self.scores.get(score, {}).values())

    def mean(self, score: str) -> float | None:
        """Over seeds; None where it was not run."""
        values = self.values(score)
        return statistics.fmean(values) if values else None

    def spread(self, score: str) -> float | None:
        """Standard deviation over seeds; None where fewer than two were run."""
        values = self.values(score)
        if len(values) > 1:
            return statistics.stdev(values)
        return 0.0 if values and not self.seeded else None

    @property
    def seeds(self) -> int:
        """How many were run."""
        return max(map(len, self.scores.values()), default=0)


@dataclass(frozen=True)
class Comparison:
    """A table: rows that differ in name, their scores from left to right, and with which row others are compared."""

    rows: Sequence[Row]
    scores: Sequence[str]
    higher: Mapping[str, bool | None] = field(default_factory=dict)  # is more better? None: neither. Not there: no
    against: str | None = None  # the name of a row; None: the best of each score

    def best(self, score: str) -> Row | None:
        """The row of the best mean; None where there are not two to choose from."""
        run = [row for row in self.rows if row.mean(score) is not None]
        higher = self.higher.get(score, False)
        if len(run) < 2 or higher is None:
            return None
        return (max if higher else min)(run, key=lambda row: row.mean(score))

    def reference(self, score: str) -> Row | None:
        """With which row the others are compared."""
        if self.against is None:
            return self.best(score)
        return next(row for row in self.rows if row.name == self.against)

    def differences(self, score: str) -> dict[str, Difference]:
        """Of each row from the reference, by name."""
        reference = self.reference(score)
        if reference is None:
            return {}
        values = {row.name: row.scores.get(score, {}) for row in self.rows}
        return differences(values, reference.name, unseeded=frozenset(row.name for row in self.rows if not row.seeded))

    def legend(self) -> str:
        """What the marks of the table mean, and why there are none."""
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
    """Two rows in the order in which they were printed, and what became of it here."""

    better: str
    worse: str
    verdict: str


def pairs(rows: Sequence[Row], score: str, *, higher: bool = False) -> list[Pair]:
    """All pairs of rows that were run here and have different figures in print.

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
    spreads = better.spread(score), worse.spread(score)
    if None in spreads:
        return ONE_SEED
    difference = sign * (worse.mean(score) - better.mean(score))
    if abs(difference) <= math.hypot(*spreads):
        return WITHIN
    return CONFIRMED if difference > 0 else REVERSED


def verdict(rows: Sequence[Row], score: str, *, higher: bool = False) -> str:
    """On the printed order of all rows; one reversed pair is enough for "not confirmed"."""
    verdicts = {pair.verdict for pair in pairs(rows, score, higher=higher)}
    return next((word for word in (REVERSED, ONE_SEED, WITHIN, CONFIRMED) if word in verdicts), MISSING)


def in_words(table: Comparison) -> list[str]:
    """A sentence for each score that has a printed order: how many pairs have which verdict, and which are reversed."""
    sentences = []
    for score in table.scores:
        found = pairs(table.rows, score, higher=bool(table.higher.get(score)))
        if found:
            numbers = Counter(pair.verdict for pair in found)
            counted = ", ".join(f"{numbers[word]} {word}" for word in VERDICTS if word in numbers)
            wrong = [f"{pair.worse} before {pair.better}" for pair in found if pair.verdict == REVERSED]
            sentences.append(f"{score}: of the pairs in print {counted}{': ' if wrong else ''}{'; '.join(wrong)}.")
    return sentences


def short_names(names: Sequence[str]) -> tuple[str, list[str]]:
    """("model.skip", ["none", "addition"]) of rows that differ in one setting; else ("", the names)."""
    keys = {name.partition("=")[0] for name in names}
    if len(keys) > 1 or any(name.count("=") != 1 for name in names):
        return "", list(names)
    return keys.pop(), [name.partition("=")[2] for name in names]
