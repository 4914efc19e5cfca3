"""tracking=off: the tracker that records nothing, so that no caller ever asks whether there is one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlgd.core.contract import Tracker


class Off(Tracker):
    """Has the methods of every tracker, and records nothing."""

    def __init__(self, *, experiment: str, folder: Path | str) -> None:
        self.run_id = None

    def start(
        self, *, name: str, params: Mapping[str, Any], tags: Mapping[str, str], run_id: str | None = None
    ) -> None:
        pass

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        pass

    def artifact(self, path: Path, folder: str = "") -> None:
        pass

    def finish(self, status: str) -> None:
        pass
