"""Ctrl-C while a command still imports its libraries: a line and the exit code of a stopped command, no traceback.

Nothing has begun by then that would have to end in order. The package installs this first of all, for commands alone;
`cli/entry.py` takes it back as soon as it handles signals itself. Imports nothing heavy.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import PurePath
from types import FrameType

STOPPED = 130  # exit code of a command that was asked to end, whichever the signal


def install() -> None:
    """Handle Ctrl-C in the process of a command, unless somebody else does or it is ignored."""
    mine = _is_command() and threading.current_thread() is threading.main_thread()
    if mine and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def remove() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _stop:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_command() -> bool:
    """Whether this process is python -m dlgd.<command> or dlgd-<command>, and no other program that imports dlgd."""
    module = next((after for flag, after in zip(sys.orig_argv, sys.orig_argv[1:], strict=False) if flag == "-m"), "")
    as_module = bool(sys.argv) and sys.argv[0] == "-m" and module.startswith("dlgd.")
    return as_module or (bool(sys.argv) and PurePath(sys.argv[0]).name.startswith("dlgd-"))


def _stop(number: int, frame: FrameType | None) -> None:
    try:
        os.write(2, b"dlgd: stopped before it began\n")
    finally:
        os._exit(STOPPED)
