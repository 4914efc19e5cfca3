"""Damages of files, drawn from a seed: what disks, interrupted copies and other programs do to them."""

from __future__ import annotations

import io
import zipfile

import numpy as np


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Return the content of a file after one of the usual damages."""
    kinds = [truncated, longer, flipped, zeroed, repeated, cut_out, flipped_at_the_end, other]
    return kinds[rng.integers(len(kinds))](content, rng)


def truncated(content: bytes, rng: np.random.Generator) -> bytes:
    """A copy that was interrupted."""
    return content[: rng.integers(len(content))]


def longer(content: bytes, rng: np.random.Generator) -> bytes:
    """A file with something before or after it."""
    more = rng.bytes(rng.integers(1, 2000))
    return more + content if rng.random() < 0.5 else content + more


def flipped(content: bytes, rng: np.random.Generator, first: int = 0) -> bytes:
    """Some bits that a disk or a network changed."""
    changed = bytearray(content)
    for place in rng.integers(first, len(content), size=rng.integers(1, 9)):
        changed[place] ^= 1 << rng.integers(8)
    return bytes(changed)


def flipped_at_the_end(content: bytes, rng: np.random.Generator) -> bytes:
    """Bits in the last part, where a zip archive has its directory."""
    return flipped(content, rng, first=max(0, len(content) - 2500))


def zeroed(content: bytes, rng: np.random.Generator) -> bytes:
    """A block that was never written."""
    start = int(rng.integers(len(content)))
    length = min(len(content) - start, int(rng.integers(1, 4097)))
    return content[:start] + bytes(length) + content[start + length :]


def repeated(content: bytes, rng: np.random.Generator) -> bytes:
    """A block written twice."""
    start, end = sorted(rng.integers(len(content) + 1, size=2))
    return content[:end] + content[start:]


def cut_out(content: bytes, rng: np.random.Generator) -> bytes:
    """A block that is missing."""
    start, end = sorted(rng.integers(len(content) + 1, size=2))
    return content[:start] + content[end:]


def other(content: bytes, rng: np.random.Generator) -> bytes:
    """Something else altogether."""
    short = [
        b"",
        b"\n",
        b"PK\x05\x06" + bytes(18),
        b"\x89HDF\r\n\x1a\n",
        b"CDF\x01",
        b"{}",
        b"null",
        b"- 1\n",
        b"%PDF-1.4",
    ]
    others = [*short, rng.bytes(rng.integers(1, 5000)), content[::-1], bytes(len(content))]
    return others[rng.integers(len(others))]


def with_surgery(archive: bytes, rng: np.random.Generator) -> bytes:
    """Return a zip archive whose checksums are right, but one of whose files is absent, doubled, renamed or damaged."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        files = [(one.filename, opened.read(one)) for one in opened.infolist()]
    chosen, action = rng.integers(len(files)), rng.integers(5)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED if action == 0 else zipfile.ZIP_STORED) as opened:
        for number, (name, content) in enumerate(files):
            if number != chosen or action == 0:
                opened.writestr(name, content)
            elif action == 1:
                opened.writestr(name + "x", content)
            elif action == 2:
                opened.writestr(name, files[rng.integers(len(files))][1])
            elif action == 3:
                opened.writestr(name, damaged(content, rng) if content else b"x")
    return made.getvalue()
