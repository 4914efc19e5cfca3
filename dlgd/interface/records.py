"""What the folder of a run, or a checkpoint, has recorded: scores and curves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def scores(folder: Path | None) -> Sequence[Mapping[str, Any]]:
    """Return the rows of scores.json in the folder of a run, its own first; none where there is no such file."""
    file = None if folder is None else folder / "scores.json"
    return json.loads(file.read_text()) if file is not None and file.is_file() else []


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
    file = folder / "metrics.jsonl"
    if not file.is_file():
        return []
    rows = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]  # the last may be cut
    curves = ({k: v for k, v in row["metrics"].items() if k.startswith(("train/", "valid/"))} for row in rows)
    return [{"step": row["step"], **curve} for row, curve in zip(rows, curves, strict=True) if curve]
