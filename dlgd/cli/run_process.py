"""The process of one run of a multirun, seen from the process that a launcher gives to it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from dlgd.core.interruption import SIGNALS, STOPPED

STOPPED_CODES = (STOPPED, *(-number for number in SIGNALS))  # the latter before the run can handle signals
# A cluster sends one of these when the time is nearly over, or when it needs the machine for another job; which one,
# $SUBMITIT_PREEMPT_SIGNAL says.
PREEMPTION = (signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True)
class Ended:
    """How the process of a run has ended.

    code: its exit code.
    requeue: where its cluster has asked for its end: puts the job into the queue again, and does not return. Raises an
    error of submitit where the job may not run again.
    """

    code: int
    requeue: Callable[[], object] | None = None

    @property
    def stopped(self) -> bool:
        """Whether a person or the cluster has ended it."""
        return self.code in STOPPED_CODES or (self.requeue is not None and self.code == -signal.SIGKILL)


def run_alone(arguments: list[str]) -> Ended:
    """Run a command to its end, in the foreground of the multirun that a person has typed."""
    return Ended(subprocess.Popen(arguments).wait())


def run_for_launcher(arguments: list[str], output: Path | None, *, grace_s: float) -> Ended:
    """Run a command to its end, in a process of a launcher, whose handlers of signals are those of submitit or none.

    output: a file to which what the command prints is added; None for the output of this process.
    grace_s: seconds that an end which the cluster asks for leaves to the run; an earlier checkpoint serves afterwards.
    """
    asked: list[int] = []
    for number in SIGNALS:  # they reach all processes of a terminal or of a cluster's job: the run ends first
        signal.signal(number, lambda *_: None)
    before: dict[int, Any] = {
        number: signal.signal(number, signal.SIG_IGN) for number in PREEMPTION
    }  # which the run inherits
    with open(os.devnull if output is None else output, "ab") as file:
        child = subprocess.Popen(arguments, **({} if output is None else {"stdout": file, "stderr": subprocess.STDOUT}))

    def end(number: int, _: FrameType | None) -> None:
        if not asked:
            child.terminate()
            last_resort = threading.Timer(grace_s, child.kill)
            last_resort.daemon = True
            last_resort.start()
        asked.append(number)

    for number in PREEMPTION:
        signal.signal(number, end)
    code = child.wait()
    for number, handler in before.items():
        signal.signal(number, handler)
    handler = before[asked[0]] if asked else None
    return Ended(code, partial(handler, asked[0], None) if callable(handler) else None)


def reason_of(code: int) -> str:
    """Return why a run failed that has this exit code and wrote no error."""
    if code >= 0:
        return f"ended with exit code {code}; the reason is in its output"
    number = signal.Signals(-code)
    memory = ", perhaps for lack of memory" if number == signal.SIGKILL else ""
    return f"ended by the signal {number.name}{memory}"
