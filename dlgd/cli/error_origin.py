"""The origin of an error: dlgd and its libraries alone, or a person's own code that dlgd has called."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator

from dlgd.core.constants import LIBRARIES

OURS = "dlgd"


def is_ours(error: BaseException) -> bool:
    """Return whether all lines between the command and the error are of dlgd, of Python or of LIBRARIES.

    An error that passes through any other module comes from a person's own code.
    """
    return all(name == OURS or _is_library(name) for name, _, _ in _lines(error))


def raised_in(error: BaseException) -> str:
    """Return the package whose line has raised an error."""
    *_, (name, _, _) = (("", "", 0), *_lines(error))
    return name


def place(error: BaseException) -> str:
    """Return the innermost line outside libraries, such as mine.py:12; empty where there is none."""
    found = [f"{file.rpartition('/')[2]}:{line}" for name, file, line in _lines(error) if not _is_library(name)]
    return found[-1] if found else ""


def in_a_line(error: BaseException) -> str:
    """Return an error in one line: "ZeroDivisionError: division by zero (mine.py:12)"."""
    message, where = next(iter(str(error).strip().splitlines()), ""), place(error)
    return f"{type(error).__name__}: {message}{f' ({where})' if where else ''}"


def _is_library(name: str) -> bool:
    return name in LIBRARIES or name in sys.stdlib_module_names


def _lines(error: BaseException) -> Iterator[tuple[str, str, int]]:
    """Yield the top-level package, file and number of each line of the traceback, the innermost last."""
    for frame, number in traceback.walk_tb(error.__traceback__):
        # The module of `python -m dlgd.train` is called __main__; its package has its own name.
        name = frame.f_globals.get("__package__") or frame.f_globals.get("__name__") or ""
        yield name.partition(".")[0], frame.f_code.co_filename, number
