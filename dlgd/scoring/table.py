"""A table of scores for the terminal and for Markdown.

A row is a mapping with "method" and one number per column. A row with "source" was published, not
measured here: it is set apart and never the best.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

MISSING = "-"
PIPED_WIDTH = 100  # columns, where the output is no terminal; rich would take 80
NAME_WIDTH = 16  # columns that a method's name has at least, if it is not shorter

Row = Mapping[str, Any]


def scientific(value: float) -> str:
    """Three digits and a short exponent: 1.87e-2; plain where there is nothing to shorten: 0, 27.8."""
    if value == 0 or 1 <= abs(value) < 1000:
        return f"{value:.3g}"
    digits, exponent = f"{value:.2e}".split("e")
    return f"{digits}e{int(exponent)}"


def seconds(value: float) -> str:
    """Three digits at most, without an exponent: 0.0042, 1.35, 128."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}" if value >= 1e-4 else "<0.0001"


def two_decimals(value: float) -> str:
    """Of per cents and nats."""
    return f"{value:.2f}"


@dataclass(frozen=True)
class Column:
    """A score: its key in the rows, its heading, how a number is written, and whether a higher one is better.

    A table leaves out a column in which no row has a number.
    """

    key: str
    title: str
    text: Callable[[float], str] = scientific
    higher: bool | None = False  # None: neither is


def print_table(rows: Sequence[Row], columns: Sequence[Column], title: str, console: Console | None = None) -> None:
    """Print the rows: measured ones in order, best of each column in bold; then the published ones, dim."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if console is None:
        console = Console()
        if not console.is_terminal:
            console = Console(width=PIPED_WIDTH)
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    measured, published = _apart(rows)
    columns = _filled(rows, columns)
    best = _best(measured, columns)
    names = [row["method"] for row in measured] + [_published_name(row) for row in published]
    table.add_column("method", overflow="fold", min_width=min(NAME_WIDTH, max(map(len, names), default=0)))
    for column in columns:  # a heading may be broken between words, a number never
        width = max(map(len, [*column.title.split(), *(_cell(row, column) for row in rows)]))
        table.add_column(column.title, justify="right", min_width=width)
    least = sum(column.min_width + 1 for column in table.columns) + 1
    if least > console.width:  # rather lines that the terminal breaks than numbers that are missing
        table.width = least
    for row in measured:
        cells = [Text(_cell(row, c), style="bold" if _is_best(row, c, best) else "") for c in columns]
        table.add_row(Text(row["method"]), *cells)
    if measured and published:
        table.add_section()
    for row in published:
        table.add_row(Text(_published_name(row)), *(Text(_cell(row, c)) for c in columns), style="dim")
    console.print(table, crop=False)


def markdown(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """The same table in Markdown: best measured values in bold, published rows in italics, last."""
    measured, published = _apart(rows)
    columns = _filled(rows, columns)
    best = _best(measured, columns)
    lines = [["method", *(column.title for column in columns)]]
    for row in measured:
        cells = [f"**{_cell(row, c)}**" if _is_best(row, c, best) else _cell(row, c) for c in columns]
        lines.append([row["method"].replace("|", r"\|"), *cells])
    for row in published:
        name = _published_name(row).replace("|", r"\|")
        lines.append([f"*{name}*", *(_cell(row, c) for c in columns)])
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    text = ""
    for name, *numbers in lines:
        right = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
        text += "| " + " | ".join([name.ljust(widths[0]), *right]) + " |\n"
    return text


def _apart(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Measured rows and published rows."""
    return [row for row in rows if not row.get("source")], [row for row in rows if row.get("source")]


def _best(measured: Sequence[Row], columns: Sequence[Column]) -> dict[str, float]:
    """The best measured value of each column in which two rows or more can be compared."""
    judged = [c for c in columns if c.higher is not None]
    values = {c: [row[c.key] for row in measured if row.get(c.key) is not None] for c in judged}
    return {c.key: (max if c.higher else min)(numbers) for c, numbers in values.items() if len(numbers) > 1}


def _filled(rows: Sequence[Row], columns: Sequence[Column]) -> list[Column]:
    """The columns in which there is something; all of them where there are no rows."""
    return [c for c in columns if not rows or any(row.get(c.key) is not None for row in rows)]


def _is_best(row: Row, column: Column, best: Mapping[str, float]) -> bool:
    return column.key in best and row.get(column.key) == best[column.key]


def _cell(row: Row, column: Column) -> str:
    value = row.get(column.key)
    return MISSING if value is None else column.text(value)


def _published_name(row: Row) -> str:
    return f"{row['method']} ({row['source']})"
