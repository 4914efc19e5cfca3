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
OURS = "dlgd"  # the logger above those of all our modules
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
def log_in(file: Path, logger: logging.Logger | None = None) -> Iterator[None]:
    """Return a context in which the log is written into this file, too: that of a trial, among others of a worker.

    logger: whose log; None for that of the whole process.
    """
    handler = logging.FileHandler(file, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger() if logger is None else logger
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


@contextmanager
def own_log_in(file: Path) -> Iterator[None]:
    """Return a context in which dlgd's own log is written into this file, and what the process shows is unchanged.

    For a process that has set up its logging itself, or not at all, as a notebook: `file` has all lines that a command
    would write, and the handlers of the process get those that their levels ask for, as before.
    """
    own, above = logging.getLogger(OURS), _Above()
    level, propagate = own.level, own.propagate
    above.setLevel(own.getEffectiveLevel())
    own.setLevel(min(logging.INFO, own.getEffectiveLevel()))
    own.propagate = False
    own.addHandler(above)
    try:
        with log_in(file, own):
            yield
    finally:
        own.removeHandler(above)
        own.setLevel(level)
        own.propagate = propagate


@contextmanager
def warnings_only(name: str) -> Iterator[None]:
    """Return a context in which the loggers below this name log warnings and errors alone."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(level)


class _Above(logging.Handler):
    """Gives records to the handlers of the whole process, or to that of last resort where there are none."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger().callHandlers(record)


def _write(error: Exception) -> None:
    """Write the error into the log files; the terminal shows it at the end of the command."""
    text = f"dlgd: {error}" if isinstance(error, Refusal) else "".join(traceback.format_exception(error)).rstrip()
    record = logging.LogRecord(__name__, logging.ERROR, __file__, 0, text, None, None)
    for handler in _files():
        handler.handle(record)


def _files() -> list[logging.FileHandler]:
    handlers = [*logging.getLogger().handlers, *logging.getLogger(OURS).handlers]
    return [each for each in handlers if isinstance(each, logging.FileHandler)]


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
