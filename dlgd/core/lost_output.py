"""Output whose reader has gone, such as a terminal that was closed or `head`: it is dropped, and the work goes on.

A closed terminal does not always send SIGHUP: a job of the shell's background outlives `exit`, and writes into nothing.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STANDARD = (1, 2)  # the files of sys.stdout and sys.stderr
LOST = (errno.EIO, errno.EPIPE)  # of a closed terminal, and of a pipe that nobody reads


@contextmanager
def dropped() -> Iterator[None]:
    """Return a context in which writing to sys.stdout and sys.stderr never raises because the reader has gone.

    Streams that are no file of the system, such as those of a notebook, stay as they are.
    """
    before = sys.stdout, sys.stderr
    drop_lost()
    sys.stdout, sys.stderr = _tolerant(sys.stdout), _tolerant(sys.stderr)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
        sys.stdout, sys.stderr = before


def drop_lost() -> None:
    """Let output go nowhere whose reader has gone: writing there raises OSError."""
    for number in STANDARD:
        lost = select.poll()
        try:
            lost.register(number, 0)
            if lost.poll(0):
                _to_nowhere(number)
        except OSError:  # the stream was closed by whoever started the process
            continue


class _Tolerant(io.FileIO):
    """A file whose writing is silently dropped from the moment on at which its reader has gone."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in LOST:
                raise
            _to_nowhere(self.fileno())
            return super().write(data)


def _tolerant(stream: TextIO) -> TextIO:
    """Return a stream of the same file, encoding and buffering that is tolerant; others as they are."""
    if type(stream) is not io.TextIOWrapper or stream.closed or stream.fileno() not in STANDARD:
        return stream
    stream.flush()
    raw = _Tolerant(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        cast("BinaryIO", raw) if isinstance(stream.buffer, io.RawIOBase) else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _to_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
