"""Which of several files can be used: one that is damaged, or of another kind, does not stop a folder of granules."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from dlgd.core.errors import Refusal

log = logging.getLogger(__name__)

Found = TypeVar("Found")


def usable(
    files: Iterable[Path], look: Callable[[Path], Found], *, needed: Callable[[Path], bool] = lambda _: False
) -> dict[Path, Found]:
    """What `look` finds in each file of which it raises no Refusal; each of the others is told in a line, with the
    reason, and all of them are counted.

    needed: whether a file must not be left out. Raises the Refusal of such a file, or, where no file can be used, the
    one that most of them have, which may be that of an option.
    """
    found: dict[Path, Found] = {}
    refused: dict[Path, Refusal] = {}
    for path in files:
        try:
            found[path] = look(path)
        except Refusal as error:
            if needed(path):
                raise
            refused[path] = error
    if refused and not found:
        reasons = {path: str(error).replace(str(path), "") for path, error in refused.items()}
        usual = Counter(reasons.values()).most_common(1)[0][0]
        raise next(error for path, error in refused.items() if reasons[path] == usual)
    for path, error in refused.items():
        log.warning("left out: %s%s", "" if str(path) in str(error) else f"{path}: ", error)
    if refused:
        log.warning("%d of %d files cannot be used and are left out", len(refused), len(refused) + len(found))
    return found


def first(files: Iterable[Path], look: Callable[[Path], Found]) -> Found:
    """What `look` finds in the first file of which it raises no Refusal. Raises that of the first file where there is
    none."""
    refused: list[Refusal] = []
    for path in files:
        try:
            return look(path)
        except Refusal as error:
            refused.append(error)
    raise refused[0]
