"""The rows of a table from its runs, and the files of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlgd.core.errors import Refusal
from dlgd.core.files import write_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from dlgd.results.comparison import Comparison, Row
    from dlgd.results.finished import FinishedRun
    from dlgd.results.grouping import Group

SECONDS = "seconds_per_sample"
SCORED_BESIDE = "test"  # the split on which classical methods are scored beside networks
Runs = Mapping[str, "FinishedRun"]  # by seed
Header = Mapping[str, Any]  # `table` of an experiment's file: scores, methods, published, source


# --- rows ------------------------------------------------------------------------------------------------------


def rows_of_experiment(
    runs: Mapping[str, Runs], scores: Sequence[str], *, split: str, methods: Sequence[str], experiment: Header
) -> list[Row]:
    """Return the rows of an experiment in its order, whether they were run or not, and then those of the methods."""
    from dlgd.results.comparison import Row
    from dlgd.results.selection import values

    printed = printed_rows(experiment, scores)
    rows = [Row(name, values(by_seed, split, scores), printed.get(name, {})) for name, by_seed in runs.items()]
    flat = [run for by_seed in runs.values() for run in by_seed.values()]
    return rows + (method_rows(flat, methods, scores, printed) if split == SCORED_BESIDE else [])


def rows_of_groups(
    groups: Sequence[Group],
    scores: Sequence[str],
    *,
    split: str,
    methods: Sequence[str] | None,
    experiment: Header | None,
) -> tuple[list[Row], list[str]]:
    """Return the rows of any runs, then those of the methods that were scored beside networks; and the sources of the
    printed figures.

    methods: their names; None for all.
    experiment: where the printed figures come from; None for the experiment for which each run was made.
    """
    from dlgd.results import selection
    from dlgd.results.comparison import Row

    rows, sources = [], set()
    for group in groups:
        newest = max(group.runs.values(), key=lambda run: (run.start, run.run_id))
        seeded = group.kind != "baseline"  # a method gives the same answer for each seed of the command
        header = selection.header(newest) if experiment is None else experiment
        fitting = [line for line in header.get("published", ()) if selection.has(newest, line["row"])]
        line = max(fitting, key=lambda one: len(one["row"].split()), default={})  # the one with most settings
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


def seconds_of_methods(rows: Sequence[Row], scores: Sequence[str]) -> list[str]:
    """Return a sentence on the seconds of classical methods, if the table has any."""
    shown = any(not row.seeded and row.mean(SECONDS) is not None for row in rows)
    if SECONDS not in scores or not shown:
        return []
    return [
        f"{SECONDS} of classical methods was measured by the run that computed their cached answers first, on its "
        "machine: the scores.md of a run says when and where."
    ]


def method_rows(
    runs: Sequence[FinishedRun], names: Sequence[str], scores: Sequence[str], printed: Mapping[str, Mapping[str, float]]
) -> list[Row]:
    """Return a row for each method, with the scores of the first run that has them: they are the same in all runs."""
    from dlgd.results.comparison import Row
    from dlgd.results.selection import values

    rows = []
    for name in names:
        found = values({run.run_id: run for run in runs}, f"comparison/{name}", scores)
        once = {score: {"": next(iter(each.values()))} if each else {} for score, each in found.items()}
        rows.append(Row(name, once, printed.get(name, {}), seeded=False))
    return rows


def printed_rows(experiment: Header, scores: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the printed figures of an experiment's header by row."""
    return {line["row"]: figures_of(line, scores) for line in experiment.get("published", ())}


def figures_of(line: Mapping[str, Any], scores: Sequence[str]) -> dict[str, float]:
    """Return the printed figures of a row."""
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
    """Return the table of these rows.

    higher: the direction of each score, see `directions`.
    against: the row with which the others are compared, by its name or the short name that the table shows.
    best_first: whether the rows are put in the order of the first score.
    """
    from dlgd.results.comparison import Comparison, short_names

    if against is not None:
        names = [row.name for row in rows]
        short = dict(zip(short_names(names)[1], names, strict=True))
        against = short.get(str(against), str(against))
        if against not in names:
            raise Refusal(f"against={against} is not a row of the table: choose among {', '.join(short)}")
    if best_first:
        first, sign = scores[0], -1 if higher[scores[0]] else 1
        rows = sorted(rows, key=lambda row: (row.mean(first) is None, sign * (row.mean(first) or 0.0), row.name))
    return Comparison(rows, scores, higher, against)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that was made of finished runs, with what belongs to it.

    command: the one that makes it. notes: sentences on it. runs: those of each row. todo: the commands that make the
    missing runs. figures: what draws each one, by the name of its file; None where there is nothing to draw.
    """

    comparison: Comparison
    title: str
    command: str
    notes: Sequence[str]
    runs: Mapping[str, Runs]
    split: str
    figures: Mapping[str, Callable[[], Figure | None]]
    todo: Sequence[str] = ()

    @property
    def sentences(self) -> list[str]:
        """Return the notes, after what the marks of the table mean."""
        return [self.comparison.legend(), *self.notes]

    def write(self, folder: Path) -> None:
        """Write comparison.md, .tex and .csv, runs.csv with the runs of each row, and the figures."""
        from dlgd.plotting.style import save
        from dlgd.results import table_formats
        from dlgd.results.selection import as_csv

        folder.mkdir(parents=True, exist_ok=True)
        for name, draw in self.figures.items():
            figure = draw()
            if figure is not None:
                save(folder / name, figure)
        escaped = [note.replace("*", r"\*") for note in self.sentences]
        text = [f"# {self.title}", f"    {self.command}", table_formats.markdown(self.comparison), *escaped]
        if self.todo:
            text += ["Not run yet:", "".join(f"    {one}\n" for one in self.todo)]
        write_text(folder / "comparison.md", "\n\n".join(text).rstrip("\n") + "\n")
        write_text(
            folder / "comparison.tex", table_formats.latex(self.comparison, title=self.title, notes=self.sentences)
        )
        write_text(folder / "comparison.csv", table_formats.as_csv(self.comparison))
        write_text(folder / "runs.csv", as_csv(self.runs, self.split, self.comparison.scores))

    def show(self) -> None:
        """Print the table and the sentences on it."""
        from dlgd.results import table_formats

        table_formats.print_table(self.comparison, self.title)
        print("\n".join([*self.sentences, *(["Not run yet:", *self.todo] if self.todo else [])]))

    def frame(self) -> pd.DataFrame:
        """Return the table as a DataFrame: rows by name; `seeds`, and for each score its mean, <score>_std over seeds
        and <score>_printed, where any row has one. `attrs` has the title, the notes and the commands of missing runs.
        """
        import pandas as pd

        rows = self.comparison.rows
        columns: dict[str, list[float | None]] = {"seeds": [row.seeds for row in rows]}
        for score in self.comparison.scores:
            spreads = [row.spread(score) if row.seeds > 1 else None for row in rows]
            printed = [row.published.get(score) for row in rows]
            columns[score] = [row.mean(score) for row in rows]
            columns |= {f"{score}_std": spreads} if any(one is not None for one in spreads) else {}
            columns |= {f"{score}_printed": printed} if any(one is not None for one in printed) else {}
        found = pd.DataFrame(columns, index=pd.Index([row.name for row in rows], name="row"))
        found = found.astype({name: float for name in columns if name != "seeds"})
        found.attrs = {"title": self.title, "notes": self.sentences, "todo": list(self.todo)}
        return found
