"""Rows of an experiment, over several seeds, beside figures printed elsewhere: is the order of the rows the same?

Lower scores are better. What was printed has no spread; what was run here has one over seeds.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlgd.evaluation.table import MISSING, PIPED_WIDTH, scientific

if TYPE_CHECKING:
    from rich.console import Console

NOT_RUN = "not run"
CONFIRMED, REVERSED, WITHIN, ONE_SEED = "confirmed", "not confirmed", "within spread", "one seed"
VERDICTS = (CONFIRMED, WITHIN, ONE_SEED, REVERSED)


@dataclass(frozen=True)
class Row:
    """A row: its scores, a number per seed, and those printed elsewhere, one number each."""

    name: str
    scores: Mapping[str, Sequence[float]]  # no number where it was not run
    published: Mapping[str, float] = field(default_factory=dict)
    seeded: bool = True  # False: a method that gives the same answer each time

    def mean(self, score: str) -> float | None:
        """Over seeds; None where it was not run."""
        values = self.scores.get(score)
        return statistics.fmean(values) if values else None

    def spread(self, score: str) -> float | None:
        """Standard deviation over seeds; None where fewer than two were run."""
        values = self.scores.get(score, ())
        if len(values) > 1:
            return statistics.stdev(values)
        return 0.0 if values and not self.seeded else None

    @property
    def seeds(self) -> int:
        """How many were run."""
        return max(map(len, self.scores.values()), default=0)


@dataclass(frozen=True)
class Pair:
    """Two rows in the order in which they were printed, and what became of it here."""

    better: str
    worse: str
    verdict: str


def pairs(rows: Sequence[Row], score: str) -> list[Pair]:
    """All pairs of rows that were run here and have different figures in print.

    A difference of our means counts when it exceeds the root of the sum of squares of the two spreads.
    """
    comparable = [row for row in rows if score in row.published and row.mean(score) is not None]
    found = []
    for pair in itertools.combinations(comparable, 2):
        better, worse = sorted(pair, key=lambda row: row.published[score])
        if better.published[score] < worse.published[score]:
            found.append(Pair(better.name, worse.name, _verdict(better, worse, score)))
    return found


def _verdict(better: Row, worse: Row, score: str) -> str:
    spreads = better.spread(score), worse.spread(score)
    if None in spreads:
        return ONE_SEED
    difference = worse.mean(score) - better.mean(score)
    if abs(difference) <= math.hypot(*spreads):
        return WITHIN
    return CONFIRMED if difference > 0 else REVERSED


def verdict(rows: Sequence[Row], score: str) -> str:
    """On the printed order of all rows; one reversed pair is enough for "not confirmed"."""
    verdicts = {pair.verdict for pair in pairs(rows, score)}
    return next((word for word in (REVERSED, ONE_SEED, WITHIN, CONFIRMED) if word in verdicts), MISSING)


def in_words(rows: Sequence[Row], scores: Sequence[str]) -> list[str]:
    """A sentence for each score that has a printed order: how many pairs have which verdict, and which are reversed."""
    sentences = []
    for score in scores:
        found = pairs(rows, score)
        if found:
            numbers = Counter(pair.verdict for pair in found)
            counted = ", ".join(f"{numbers[word]} {word}" for word in VERDICTS if word in numbers)
            wrong = [f"{pair.worse} before {pair.better}" for pair in found if pair.verdict == REVERSED]
            sentences.append(f"{score}: of the pairs in print {counted}{': ' if wrong else ''}{'; '.join(wrong)}.")
    return sentences


# --- the table -------------------------------------------------------------------------------------------------


def cells(rows: Sequence[Row], scores: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Heading and lines; the column "printed" stands beside the scores that have printed figures, and the last
    line then says what became of their order."""
    printed = {score for score in scores if any(score in row.published for row in rows)}
    key, names = short_names([row.name for row in rows])
    heading = [key or "row", "seeds"]
    lines = [[name, str(row.seeds) if row.seeded else MISSING] for name, row in zip(names, rows, strict=True)]
    order = ["printed order", ""]
    for score in scores:
        heading += [score, "printed"] if score in printed else [score]
        for row, line in zip(rows, lines, strict=True):
            line.append(_number(row, score))
            if score in printed:
                line.append(scientific(row.published[score]) if score in row.published else MISSING)
        order += [verdict(rows, score), ""] if score in printed else [MISSING]
    return heading, [*lines, order] if printed else lines


def short_names(names: Sequence[str]) -> tuple[str, list[str]]:
    """("model.skip", ["none", "addition"]) of rows that differ in one setting; else ("", the names)."""
    keys = {name.partition("=")[0] for name in names}
    if len(keys) > 1 or any(name.count("=") != 1 for name in names):
        return "", list(names)
    return keys.pop(), [name.partition("=")[2] for name in names]


def _number(row: Row, score: str) -> str:
    mean, spread = row.mean(score), row.spread(score)
    if mean is None:
        return NOT_RUN
    if not spread:
        return scientific(mean)
    digit, exponent = f"{spread:.0e}".split("e")
    return f"{scientific(mean)} ± {digit}" + (f"e{int(exponent)}" if int(exponent) else "")


def markdown(rows: Sequence[Row], scores: Sequence[str]) -> str:
    """The table in Markdown."""
    heading, lines = cells(rows, scores)
    table = [[cell.replace("|", r"\|") for cell in line] for line in [heading, *lines]]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    table.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    padded = [
        [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        for line in table
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in padded)


def print_table(rows: Sequence[Row], scores: Sequence[str], title: str, console: Console | None = None) -> None:
    """The table on the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if console is None:
        console = Console()
        if not console.is_terminal:
            console = Console(width=PIPED_WIDTH)
    heading, lines = cells(rows, scores)
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for number, name in enumerate(heading):
        table.add_column(name, justify="left" if number == 0 else "right", overflow="fold")
    for line in lines:
        if len(lines) > len(rows) and line is lines[-1]:
            table.add_section()
        table.add_row(*(Text(cell) for cell in line))
    console.print(table)
