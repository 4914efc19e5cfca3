"""The log of a run among its files in MLflow, with the error that ended it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dlgd.core.errors import Refusal

if TYPE_CHECKING:
    from dlgd.core.contract import Tracker

ENDED_TAG = "dlgd.ended"  # finished, one of the next two, or the error
INTERRUPTED, PRUNED = "interrupted", "pruned"


@contextmanager
def recorded(tracker: Tracker) -> Iterator[None]:
    """Return a context for the work of a started run, after which the tracker has its log, in the state of then."""
    try:
        yield
    except Exception as error:
        _write(error)
        tracker.tag({ENDED_TAG: _first_line(error)})
        raise
    except KeyboardInterrupt:
        tracker.tag({ENDED_TAG: INTERRUPTED})
        raise
    finally:
        for handler in _files():
            handler.flush()
            tracker.artifact(Path(handler.baseFilename))


def ended(status: str, *, pruned: bool) -> dict[str, str]:
    """Return the tag that tells trials that were pruned from runs that a person has stopped; MLflow calls both KILLED.

    status: of the run. pruned: whether a search has stopped it.
    """
    return {ENDED_TAG: status.lower() if status != "KILLED" else PRUNED if pruned else INTERRUPTED}


@contextmanager
def log_in(file: Path) -> Iterator[None]:
    """Return a context in which the log is written into this file, too: that of a trial, among others of a worker."""
    handler = logging.FileHandler(file, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def _write(error: Exception) -> None:
    """Write the error into the log files; the terminal shows it at the end of the command."""
    text = f"dlgd: {error}" if isinstance(error, Refusal) else "".join(traceback.format_exception(error)).rstrip()
    record = logging.LogRecord(__name__, logging.ERROR, __file__, 0, text, None, None)
    for handler in _files():
        handler.handle(record)


def _files() -> list[logging.FileHandler]:
    return [each for each in logging.getLogger().handlers if isinstance(each, logging.FileHandler)]


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
