"""Rows of a table with scores that others have published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.core.score import Score
from dlgd.scoring.descriptions import find, names


def published_rows(rows: Sequence[Mapping[str, Any]], scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Return rows of a table from rows {name, source, some of the scores} of a YAML file. Refuses a wrong row."""
    if isinstance(rows, str) or not all(isinstance(row, Mapping) for row in rows):
        raise Refusal(f"evaluation.scores.published={rows} must be a list of rows with name and source")
    read = []
    for row in rows:
        keys = [key for key in row if key not in ("name", "source")]
        if any(find(scores, key) is None for key in keys) or not row.get("name") or not row.get("source"):
            raise Refusal(
                f"A row of evaluation.scores.published needs name and source and may have {names(scores)}; "
                f"this one has {dict(row)}."
            )
        for key in keys:
            checks.number(f"evaluation.scores.published: {row['name']}: {key}", row[key], null=True)
        figures = {key: float(row[key]) for key in keys if row[key] is not None}
        read.append({"method": row["name"], "source": row["source"], **figures})
    return read
