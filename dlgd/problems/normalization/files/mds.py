"""Files of MITgcm: NAME.data, numbers big-endian, and NAME.meta, a text that says their order."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from dlgd.core.errors import Refusal
from dlgd.core.files import written_whole

PRECISIONS = {"float32": ">f4", "real*4": ">f4", "float64": ">f8", "real*8": ">f8"}
LARGE = 1e20  # no grid and no length scale has such numbers; those of the other byte order mostly are so, or tiny
TINY = 1e-30


def pair(path: Path) -> tuple[Path, Path]:
    """NAME.data and NAME.meta of NAME, of either of them, or of NAME with a dot in it."""
    name = path.name.removesuffix(".data").removesuffix(".meta")
    return path.with_name(f"{name}.data"), path.with_name(f"{name}.meta")


def exists(path: Path) -> bool:
    """Return whether both files are there."""
    return all(one.is_file() for one in pair(path))


def read(path: Path) -> np.ndarray:
    """Return the records of a file, (record, z, y, x) or, where it has two dimensions, (record, y, x); float64.

    Refusal where a file is missing, cut off, a tile of a field, of complex names of types, or of the other byte order.
    """
    data, meta = pair(path)
    for one in (data, meta):
        if not one.is_file():
            raise Refusal(f"{one} is not there: a file of MITgcm is a pair NAME.data, NAME.meta")
    text = meta.read_text(encoding="ascii", errors="replace")
    dimensions = _whole_numbers(text, "dimList", meta)
    precision = re.sub(r"[\s'\"]", "", _entry(text, "dataprec", meta)).lower()
    records, *others = _whole_numbers(text, "nrecords", meta)
    if others or len(dimensions) not in (6, 9) or min(dimensions) < 1 or records < 1:
        raise Refusal(f"{meta} must have two or three dimensions in dimList, and records, not {dimensions}, {records}")
    if precision not in PRECISIONS:
        raise Refusal(f"dataprec in {meta} must be one of {', '.join(PRECISIONS)}, not {precision}")
    sizes, first, last = dimensions[::3], dimensions[1::3], dimensions[2::3]
    if first != [1] * len(sizes) or last != sizes:
        raise Refusal(f"{data} is a tile of a field: write whole fields, with useSingleCpuIO or globalFiles")
    shape = (records, *sizes[::-1])
    kind = np.dtype(PRECISIONS[precision])
    wanted, found = math.prod(shape) * kind.itemsize, data.stat().st_size
    if wanted != found:
        raise Refusal(
            f"{data} has {found} bytes, but {meta.name} says {wanted}: is it cut off, or of another precision?"
        )
    values = np.fromfile(data, kind).reshape(shape)
    if _looks_wrong(values) and not _looks_wrong(values.view(kind.newbyteorder("<"))):
        raise Refusal(f"{data} is little-endian: MITgcm's files are big-endian, swap the bytes of its numbers")
    if not np.isfinite(values).all():
        raise Refusal(f"{data} has numbers that are not finite")
    return values.astype(np.float64)


def write(path: Path, field: np.ndarray) -> None:
    """Write a field of one record, (z, y, x) or (y, x), as big-endian float32; .meta last, each whole or not at all."""
    data, meta = pair(path)
    with written_whole(data, shared=True) as partial:
        field.astype(">f4").tofile(partial)
    sizes = ",\n".join(f" {size:5d},{1:5d},{size:5d}" for size in field.shape[::-1])
    with written_whole(meta, shared=True) as partial:
        partial.write_text(
            f" nDims = [ {field.ndim:3d} ];\n dimList = [\n{sizes}\n ];\n dataprec = [ 'float32' ];\n"
            " nrecords = [     1 ];\n",
            encoding="ascii",
        )


def _entry(text: str, name: str, meta: Path) -> str:
    """What stands between the brackets of an entry."""
    found = re.search(rf"\b{name}\s*=\s*[\[{{]([^\]}}]*)[\]}}]", text)
    if not found or not found[1].strip():
        raise Refusal(f"{meta} lacks {name}: is it a file of MITgcm, and whole?")
    return found[1].strip()


def _whole_numbers(text: str, name: str, meta: Path) -> list[int]:
    """The numbers of an entry, one at least."""
    entry = _entry(text, name, meta)
    try:
        return [int(number) for number in re.split(r"[\s,]+", entry.strip(", "))]
    except ValueError as error:
        raise Refusal(f"{name} in {meta} must be whole numbers, not {entry}") from error


def _looks_wrong(values: np.ndarray) -> bool:
    """Return whether many numbers that are not 0 are no numbers, huge or tiny: exponents of the other byte order are
    random, and a third of them are such."""
    some = np.abs(values[values != 0].astype(np.float64))
    return bool(some.size and np.mean(~((some < LARGE) & (some > TINY))) > 0.1)
