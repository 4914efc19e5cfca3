"""Arrays of a person's own .npz and IDX files: loaded, and taken as pictures and labels."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from dlgd.core.errors import Refusal
from dlgd.problems.images.data.pictures import COLOURS


def load(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file by name, in small letters; Refusal where it is damaged or holds objects."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as opened:
            if not isinstance(opened, np.lib.npyio.NpzFile):
                raise Refusal(f"{path} is no .npz file: write it with numpy.savez")
            arrays = {name.lower(): opened[name] for name in opened.files}
    except ValueError as error:  # an array of objects, which would have to be unpickled, is one
        raise Refusal(f"{path} cannot be read ({_line(error)}): write arrays of numbers with numpy.savez") from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, RuntimeError) as error:
        raise Refusal(f"{path} is damaged or no .npz file ({_line(error)}): write it again with numpy.savez") from error
    except MemoryError as error:
        raise Refusal(f"{path} holds more than the memory does: make it smaller") from error
    return arrays


def as_bytes(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """Return pictures as uint8 (sample, y, x) or (sample, y, x, 3)."""
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim not in (3, 4) or (values.ndim == 4 and values.shape[3] != len(COLOURS)) or 0 in values.shape[1:3]:
        raise Refusal(f"{name} in {path} has shape {values.shape}: (sample, y, x) or (sample, y, x, 3) is needed")
    if values.dtype.kind not in "buif":
        raise Refusal(f"{name} in {path} must hold numbers, not {values.dtype}")
    most = 1 if values.dtype.kind in "bf" else 255
    if not ((values >= 0) & (values <= most)).all():
        raise Refusal(f"{name} in {path} must hold whole numbers from 0 to 255, or others from 0 to 1: scale them")
    return values.astype(np.uint8) if most == 255 else np.round(255 * values.astype(np.float64)).astype(np.uint8)


def as_words(path: Path, name: str, labels: np.ndarray, count: int) -> list[str]:
    """Return labels, numbers or texts (sample,) or (sample, 1), as words."""
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim != 1 or len(flat) != count:
        raise Refusal(f"{name} in {path} has shape {labels.shape} for {count} pictures: give one label for each")
    if flat.dtype.kind == "f" and (flat == np.round(flat)).all():
        flat = flat.astype(np.int64)
    if flat.dtype.kind not in "iuUS":
        raise Refusal(f"{name} in {path} must hold whole numbers or names of classes, not {labels.dtype}")
    if flat.dtype.kind == "S":
        flat = np.char.decode(flat.astype(np.bytes_), "utf-8", "replace")
    if flat.dtype.kind in "iu" and count and flat.min() < 0:
        raise Refusal(f"{name} in {path} has negative numbers: give the class of each picture, from 0 on")
    return [str(label) for label in flat]


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
