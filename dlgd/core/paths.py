"""The folders of the project, in a checkout and installed. Imports nothing heavy."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
ROOT = PACKAGE.parent  # the checkout; of an installed dlgd, the folder that has it beside other packages
CONF = PACKAGE / "conf"  # in a checkout a link to conf/, where people edit; an installed dlgd has the files themselves
EXPERIMENTS = CONF / "experiment"


def cache_folder() -> Path:
    """Return the folder of cached data: $DLGD_CACHE, else cache/ in the working folder where that is in a checkout of
    dlgd, else dlgd's folder in the cache of this person, such as ~/.cache/dlgd."""
    named = os.environ.get("DLGD_CACHE")
    if named:
        return Path(named).expanduser().resolve()
    here = Path.cwd()
    if in_checkout(here):
        return here / "cache"
    from platformdirs import user_cache_path

    return user_cache_path("dlgd").resolve()


def in_checkout(folder: Path) -> bool:
    """Return whether a folder is a checkout of dlgd, or in one."""
    return any((one / "conf" / "base.yaml").is_file() and (one / "dlgd").is_dir() for one in (folder, *folder.parents))


def shipped(file: Path) -> Path:
    """Return a file as it was named, or where there is none the one of that name that dlgd has.

    So experiments/digits/classifier.pt, which experiments name, is found from any working folder.
    """
    inside = Path(*file.parts[1:])
    if file.exists() or file.parts[:1] != ("experiments",) or not (EXPERIMENTS / inside).is_file():
        return file
    return EXPERIMENTS / inside
