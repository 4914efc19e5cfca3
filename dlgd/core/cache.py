"""A cache of samples: each is a NetCDF file, so that an interrupted computation continues where it stopped.

Each configuration that generates samples has a folder, named by its digest. A file is written under a temporary name
and then renamed. It has a digest of its values: a damaged file is noticed and made again. Only one process at a time
fills a folder; the others wait, and then find all files.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import xarray as xr
from filelock import FileLock, Timeout

from dlgd.core import netcdf_trial
from dlgd.core.errors import Refusal
from dlgd.core.files import write_text, written_whole

log = logging.getLogger(__name__)

_only_found: ContextVar[bool] = ContextVar("only_found", default=False)


class NotFound(Refusal):
    """What is not in the cache, where nothing may be made or downloaded."""


@contextmanager
def only_found() -> Iterator[None]:
    """Return a context in which what is not in the cache raises NotFound."""
    token = _only_found.set(True)
    try:
        yield
    finally:
        _only_found.reset(token)


def may_make(path: Path) -> None:
    """Raise NotFound where nothing may be made."""
    if _only_found.get():
        raise NotFound(f"{path} is not in the cache")


def folder_for(root: Path, name: str, config: Mapping[str, Any]) -> Path:
    """Make and return the folder root/name-<digest of the configuration>, with the configuration as a file in it."""
    text = json.dumps(config, sort_keys=True, indent=1)
    folder = root / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "config.json").exists():
            write_text(folder / "config.json", text + "\n", shared=True)
    except OSError as error:
        raise Refusal(f"cannot write the data cache in {folder}: {error.strerror}; set DLGD_CACHE elsewhere") from error
    return folder


def lock(folder: Path) -> FileLock:
    """Take the lock of a folder. It is released when the process ends, for any reason."""
    guard = FileLock(folder / ".lock")
    try:
        guard.acquire(timeout=0)
    except Timeout:
        log.info("another process is making %s; waiting for it", folder.name)
        guard.acquire()
    return guard


def digest(dataset: xr.Dataset) -> str:
    """Return the SHA-256 of names, shapes, types and values of all variables and coordinates."""
    total = hashlib.sha256()
    for name in sorted(map(str, dataset.variables)):
        values = dataset[name].values
        total.update(f"{name}{dataset[name].dims}{values.shape}{values.dtype}".encode())
        total.update(values.tobytes())
    return total.hexdigest()


def write(dataset: xr.Dataset, path: Path) -> None:
    """Write a file whole or not at all, with the digest as an attribute."""
    try:
        with written_whole(path, shared=True) as partial:
            dataset.assign_attrs(digest=digest(dataset)).to_netcdf(partial, engine="netcdf4")
    except (OSError, RuntimeError) as error:  # HDF5 raises RuntimeError on a full disk
        raise Refusal(f"cannot write {path}: {error}; make room or set DLGD_CACHE") from error


def read(path: Path) -> xr.Dataset | None:
    """Return the dataset in a file, or None where the file is absent or damaged."""
    if not path.exists():
        return None
    dataset = None
    if netcdf_trial.survived(path):
        refused = contextlib.suppress(OSError, RuntimeError, ValueError, KeyError)
        with refused, xr.open_dataset(path, engine="netcdf4") as opened:
            dataset = opened.load()
    if dataset is None or digest(dataset) != dataset.attrs.get("digest"):
        log.warning("%s is damaged and will be made again", path)
        return None
    return dataset


def get(path: Path, make: Callable[[], xr.Dataset]) -> xr.Dataset:
    """Read the file, or make the dataset and write it. Raises NotFound within `only_found`."""
    found = read(path)
    if found is None:
        may_make(path)
        write(make(), path)
        found = read(path)
        if found is None:
            raise Refusal(f"{path} was written but cannot be read back: check the disk")
    return found
