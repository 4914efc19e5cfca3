"""Pictures and labels in the IDX files of MNIST and its kin: found, downloaded, checked, read.

An IDX file holds two zero bytes, 8 for unsigned bytes, the number of axes, the size of each axis as a big-endian 32-bit
number, and the values, the last axis running fastest (Y. LeCun, C. Cortes, C. Burges, The MNIST database). Here it may
be compressed by gzip or not. Whatever way a file came, its contents must be those that were published: the SHA-256 of
the uncompressed file tells.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlgd.core import cache, downloads
from dlgd.core.errors import Refusal
from dlgd.core.paths import cache_folder
from dlgd.problems.images.data.pictures import SIZE, Pictures, Shown

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
NAMES = tuple(name for pair in FILES.values() for name in pair)
ELSE = "or type data=mnist_5k, which needs no files"


@dataclass(frozen=True, kw_only=True)
class Collection(Shown):
    """A published set of pictures. By name of file: SHA-256 of the contents, and MD5 of the archive (name.gz) that is
    downloaded. `places` are folders to look in."""

    name: str
    counts: Mapping[str, int]  # of the samples of "train" and "test"
    contents: Mapping[str, str]
    archives: Mapping[str, str]
    places: tuple[Path, ...] = ()


MNIST = Collection(
    name="mnist",
    classes=tuple("0123456789"),
    counts={"train": 60_000, "test": 10_000},
    contents={
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    archives={
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    content="digits",
    mirror_symmetric=False,
)
# H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, arXiv:1708.07747, 2017
FASHION_MNIST = Collection(
    name="fashion_mnist",
    classes=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    counts={"train": 60_000, "test": 10_000},
    contents={
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    archives={
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    places=(Path("/usr/share/datasets/fashion-mnist"),),  # of Debian's package dataset-fashion-mnist
    content="clothes",
)


def load(collection: Collection, *, path: str | None, url: str) -> dict[str, Pictures]:
    """Its splits "train" and "test", from the folder `path`; where that is None, from the places where it may lie, else
    downloaded from `url` into the cache."""
    files = locate(collection, path=path, url=url)
    splits = {}
    for split, (images, labels) in FILES.items():
        count = collection.counts[split]
        splits[split] = Pictures(
            read(files[images], shape=(count, *SIZE), digest=collection.contents[images]),
            read(files[labels], shape=(count,), digest=collection.contents[labels]).astype(np.int64),
        )
    return splits


# --- where the files are -----------------------------------------------------------------------------------


def locate(collection: Collection, *, path: str | None, url: str) -> dict[str, Path]:
    """The four files by name."""
    if path is not None:
        folder = Path(path).expanduser()
        found = files_in(folder)
        missing = [name for name in NAMES if name not in found]
        if missing:
            what = f"lacks {', '.join(missing)}" if folder.is_dir() else "is not a folder"
            raise Refusal(f"data.path={path} {what}: put {', '.join(NAMES)} (gzip or not) there, {ELSE}")
        return found
    for folder in collection.places:
        found = files_in(folder)
        if len(found) == len(NAMES):
            return found
    return download(collection, url)


def files_in(folder: Path) -> dict[str, Path]:
    """Those of the four files that are in the folder, with .gz or without."""
    candidates = ((name, folder / f"{name}{ending}") for name in NAMES for ending in (".gz", ""))
    return {name: path for name, path in candidates if path.is_file()}


def download(collection: Collection, url: str) -> dict[str, Path]:
    """The four files in the cache, fetched where they are not there yet."""
    folder = cache.folder_for(cache_folder(), collection.name, dict(collection.archives))
    guard = cache.lock(folder)
    try:
        return {
            name: downloads.fetch(f"{url.rstrip('/')}/{name}.gz", folder / f"{name}.gz", md5=collection.archives[name])
            for name in NAMES
        }
    except downloads.Failed as error:
        raise Refusal(
            f"{error}: put {', '.join(NAMES)} (gzip or not) in a folder and type data.path=<folder>, {ELSE}"
        ) from error
    finally:
        guard.release()


# --- what is in them ---------------------------------------------------------------------------------------


def read(path: Path, *, shape: tuple[int, ...], digest: str) -> np.ndarray:
    """The values, uint8 of the shape; Refusal where the file is no IDX file, truncated, of another shape, or holds
    other contents than those of the SHA-256 digest."""
    content = uncompressed(path)
    sizes = _sizes(path, content, axes=len(shape))
    if sizes != shape:
        raise Refusal(f"{path} holds {_product(sizes)} values where {_product(shape)} are expected")
    found = _array(path, content, sizes)
    if hashlib.sha256(content).hexdigest() != digest:
        raise Refusal(f"{path} does not hold what was published (its checksum is wrong): fetch it again")
    return found


def values(path: Path, *, axes: int) -> np.ndarray:
    """The values of any file of so many axes, uint8; Refusal where it is no IDX file, or truncated."""
    content = uncompressed(path)
    return _array(path, content, _sizes(path, content, axes=axes))


def _sizes(path: Path, content: bytes, *, axes: int) -> tuple[int, ...]:
    """The sizes of the axes, from the header."""
    magic = struct.pack(">HBB", 0, 8, axes)
    if content[:4] != magic:
        raise Refusal(
            f"{path} is not an IDX file of {axes} axes: it begins with {content[:4].hex()}, not {magic.hex()}"
        )
    if len(content) < 4 + 4 * axes:
        raise Refusal(f"{path} is truncated: it ends within its header; fetch it again")
    return struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])


def _array(path: Path, content: bytes, sizes: tuple[int, ...]) -> np.ndarray:
    """The values behind the header, uint8 of these sizes, which may be written to."""
    header = 4 + 4 * len(sizes)
    length = header + math.prod(sizes)
    if len(content) != length:
        is_wrong = "is truncated" if len(content) < length else "is too long"
        raise Refusal(f"{path} {is_wrong}: it has {len(content)} of {length} bytes; fetch it again")
    return np.frombuffer(content, np.uint8, offset=header).reshape(sizes).copy()


def uncompressed(path: Path) -> bytes:
    """The contents of a file that gzip compressed or not, whatever its name."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except EOFError as error:
        raise Refusal(f"{path} is truncated: fetch it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Refusal(f"{path} is damaged ({error}): fetch it again") from error
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}") from error


def _product(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))
