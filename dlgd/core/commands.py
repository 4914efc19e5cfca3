"""How a person types the commands of dlgd: `dlgd-train`, where this one was typed so, or `python -m dlgd.train`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

FORM = "DLGD_COMMAND_FORM"  # in the environment of the runs of a multirun: what was typed before the command's name


def shown(name: str) -> str:
    """Return the command of this name, such as train, in the form in which that of this process was typed."""
    return f"{_form()}{name}"


def hand_on() -> None:
    """Let the processes that this one starts show commands in the form in which that of this process was typed."""
    os.environ[FORM] = _form()


def _form() -> str:
    typed = "dlgd-" if Path(sys.argv[0]).name.startswith("dlgd-") else "python -m dlgd."
    return os.environ.get(FORM, typed)
