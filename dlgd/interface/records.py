"""What the folder of a run, or a checkpoint, has recorded: scores and curves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlgd.core.errors import Refusal

if TYPE_CHECKING:
    import pandas as pd

SCORES = "scores.json"  # in the folder of a run


def scores(folder: Path | None) -> Sequence[Mapping[str, Any]]:
    """Return the rows of scores.json in the folder of a run, its own first; none where there is no such file.

    Raises Refusal where the file is not what a run writes.
    """
    file = None if folder is None else folder / SCORES
    if file is None or not file.is_file():
        return []
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file, error) from error
    if not isinstance(rows, list) or not all(map(_is_row, rows)):
        raise _damaged(file, "it is no list of rows with scores by name")
    return rows


def _is_row(row: object) -> bool:
    """Return whether this is a method with its scores."""
    if not isinstance(row, dict) or not isinstance(row.get("method"), str):
        return False
    return all(_is_number(value) for name, value in row.items() if name != "method")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _damaged(file: Path, reason: object) -> Refusal:
    said = getattr(reason, "strerror", None) or " ".join(str(reason).split())[:100]
    return Refusal(f"{file} is damaged ({said}): remove it, and run.evaluate() gives the scores again")


def history(path: Path) -> pd.DataFrame:
    """Return the curves of a training by `step`, of its last checkpoint or else of its metrics.jsonl.

    path: the folder of the run, or a checkpoint file.
    """
    import pandas as pd

    rows = _of_checkpoint(path) or _of_metrics(path)
    found = pd.DataFrame(rows, columns=list(dict.fromkeys(["step", *(key for row in rows for key in row)])))
    return found.groupby("step").first()  # what is recorded at one step stands in one row


def _of_checkpoint(path: Path) -> list[dict[str, float]]:
    from dlgd.training import checkpoint

    file = checkpoint.last_path(path) if path.is_dir() else path
    return checkpoint.load(file).state.history if file.is_file() else []


def _of_metrics(folder: Path) -> list[dict[str, float]]:
    """Return the curves in metrics.jsonl, without lines that are cut, as the last may be, or of another kind."""
    file = folder / "metrics.jsonl"
    if not file.is_file():
        return []
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise Refusal(f"{file} cannot be read ({error.strerror})") from error
    found = []
    for line in text.splitlines():
        row = _row_of(line)
        metrics = row["metrics"].items() if row else ()
        curves = {k: v for k, v in metrics if k.startswith(("train/", "valid/")) and _is_number(v)}
        if row and curves:
            found.append({"step": row["step"], **curves})
    return found


def _row_of(line: str) -> dict[str, Any] | None:
    """Return the step and the metrics of a line, None where it has none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not _is_number(row.get("step")) or not isinstance(row.get("metrics"), dict):
        return None
    return row
