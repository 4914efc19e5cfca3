"""Rows of a table with scores that others have published.

In YAML a row has name, source and some of the scores; and, if it is to stand only under runs of the data that it was
made with, `data`, which says in words what these are, and `for`, which says by which options they are recognized:

    {name: CNN, rmse: 0.02, source: "A book, table 1", data: their hills, for: {data.name: alps, data.rows: [40, 80]}}

All options must have these values, or one of a list of values; null also stands for options below it that are all null,
and in a list for an option that the data lack. A list of such conditions: one of them must hold. A row without `for`
stands under all runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.core.score import Score
from dlgd.scoring.descriptions import find, names

OWN, ALL = "own", "all"  # which rows stand: those of the data of the run, or those of all data
WORDS = ("name", "source", "data", "for")  # keys of a row that are no scores


def standing(rows: Any, config: DictConfig, *, which: str, samples_of_data: bool = True) -> Any:
    """Return the rows that stand under a run of this configuration. What is no list of rows is returned as it is.

    which: "own" for rows of the data of the run, or "all".
    samples_of_data: whether the scored samples are a split of these data; else no row with `for` is of the same data.
    """
    checks.choice("evaluation.published", which, (OWN, ALL))
    if which == ALL or isinstance(rows, str) or not all(isinstance(row, Mapping) for row in rows):
        return rows
    return [row for row in rows if "for" not in row or (samples_of_data and _is_for(row, config))]


def _is_for(row: Mapping[str, Any], config: DictConfig) -> bool:
    conditions = row["for"] if isinstance(row["for"], list) else [row["for"]]
    if not conditions or not all(isinstance(one, Mapping) and one for one in conditions):
        raise Refusal(
            f"evaluation.scores.published: {row.get('name')}: for={row['for']} must have options and their values, "
            "such as {data.name: nemovar}"
        )
    return any(all(_has(config, *pair) for pair in one.items()) for one in conditions)


def _has(config: DictConfig, option: str, wanted: Any) -> bool:
    parent, _, name = option.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    if not isinstance(node, DictConfig) or name not in node:
        return isinstance(wanted, list) and None in wanted
    value = node[name]
    value = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    if wanted is None:
        return all(one is None for one in _leaves(value))
    return value in wanted if isinstance(wanted, list) else value == wanted


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the single values of nested options."""
    for inner in value.values() if isinstance(value, dict) else ():
        yield from _leaves(inner)
    if not isinstance(value, dict):
        yield value


def published_rows(rows: Sequence[Mapping[str, Any]], scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Return rows of a table from rows {name, source, some of the scores} of a YAML file. Refuses a wrong row."""
    if isinstance(rows, str) or not all(isinstance(row, Mapping) for row in rows):
        raise Refusal(f"evaluation.scores.published={rows} must be a list of rows with name and source")
    read = []
    for row in rows:
        keys = [key for key in row if key not in WORDS]
        if any(find(scores, key) is None for key in keys) or not row.get("name") or not row.get("source"):
            raise Refusal(
                "A row of evaluation.scores.published needs name and source and may have data, for and "
                f"{names(scores)}; this one has {dict(row)}."
            )
        for key in keys:
            checks.number(f"evaluation.scores.published: {row['name']}: {key}", row[key], null=True)
        figures = {key: float(row[key]) for key in keys if row[key] is not None}
        source = f"{row['source']}; {row['data']}" if row.get("data") else row["source"]
        read.append({"method": row["name"], "source": source, **figures})
    return read
