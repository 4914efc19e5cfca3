"""Ctrl-C and SIGTERM, noted at once and obeyed between two steps."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

MESSAGE = b"\nStopping after this step, with a checkpoint. Once more to stop at once, without.\n"


class Interruption:
    """While entered, the first Ctrl-C or SIGTERM only sets `requested`; the next one acts as it always did.

    A signal that the process was started to ignore stays ignored, and outside the main thread, where
    Python has no signals, this does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._release()
        os.write(2, MESSAGE)  # print() is not safe inside a signal handler

    def _release(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
