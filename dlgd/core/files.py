"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlgd.core.errors import Refusal


@contextmanager
def written_whole(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Give a temporary file beside `path`, which replaces `path` at the end; if anything fails, `path` is unchanged.

    The content is on the disk before the file is renamed, so that not even a power cut leaves half a file. A process
    that is killed leaves its temporary file, which the next one overwrites. Where several processes may write the same
    file at once (`shared`), each has its own temporary file. Raises OSError, which names `path`, also where that is a
    folder, a device or another thing that is no file, and which a file would replace.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    partial = path.with_name(f".{path.name}.{os.getpid() if shared else 'partial'}")
    partial.unlink(missing_ok=True)  # it may be a link, through which another file would be written
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        if error.filename in (None, str(partial)):  # the former where the disk is full
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, shared: bool = False) -> None:
    """Write a text whole or not at all, in UTF-8. Raises OSError."""
    with written_whole(path, shared=shared) as partial:
        partial.write_text(text, encoding="utf-8")


def make_writable(folder: Path) -> None:
    """Make the folder, and check that files can be written in it. Raises Refusal where that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe_") as probe:  # a name that nobody has
            probe.write(b"dlgd")
            probe.flush()
    except OSError as error:
        raise Refusal(
            f"Nothing can be written in {folder} ({error.strerror}): make room or give yourself the right to write "
            "there, choose another folder, or work with a copy of the run."
        ) from error


def refuse_links(folder: Path) -> None:
    """Refuse the folder of a run in which a link leads out of it: what a run writes could replace a file elsewhere, and
    what is recorded could be a file of somebody else."""
    inside = folder.resolve()
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            if path.is_symlink() and not path.resolve().is_relative_to(inside):
                raise Refusal(
                    f"{path} is a link that leads out of the run's folder, to {os.readlink(path)}: remove it, or put a "
                    "copy of what it leads to in its place"
                )
