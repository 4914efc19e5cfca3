"""Commands in forks of one process, with how each ended in a word."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.forked import Forks

STOP_AFTER = 20.0  # s, then the command gets SIGTERM, as from a person who has waited long enough
HANGS_AFTER = 60.0  # s more, then it is killed
MEMORY = 4 * 2**30  # bytes that a command may use


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    arguments: tuple[str, ...]  # the command's name first
    code: int  # exit code; negative: the signal that ended it
    stderr: str
    seconds: float
    stopped: bool  # whether it was still at work then, and was asked to stop
    hung: bool  # whether it did not stop

    @property
    def kind(self) -> str:
        """One of: accepted, refused, hangs, traceback; "poor" for a refusal of more or less than one sentence."""
        if self.hung:
            return "hangs"
        if self.stopped and "Exception ignored in" in self.stderr:  # the signal came while a library cleaned up
            return "accepted"
        if "Traceback" in self.stderr or self.code not in (0, 2, 130, -signal.SIGTERM):
            return "traceback"
        if self.stderr.startswith("usage: "):  # of a flag, such as -x
            return "refused"
        if self.code == 2:
            lines = [line for line in self.stderr.splitlines() if line.startswith("dlgd: ")]
            return "refused" if len(lines) == 1 and self.stderr.endswith(lines[0] + "\n") else "poor"
        return "accepted"


class Commands:
    """A process that runs commands in forks of itself."""

    def __init__(self, folder: Path, cache: Path) -> None:
        """Start it. folder: where commands work and write. cache: of data."""
        self.folder = folder
        own = {"DLGD_CACHE": str(cache), "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self._environment = {**os.environ, **own}
        self._forks = Forks(self._environment)

    def run(self, *arguments: str, stop_after: float = STOP_AFTER) -> Done:
        """Run a command: its name and what is typed after it. It is asked to stop after so many seconds."""
        ended = self._forks.run(
            *arguments, cwd=self.folder, environment=self._environment, stop_after=stop_after,
            hangs_after=stop_after + HANGS_AFTER, memory=MEMORY,
        )  # fmt: skip
        return Done(
            arguments=arguments, code=ended.code, stderr=ended.stderr, seconds=ended.seconds, stopped=ended.stopped,
            hung=ended.hung,
        )  # fmt: skip

    def close(self) -> None:
        """End the process."""
        self._forks.close()
