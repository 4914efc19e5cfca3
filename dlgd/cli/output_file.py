"""The file that a command writes for a person. Imports nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from glob import escape, iglob
from pathlib import Path

from dlgd.core import checks
from dlgd.core.errors import Refusal


def output_file(text: object, *inputs: Path) -> Path:
    """Return the path that was typed as output=. Refuse, before any work, what cannot be written, and what would be
    lost: a file among `inputs`, such as those of `files_named`."""
    output = checks.path("output", text)
    if not output.parent.is_dir() or not os.access(output.parent, os.W_OK):
        raise Refusal(f"output={output} cannot be written: {output.parent} is not a folder to which you may write")
    if output.exists() and not output.is_file():
        raise Refusal(f"output={output} is no regular file, and would be replaced by one: type another path")
    if output.exists() and any(one.exists() and output.samefile(one) for one in inputs):
        raise Refusal(f"output={output} is among the input, which would be lost: type another path")
    return output


def files_named(options: object) -> Iterator[Path]:
    """The files that any text among options names: itself, those in a folder, or those of a pattern such as maps/*.nc.

    options: a text or path, or mappings and sequences of these at any depth; what is none, such as a number, names no
        file.
    """
    if isinstance(options, Mapping):
        options = list(options.values())
    if isinstance(options, str | Path):
        path = Path(options).expanduser()
        yield path
        text = str(path)
        yield from map(Path, iglob(os.path.join(escape(text), "*") if os.path.isdir(text) else text))
    elif isinstance(options, Sequence):
        for option in options:
            yield from files_named(option)
