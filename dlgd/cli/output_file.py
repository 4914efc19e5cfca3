"""The file that a command writes for a person. Imports nothing heavy."""

from __future__ import annotations

import os
from pathlib import Path

from dlgd.core import checks
from dlgd.core.errors import Refusal


def output_file(text: object, *inputs: Path) -> Path:
    """Return the path that was typed as output=. Refuse, before any work, what cannot be written, and what would be
    lost: a file among `inputs`."""
    output = checks.path("output", text)
    if not output.parent.is_dir() or not os.access(output.parent, os.W_OK):
        raise Refusal(f"output={output} cannot be written: {output.parent} is not a folder to which you may write")
    if output.exists() and not output.is_file():
        raise Refusal(f"output={output} is no regular file, and would be replaced by one: type another path")
    if output.exists() and any(one.exists() and output.samefile(one) for one in inputs):
        raise Refusal(f"output={output} is the input, which would be lost: type another path")
    return output
