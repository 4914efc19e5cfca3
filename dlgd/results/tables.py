"""From finished runs to the rows of a table, and the table's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlgd.core.errors import Refusal
from dlgd.core.files import write_text

if TYPE_CHECKING:
    from dlgd.results.comparison import Comparison, Row
    from dlgd.results.finished import FinishedRun
    from dlgd.results.grouping import Group

SCORED_BESIDE = "test"  # the split on which classical methods are scored beside networks
Runs = Mapping[str, "FinishedRun"]  # by seed
Header = Mapping[str, Any]  # `table` of an experiment's file: scores, methods, published, source


# --- rows ------------------------------------------------------------------------------------------------------


def rows_asked(
    runs: Mapping[str, Runs], scores: Sequence[str], *, split: str, methods: Sequence[str], experiment: Header
) -> list[Row]:
    """Those of an experiment, in its order, run or not; then the methods that stand in the table beside networks."""
    from dlgd.results.comparison import Row
    from dlgd.results.selection import values

    printed = printed_rows(experiment, scores)
    rows = [Row(name, values(by_seed, split, scores), printed.get(name, {})) for name, by_seed in runs.items()]
    flat = [run for by_seed in runs.values() for run in by_seed.values()]
    return rows + (method_rows(flat, methods, scores, printed) if split == SCORED_BESIDE else [])


def rows_of(
    groups: Sequence[Group],
    scores: Sequence[str],
    *,
    split: str,
    methods: Sequence[str] | None,
    experiment: Header | None,
) -> tuple[list[Row], list[str]]:
    """Rows of any runs, and then the methods that were scored beside networks (None: all); with the sources of what is
    printed. It comes from `experiment`, else from the experiment that each run was made for."""
    from dlgd.results import selection
    from dlgd.results.comparison import Row

    rows, sources = [], set()
    for group in groups:
        newest = max(group.runs.values(), key=lambda run: (run.start, run.run_id))
        seeded = group.kind != "baseline"  # a method gives the same answer whatever the seed of the command
        header = selection.header(newest) if experiment is None else experiment
        fitting = [line for line in header.get("published", ()) if selection.has(newest, line["row"])]
        line = max(fitting, key=lambda one: len(one["row"].split()), default={})  # the one that says most
        runs = group.runs if seeded else {"": newest}
        rows.append(Row(group.name, selection.values(runs, split, scores), figures_of(line, scores), seeded))
        if line and header.get("source"):
            sources.add(header["source"])
    flat = [run for group in groups for run in group.runs.values()]
    flat.sort(key=lambda run: (run.start, run.run_id), reverse=True)
    names = selection.methods(flat) if methods is None else methods
    names = names if split == SCORED_BESIDE else ()
    known = [row.scores for row in rows if not row.seeded]
    others = method_rows(flat, names, scores, printed_rows(experiment or {}, scores))
    return rows + [row for row in others if row.scores not in known], sorted(sources)


def method_rows(
    runs: Sequence[FinishedRun], names: Sequence[str], scores: Sequence[str], printed: Mapping[str, Mapping[str, float]]
) -> list[Row]:
    """Methods, each with the scores of the first run that has them: the answer is the same in all."""
    from dlgd.results.comparison import Row
    from dlgd.results.selection import values

    rows = []
    for name in names:
        found = values({run.run_id: run for run in runs}, f"comparison/{name}", scores)
        once = {score: {"": next(iter(each.values()))} if each else {} for score, each in found.items()}
        rows.append(Row(name, once, printed.get(name, {}), seeded=False))
    return rows


def printed_rows(experiment: Header, scores: Sequence[str]) -> dict[str, dict[str, float]]:
    """The printed figures of an experiment's header by row."""
    return {line["row"]: figures_of(line, scores) for line in experiment.get("published", ())}


def figures_of(line: Mapping[str, Any], scores: Sequence[str]) -> dict[str, float]:
    """The printed figures of a row."""
    return {score: float(line[score]) for score in scores if score in line}


# --- the table -------------------------------------------------------------------------------------------------


def compared(
    rows: Sequence[Row],
    scores: Sequence[str],
    *,
    higher: Mapping[str, bool | None],
    against: str | None,
    best_first: bool = False,
) -> Comparison:
    """The rows, in order of the first score if wished, with the direction of each score (see `directions`) and the row
    with which the others are compared."""
    from dlgd.results.comparison import Comparison, short_names

    if against is not None:
        names = [row.name for row in rows]
        short = dict(zip(short_names(names)[1], names, strict=True))
        against = short.get(str(against), str(against))
        if against not in names:
            raise Refusal(f"against={against} is no row of the table: choose among {', '.join(short)}")
    if best_first:
        first, sign = scores[0], -1 if higher[scores[0]] else 1
        rows = sorted(rows, key=lambda row: (row.mean(first) is None, sign * (row.mean(first) or 0.0), row.name))
    return Comparison(rows, scores, higher, against)


def write(
    folder: Path,
    table: Comparison,
    title: str,
    command: str,
    notes: Sequence[str],
    runs: Mapping[str, Runs],
    *,
    split: str,
    todo: Sequence[str] = (),
) -> None:
    """comparison.md, .tex and .csv, and runs.csv with the runs behind every row; and the table on the terminal.

    `todo` are the commands that make what is not run yet.
    """
    from dlgd.results import table_formats
    from dlgd.results.selection import as_csv

    notes = [table.legend(), *notes]
    escaped = [note.replace("*", r"\*") for note in notes]
    text = [f"# {title}", f"    {command}", table_formats.markdown(table), *escaped]
    if todo:
        text += ["Not run yet:", "".join(f"    {one}\n" for one in todo)]
    write_text(folder / "comparison.md", "\n\n".join(text).rstrip("\n") + "\n")
    write_text(folder / "comparison.tex", table_formats.latex(table, title=title, notes=notes))
    write_text(folder / "comparison.csv", table_formats.as_csv(table))
    write_text(folder / "runs.csv", as_csv(runs, split, table.scores))
    table_formats.print_table(table, title)
    print("\n".join([*notes, *(["Not run yet:", *todo] if todo else [])]))
    print(f"everything is in {folder}")
