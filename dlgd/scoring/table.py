"""A table of scores for the terminal and for Markdown.

A row is a mapping with "method" and numbers by the names of scores. A row with "source" has published scores, not
measured ones: it stands apart and is never the best. A score without a number in any row has no column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from dlgd.core.score import Score

MISSING = "-"
PIPED_WIDTH = 100  # characters in a line where the output is not a terminal; rich would take 80
NAME_WIDTH = 16  # characters of a method's name at least, if it is that long

Row = Mapping[str, Any]


def print_table(rows: Sequence[Row], columns: Sequence[Score], title: str, console: Console | None = None) -> None:
    """Print the measured rows in order, the best of each column in bold; then the published rows, dim."""
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
    for column in columns:  # a line break may stand between the words of a heading, never in a number
        width = max(map(len, [*column.heading.split(), *(_cell(row, column) for row in rows)]))
        unit = column.heading.removeprefix(column.title).strip()  # below the title, to leave room for names
        table.add_column(f"{column.title}\n{unit}".strip(), justify="right", min_width=width)
    least = sum((column.min_width or 0) + 1 for column in table.columns) + 1
    if least > console.width:  # the terminal then breaks lines; otherwise rich would leave out numbers
        table.width = least
    for row in measured:
        cells = [Text(_cell(row, c), style="bold" if _is_best(row, c, best) else "") for c in columns]
        table.add_row(Text(row["method"]), *cells)
    if measured and published:
        table.add_section()
    for row in published:
        table.add_row(Text(_published_name(row)), *(Text(_cell(row, c)) for c in columns), style="dim")
    console.print(table, crop=False)


def markdown(rows: Sequence[Row], columns: Sequence[Score]) -> str:
    """Return the same table in Markdown: the best measured values in bold; published rows last, names in italics."""
    measured, published = _apart(rows)
    columns = _filled(rows, columns)
    best = _best(measured, columns)
    lines = [["method", *(column.heading for column in columns)]]
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


def frame(rows: Sequence[Row], columns: Sequence[Score] | None = None) -> pd.DataFrame:
    """Return the measured rows as a DataFrame: methods by name, a column for each score, with all digits.

    columns: None for all scores of the rows. Of given ones, `attrs["units"]` has the units; `attrs["published"]` has
    the published rows.
    """
    import pandas as pd

    measured, published = _apart(rows)
    names = list(dict.fromkeys(key for row in measured for key in row if key != "method"))
    shown = names if columns is None else [column.name for column in _filled(measured, columns)]
    found = pd.DataFrame([{name: row.get(name) for name in shown} for row in measured], columns=shown, dtype=float)
    found.index = pd.Index([row["method"] for row in measured], name="method")
    if columns is not None:
        found.attrs["units"] = {column.name: column.unit for column in columns if column.name in shown}
    if published:
        found.attrs["published"] = [dict(row) for row in published]
    return found


def _apart(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the measured rows and the published rows."""
    return [row for row in rows if not row.get("source")], [row for row in rows if row.get("source")]


def _best(measured: Sequence[Row], columns: Sequence[Score]) -> dict[str, float]:
    """Return the best measured value of each column in which two rows or more have a number."""
    ranked = [c for c in columns if c.higher_is_better is not None]
    values = {c: [row[c.name] for row in measured if row.get(c.name) is not None] for c in ranked}
    return {c.name: (max if c.higher_is_better else min)(numbers) for c, numbers in values.items() if len(numbers) > 1}


def _filled(rows: Sequence[Row], columns: Sequence[Score]) -> list[Score]:
    """Return the columns in which a row has a number; all columns where there are no rows."""
    return [c for c in columns if not rows or any(row.get(c.name) is not None for row in rows)]


def _is_best(row: Row, column: Score, best: Mapping[str, float]) -> bool:
    return column.name in best and row.get(column.name) == best[column.name]


def _cell(row: Row, column: Score) -> str:
    value = row.get(column.name)
    return MISSING if value is None else column.written(value)


def _published_name(row: Row) -> str:
    return f"{row['method']} ({row['source']})"
