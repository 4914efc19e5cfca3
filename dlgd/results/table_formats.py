"""A comparison on the terminal, in Markdown, in LaTeX and in CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlgd.core.number_format import scientific
from dlgd.results.comparison import Comparison, Row, short_names, verdict
from dlgd.scoring.table import MISSING, PIPED_WIDTH

if TYPE_CHECKING:
    from rich.console import Console

NOT_RUN = "not run"
CSV_COLUMNS = ("row", "score", "seeds", "mean", "std", "printed", "compared_with", "pairs", "difference", "p")


@dataclass(frozen=True)
class Cell:
    """A cell of the table."""

    text: str
    best: bool = False  # of its column
    mark: str = ""  # stars of significance


def cells(table: Comparison) -> tuple[list[str], list[list[Cell]]]:
    """Return the heading and the lines.

    A column "printed" stands beside each score with printed figures; the last line then says whether their order is
    confirmed.
    """
    rows = table.rows
    printed = {score for score in table.scores if any(score in row.published for row in rows)}
    key, names = short_names([row.name for row in rows])
    heading = [key or "row", "seeds"]
    lines = [
        [Cell(name), Cell(str(row.seeds) if row.seeded else MISSING)] for name, row in zip(names, rows, strict=True)
    ]
    order = ["printed order", ""]
    for score in table.scores:
        heading += [score, "printed"] if score in printed else [score]
        best, differences = table.best(score), table.differences(score)
        for row, line in zip(rows, lines, strict=True):
            mark = differences[row.name].mark if row.name in differences else ""
            line.append(Cell(_number(row, score), best is row, mark))
            if score in printed:
                line.append(Cell(scientific(row.published[score]) if score in row.published else MISSING))
        outcome = verdict(rows, score, higher=bool(table.higher.get(score))) if score in printed else MISSING
        order += [outcome, ""] if score in printed else [outcome]
    return heading, [*lines, [Cell(text) for text in order]] if printed else lines


def _number(row: Row, score: str) -> str:
    mean, spread = row.mean(score), row.spread(score)
    if mean is None:
        return MISSING if row.seeds else NOT_RUN
    if not spread:
        return scientific(mean)
    digit, exponent = f"{spread:.0e}".split("e")
    return f"{scientific(mean)} ± {digit}" + (f"e{int(exponent)}" if int(exponent) else "")


def markdown(table: Comparison) -> str:
    """Return the table in Markdown, the best of each column in bold."""
    heading, lines = cells(table)
    rows = [[_in_markdown(cell) for cell in line] for line in [[Cell(one) for one in heading], *lines]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    padded = [
        [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        for line in rows
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in padded)


def _in_markdown(cell: Cell) -> str:
    text = cell.text.replace("|", r"\|")
    mark = " " + cell.mark.replace("*", r"\*") if cell.mark else ""
    return (f"**{text}**" if cell.best else text) + mark


def latex(table: Comparison, *, title: str, notes: Sequence[str]) -> str:
    """Return a table for \\input, with \\usepackage{booktabs}; the first note is in the caption, others in comments."""
    heading, lines = cells(table)
    ruled = len(lines) > len(table.rows)  # the printed order is a line of its own
    body = [" & ".join(map(_in_latex, line)) + r" \\" for line in lines]
    if ruled:
        body.insert(-1, r"\midrule")
    sentence = title if title.endswith("?") else f"{title}."
    caption = " ".join(map(_escaped, [sentence, *notes[:1]]))
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            *(f"% {note}" for note in notes[1:]),
            r"\begin{table}",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(heading) - 1)}}}",
            r"\toprule",
            " & ".join(map(_escaped, heading)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "±": r"$\pm$",
    "<": "$<$",
    ">": "$>$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def _escaped(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in text)


def _in_latex(cell: Cell) -> str:
    """Return a cell in LaTeX: 1.40e-2 ± 3e-4 becomes $1.40\\cdot10^{-2} \\pm 3\\cdot10^{-4}$."""
    number = r"-?[\d.]+(?:e(-?\d+))?"
    if not re.fullmatch(rf"{number}(?: ± {number})?", cell.text):
        return _escaped(cell.text)
    text = re.sub(r"e(-?\d+)", r"\\cdot10^{\1}", cell.text).replace("±", r"\pm")
    text = rf"\mathbf{{{text}}}" if cell.best else text
    return rf"${text}\,{{}}^{{{cell.mark}}}$" if cell.mark else f"${text}$"


def as_csv(table: Comparison) -> str:
    """Return CSV with a line for each row and score, with all digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    compared = {score: (table.reference(score), table.differences(score)) for score in table.scores}
    for row in table.rows:
        for score, (reference, differences) in compared.items():
            difference, against = differences.get(row.name), ("", "", "", "")
            if reference is not None and difference is not None:
                against = reference.name, difference.pairs, difference.mean, difference.p
            count = len(row.values(score))
            writer.writerow(
                [row.name, score, count, row.mean(score), row.spread(score), row.published.get(score), *against]
            )
    return text.getvalue()


def print_table(table: Comparison, title: str, console: Console | None = None) -> None:
    """Print the table on the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    heading, lines = cells(table)
    if console is None:
        console = Console()
        if not console.is_terminal:  # no window limits the width
            texts = [heading, *([f"{cell.text} {cell.mark}" for cell in line] for line in lines)]
            console = Console(width=max(PIPED_WIDTH, sum(max(map(len, one)) + 3 for one in zip(*texts, strict=True))))
    shown = Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for number, name in enumerate(heading):
        shown.add_column(name, justify="left" if number == 0 else "right", overflow="fold")
    for line in lines:
        if len(lines) > len(table.rows) and line is lines[-1]:
            shown.add_section()
        shown.add_row(*(Text(f"{cell.text} {cell.mark}".strip(), style="bold" if cell.best else "") for cell in line))
    console.print(shown)
