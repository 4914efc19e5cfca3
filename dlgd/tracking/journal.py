"""The local record of a run, one line of JSON per call of `log` or `tag`. It is also a tracker's queue.

A line is written to the operating system before `append` returns, so that not even SIGKILL loses one. A tracker that
sends lines from the file needs no memory, however long its server is away.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Record(NamedTuple):
    """The record of one call of `log`, or of `tag`."""

    step: int
    time: int  # milliseconds since 1970
    metrics: dict[str, float]
    tags: dict[str, str]


class Journal:
    """`metrics.jsonl`: lines such as {"step": 3, "time": 1700000000000, "metrics": {"train/loss": 0.1}}, and such as
    {"tags": {"name": "value"}}.

    The strings "nan", "inf" and "-inf" stand for numbers that JSON lacks. Raises OSError where the file cannot be
    written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab+", buffering=0)
        if self.size:
            self._file.seek(-1, os.SEEK_END)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")  # a process killed while writing left half a line

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._path.stat().st_size

    def append(self, metrics: Mapping[str, float], step: int) -> None:
        """Add a line; about 10 microseconds. Safe from several threads: one line is one write."""
        numbers = {name: _to_json(float(value)) for name, value in metrics.items()}
        line = {"step": int(step), "time": time.time_ns() // 1_000_000, "metrics": numbers}
        self._file.write(json.dumps(line).encode() + b"\n")

    def append_tags(self, tags: Mapping[str, str]) -> None:
        """Add a line with tags, likewise."""
        self._file.write(json.dumps({"tags": {key: str(value) for key, value in tags.items()}}).encode() + b"\n")

    def read(self, offset: int, limit: int) -> tuple[list[Record], int]:
        """Return whole records from byte `offset` on, until they hold `limit` numbers or tags, and the byte after."""
        records: list[Record] = []
        with self._path.open("rb") as file:
            file.seek(offset)
            for line in file:
                if limit <= 0 or not line.endswith(b"\n"):
                    break
                offset += len(line)
                record = _parse(line)
                if record is not None:
                    records.append(record)
                    limit -= len(record.metrics) + len(record.tags)
        return records, offset

    def close(self) -> None:
        self._file.close()


def _to_json(value: float) -> float | str:
    return value if math.isfinite(value) else repr(value)


def _parse(line: bytes) -> Record | None:
    """Return a record, or None for a line that a killed process left unfinished."""
    try:
        fields = json.loads(line)
        if "tags" in fields:
            return Record(0, 0, {}, {key: str(value) for key, value in fields["tags"].items()})
        return Record(fields["step"], fields["time"], {k: float(v) for k, v in fields["metrics"].items()}, {})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
