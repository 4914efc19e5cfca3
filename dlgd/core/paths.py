"""The folders of the project. Imports nothing heavy."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CONF = ROOT / "conf"


def cache_folder() -> Path:
    """Return the folder of cached data: $DLGD_CACHE, else cache/ in the working folder."""
    return Path(os.environ.get("DLGD_CACHE", "cache")).expanduser().resolve()
