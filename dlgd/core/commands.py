"""How a person types the commands of dlgd: `dlgd-train`, where this one was typed so, or `python -m dlgd.train`."""

from __future__ import annotations

import sys
from pathlib import Path


def shown(name: str) -> str:
    """Return the command of this name, such as train, in the form in which that of this process was typed."""
    return f"dlgd-{name}" if Path(sys.argv[0]).name.startswith("dlgd-") else f"python -m dlgd.{name}"
