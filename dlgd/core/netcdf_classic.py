"""The length of NetCDF files of the classic kinds, CDF-1, CDF-2 and CDF-5.

The C library reads zeros beyond the end of such a file, so that one that is cut off looks whole. The layout of the
header is that of the "NetCDF Classic Format Specification" (Unidata) and, of CDF-5, of PnetCDF.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}  # bytes, by the number of a type
STREAMING = {4: 2**32 - 1, 8: 2**64 - 1}  # in place of the number of records: it is not known


def is_cut_off(path: Path) -> bool:
    """Return whether a file of a classic kind ends before its header or its last value. False for other kinds."""
    with path.open("rb") as file:
        if file.read(3) != b"CDF":
            return False
        version = int.from_bytes(file.read(1), "big")
        if version not in (1, 2, 5):
            return False
        try:
            end = _Header(file, version).end()
        except (EOFError, KeyError, IndexError):
            return True
    return path.stat().st_size < end


class _Header:
    def __init__(self, file: BinaryIO, version: int) -> None:
        self._file = file
        self._count = 8 if version == 5 else 4  # bytes of counts
        self._offset = 4 if version == 1 else 8

    def end(self) -> int:
        """Return the place after the last value."""
        records = self._integer(self._count)
        lengths = [self._dimension() for _ in range(self._entries())]
        self._skip_attributes()
        variables = [self._variable(lengths) for _ in range(self._entries())]
        fixed = [begin + size for begin, size, in_records in variables if not in_records]
        inner = [(begin, size) for begin, size, in_records in variables if in_records]
        if records in (0, STREAMING[self._count]):
            inner = []
        # records of several variables are padded to four bytes each, those of one are not
        record = inner[0][1] if len(inner) == 1 else sum(_padded(size) for _, size in inner)
        return max([*fixed, *(begin + (records - 1) * record + size for begin, size in inner)], default=0)

    def _dimension(self) -> int:
        """The length, 0 of that of records."""
        self._skip_name()
        return self._integer(self._count)

    def _variable(self, lengths: list[int]) -> tuple[int, int, bool]:
        """The place of its first value, its bytes (of one record), and whether it has records."""
        self._skip_name()
        shape = [lengths[self._integer(self._count)] for _ in range(self._integer(self._count))]
        self._skip_attributes()
        size = SIZES[self._integer(4)]
        self._integer(self._count)  # its bytes, which are wrong where they are too many for the field
        in_records = bool(shape) and shape[0] == 0
        return self._integer(self._offset), size * math.prod(shape[in_records:]), in_records

    def _skip_attributes(self) -> None:
        for _ in range(self._entries()):
            self._skip_name()
            self._skip(SIZES[self._integer(4)] * self._integer(self._count))

    def _entries(self) -> int:
        """The number of entries of a list, after its tag."""
        self._integer(4)
        return self._integer(self._count)

    def _skip_name(self) -> None:
        self._skip(self._integer(self._count))

    def _skip(self, size: int) -> None:
        self._file.seek(_padded(size), 1)

    def _integer(self, size: int) -> int:
        found = self._file.read(size)
        if len(found) < size:
            raise EOFError
        return int.from_bytes(found, "big")


def _padded(size: int) -> int:
    return -(-size // 4) * 4
