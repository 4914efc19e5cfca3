"""Ctrl-C, SIGTERM and SIGHUP, which is what a closed terminal sends: all ask a command to end, and act alike.

Nothing else in dlgd handles them, but `early_stop.py` before a command has begun. Within `interruptible` they raise
KeyboardInterrupt, so that `except` and `finally` end runs in order; within an `Interruption` they are noted at once and
obeyed later. A signal that the process was started to ignore stays ignored, as under nohup.

A closed terminal, its shell and a scheduler may each send a signal for the same wish. So after the first one SIGTERM
and SIGHUP count again only after SAME_WISH_S; Ctrl-C counts at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from dlgd.core.early_stop import STOPPED as STOPPED
from dlgd.core.lost_output import drop_lost

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
SAME_WISH_S = 10.0

_asked_at = -SAME_WISH_S  # time.monotonic() of the first signal for the last wish


class Interruption:
    """While entered, the first signal only sets `requested`; another wish to end acts as it did before.

    Outside the main thread, where Python has no signals, this does nothing.

    message: a line for standard error, written at the first signal; it ends with a line break.
    then: called with the first signal, within its handler.
    """

    def __init__(self, message: bytes = b"", then: Callable[[int], None] | None = None) -> None:
        self.requested = False
        self._message, self._then = message, then
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        self._before = _handle(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        _restore(self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if _is_same_wish(number):
            return
        if self.requested:
            _restore(self._before)
            _forget()
            signal.raise_signal(number)
            return
        self.requested = True
        say(self._message)
        if self._then is not None:
            self._then(number)


@contextmanager
def interruptible() -> Iterator[None]:
    """Return a context in which the signals raise KeyboardInterrupt."""
    before = _handle(_interrupt)
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Return a context whose work is done whole: a signal raises KeyboardInterrupt at its end; a second one at once."""
    with Interruption() as interruption:
        yield
    if interruption.requested:
        raise KeyboardInterrupt


def say(message: bytes | str) -> None:
    """Write to standard error, also within a handler, where print() is not safe, and where the terminal is closed."""
    drop_lost()
    with contextlib.suppress(OSError):
        os.write(2, message.encode() if isinstance(message, str) else message)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if not _is_same_wish(number):
        drop_lost()
        raise KeyboardInterrupt


def _is_same_wish(number: int) -> bool:
    """Return whether the signal only repeats one of some seconds ago; else note when it came."""
    global _asked_at
    now = time.monotonic()
    if number != signal.SIGINT and now - _asked_at < SAME_WISH_S:
        return True
    _asked_at = now
    return False


def _forget() -> None:
    global _asked_at
    _asked_at = -SAME_WISH_S


def _handle(handler: Callable[[int, FrameType | None], None]) -> dict[int, Any]:
    """Install a handler for the signals that are not ignored. Returns the former ones."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    handled = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in handled}


def _restore(before: dict[int, Any]) -> None:
    while before:
        signal.signal(*before.popitem())
