"""Where an error comes from: from lines of dlgd alone, or from a person's own code that dlgd has called."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator

OURS = "dlgd"
# Through which our own lines read configurations and write files; an error of any other module is not ours to explain.
LIBRARIES = {
    *("PIL", "antlr4", "filelock", "hydra", "hydra_plugins", "joblib", "matplotlib", "mlflow", "netCDF4", "numpy"),
    *("omegaconf", "optuna", "pooch", "rich", "scipy", "sqlalchemy", "torch", "xarray", "yaml"),
}


def is_ours(error: BaseException) -> bool:
    """Whether every line between the command and the error is of dlgd, of Python or of one of LIBRARIES."""
    return all(name == OURS or _is_library(name) for name, _, _ in _lines(error))


def place(error: BaseException) -> str:
    """The innermost line that is not a library's, such as mine.py:12; empty where there is none."""
    found = [f"{file.rpartition('/')[2]}:{line}" for name, file, line in _lines(error) if not _is_library(name)]
    return found[-1] if found else ""


def in_a_line(error: BaseException) -> str:
    """Its kind, its first line and its place: "ZeroDivisionError: division by zero (mine.py:12)"."""
    message, where = next(iter(str(error).strip().splitlines()), ""), place(error)
    return f"{type(error).__name__}: {message}{f' ({where})' if where else ''}"


def _is_library(name: str) -> bool:
    return name in LIBRARIES or name in sys.stdlib_module_names


def _lines(error: BaseException) -> Iterator[tuple[str, str, int]]:
    """Top-level package, file and number of each line of the traceback, the innermost last."""
    for frame, number in traceback.walk_tb(error.__traceback__):
        # of `python -m dlgd.train`, the package is known and the module is called __main__
        name = frame.f_globals.get("__package__") or frame.f_globals.get("__name__") or ""
        yield name.partition(".")[0], frame.f_code.co_filename, number
