"""Real digits as a person may have them: in IDX files, in an .npz file, in folders of PNG."""

from __future__ import annotations

import functools
import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from tests.problems.images.data.small_digits import make


@functools.cache
def digits(count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 (sample, y, x) of MNIST and their labels, as many of each."""
    source = make(samples={"train": count, "valid": 10, "test": 10})
    samples = source.samples("train")
    return np.round(255 * samples.intensity.values).astype(np.uint8), samples.label.values


def write_idx(path: Path, values: np.ndarray) -> Path:
    """Compressed if the name ends in .gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def as_idx(folder: Path, images: np.ndarray, labels: np.ndarray, part: str = "train", ending: str = "") -> Path:
    """<part>-images-idx3-ubyte and its labels."""
    write_idx(folder / f"{part}-images-idx{images.ndim}-ubyte{ending}", images)
    write_idx(folder / f"{part}-labels-idx1-ubyte{ending}", labels)
    return folder


def as_npz(path: Path, **arrays: np.ndarray) -> Path:
    """One file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return path


def as_png(folder: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    """<folder>/<label>/<number>.png."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / str(label) / f"{number}.png")
    return folder
