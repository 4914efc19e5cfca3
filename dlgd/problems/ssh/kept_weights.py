"""Weights of interpolation in the data cache: those of a million points take half a minute, and are computed once.

A file is named by the digest of the points and of the cells. It holds arrays alone (NumPy's .npz), is written whole or
not at all, and is made anew where it cannot be read or its arrays are not those that were written.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlgd.core import cache
from dlgd.core.files import written_whole
from dlgd.core.paths import cache_folder

if TYPE_CHECKING:
    from scipy.sparse import csr_array

log = logging.getLogger(__name__)

FORMAT = 1  # of the files, and of the way in which weights are computed
PARTS = ("data", "indices", "indptr", "shape")
MANY = 20_000  # points: the weights of fewer take less than a second


def kept(points: tuple[np.ndarray, ...], cells: tuple[np.ndarray, ...], make: Callable[[], csr_array]) -> csr_array:
    """The weights from the cache, or made and kept there; those of few points are always made.

    points, cells: the coordinates that the weights lead from and to. A cache that cannot be written is told, and no
    more: the weights are there.
    """
    if points[0].size < MANY:
        return make()
    folder = cache.folder_for(cache_folder(), "weights", {"format": FORMAT})
    path = folder / f"{_digest(*points, *cells)[:24]}.npz"
    found = _read(path)
    if found is None:
        found = make()
        try:
            with written_whole(path, shared=True) as partial, partial.open("wb") as file:
                data, indices, indptr, shape = parts = [np.asarray(getattr(found, name)) for name in PARTS]
                digest = np.array(_digest(*parts))
                np.savez(file, data=data, indices=indices, indptr=indptr, shape=shape, digest=digest)
        except OSError as error:
            log.warning("the weights of this grid cannot be kept in %s (%s): set DLGD_CACHE elsewhere", folder, error)
    return found


def _read(path: Path) -> csr_array | None:
    """The weights in a file; None where there is none, or a damaged one."""
    from scipy.sparse import csr_array

    if not path.exists():
        return None
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            parts = [file[name] for name in PARTS]
            if str(file["digest"]) == _digest(*parts):
                data, indices, indptr, shape = parts
                found = csr_array((data, indices, indptr), shape=(int(shape[0]), int(shape[1])))
                found.check_format(full_check=True)  # no index may lead out of its arrays
                return found
    except Exception as error:  # noqa: BLE001 of many kinds, by the byte that is wrong
        log.debug("%s: %s", path, error)
    log.warning("%s is damaged and will be made again", path)
    return None


def _digest(*arrays: np.ndarray) -> str:
    """SHA-256 of shapes, types and values."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.shape}{array.dtype}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
