"""IDX files: read as they were written, refused where anything is wrong, found, and fetched from a real server."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dlgd.core.errors import Refusal
from dlgd.problems.images.data import idx
from dlgd.problems.images.data.idx import NAMES, Collection

COUNTS = {"train": 30, "test": 10}
NOWHERE = "http://127.0.0.1:9/"  # nobody listens there


def written(values: np.ndarray) -> bytes:
    """As an IDX file: the format's own definition, byte by byte."""
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def values() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = ((30, 28, 28), (30,), (10, 28, 28), (10,))
    return {
        name: rng.integers(256 if "images" in name else 10, size=shape, dtype=np.uint8)
        for name, shape in zip(NAMES, shapes, strict=True)
    }


CONTENTS = {name: written(array) for name, array in values().items()}
ARCHIVES = {name: gzip.compress(content, mtime=0) for name, content in CONTENTS.items()}
SMALL = Collection(
    name="small",
    classes=tuple("0123456789"),
    counts=COUNTS,
    contents={name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()},
    archives={name: hashlib.md5(archive).hexdigest() for name, archive in ARCHIVES.items()},
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


def filled(folder: Path, files: dict[str, bytes], ending: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}{ending}").write_bytes(content)
    return folder


def load(path: Path | None, url: str = NOWHERE, collection: Collection = SMALL) -> dict[str, idx.Pictures]:
    return idx.load(collection, path=None if path is None else str(path), url=url)


def assert_right(splits: dict[str, idx.Pictures]) -> None:
    expected = values()
    for split, (images, labels) in idx.FILES.items():
        assert np.array_equal(splits[split].images, expected[images])
        assert np.array_equal(splits[split].labels, expected[labels])
        assert splits[split].images.dtype == np.uint8
        assert splits[split].labels.dtype == np.int64


# --- in a folder -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_files_with_and_without_gzip(ending, tmp_path):
    assert_right(load(filled(tmp_path / "data", ARCHIVES if ending else CONTENTS, ending)))


def test_the_name_does_not_tell_whether_a_file_is_compressed(tmp_path):
    assert_right(load(filled(tmp_path / "data", ARCHIVES)))
    assert_right(load(filled(tmp_path / "other", CONTENTS, ".gz")))


def test_another_compression_of_the_same_contents(tmp_path):
    """Debian's archives are not those of the authors, byte by byte."""
    others = {name: gzip.compress(content, compresslevel=1) for name, content in CONTENTS.items()}
    assert others != ARCHIVES
    assert_right(load(filled(tmp_path / "data", others, ".gz")))


def test_a_folder_in_the_home(tmp_path, monkeypatch):
    filled(tmp_path / "data", CONTENTS)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert_right(load(Path("~/data")))


def test_known_places_are_looked_at_before_the_network(tmp_path):
    partial = filled(tmp_path / "partial", {NAMES[0]: CONTENTS[NAMES[0]]})
    whole = filled(tmp_path / "whole", ARCHIVES, ".gz")
    assert_right(load(None, collection=replace(SMALL, places=(tmp_path / "none", partial, whole))))


def test_a_missing_file(tmp_path):
    some = {name: CONTENTS[name] for name in NAMES[:3]}
    folder = filled(tmp_path / "data", some)
    with pytest.raises(Refusal, match=r"data\.path=.*data lacks t10k-labels-idx1-ubyte: put train-images.* there, or"):
        load(folder)
    with pytest.raises(Refusal, match=r"data\.path=.*nowhere is not a folder: put .* or type data=mnist_5k"):
        load(tmp_path / "nowhere")


def changed(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


IMAGES = CONTENTS["train-images-idx3-ubyte"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (IMAGES[:-1], "is truncated: it has 23535 of 23536 bytes"),
        (IMAGES[:10], "is truncated: it ends within its header"),
        (b"", "is not an IDX file of 3 axes: it begins with , not 00000803"),
        (IMAGES + b"0", "is too long: it has 23537 of 23536 bytes"),
        (changed(IMAGES, 2), "is not an IDX file of 3 axes: it begins with 00000903, not 00000803"),
        (CONTENTS["train-labels-idx1-ubyte"], "it begins with 00000801, not 00000803"),
        (b"<html>404</html>", "it begins with 3c68746d, not 00000803"),
        (CONTENTS["t10k-images-idx3-ubyte"], "holds 10 x 28 x 28 values where 30 x 28 x 28 are expected"),
        (changed(IMAGES, 5000), r"does not hold what was published \(its checksum is wrong\): fetch it again"),
        (ARCHIVES["train-images-idx3-ubyte"][:-100], "is truncated"),
        (ARCHIVES["train-images-idx3-ubyte"][:5000], "is truncated"),
        (changed(ARCHIVES["train-images-idx3-ubyte"], 5000), "is damaged|does not hold"),
        (changed(ARCHIVES["train-images-idx3-ubyte"], 2), "is damaged"),
    ],
)
def test_a_wrong_file(content, words, tmp_path):
    folder = filled(tmp_path / "data", CONTENTS | {"train-images-idx3-ubyte": content})
    with pytest.raises(Refusal, match=f"data/train-images-idx3-ubyte.*({words})") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_fashion_mnist_as_debian_packs_it():
    (place,) = idx.FASHION_MNIST.places
    if not place.is_dir():
        pytest.skip("the package dataset-fashion-mnist is not installed")
    splits = load(None, collection=idx.FASHION_MNIST)
    assert splits["train"].images.shape == (60_000, 28, 28)
    for split in splits.values():
        assert len(set(np.bincount(split.labels).tolist())) == 1, "as many of each class"
    trousers = splits["test"].images[splits["test"].labels == 1].mean(axis=0)
    assert trousers[20, 14] < 0.7 * trousers[20, [10, 17]].mean(), "two legs"


# --- from a server -----------------------------------------------------------------------------------------


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing on the terminal."""

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


class HalfWay(Quiet):
    """Closes the connection in the middle of a file."""

    def copyfile(self, source, outputfile) -> None:
        outputfile.write(source.read()[:2000])


@contextlib.contextmanager
def serving(folder: Path, handler: type[Quiet] = Quiet) -> Iterator[str]:
    """The files of a folder at the address given."""

    def make(*arguments: object) -> Quiet:
        return handler(*arguments, directory=str(folder))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), make) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def kept(cache: Path) -> set[str]:
    """Names of the files of pictures, whole or not, in the cache."""
    return {path.name for path in cache.glob("**/*") if path.is_file()} - {"config.json", ".lock"}


@pytest.mark.parametrize("slash", ["", "/"])
def test_downloaded_once(slash, tmp_path, cache):
    with serving(filled(tmp_path / "server", ARCHIVES, ".gz")) as url:
        assert_right(load(None, url + slash))
    assert kept(cache) == {f"{name}.gz" for name in NAMES}
    assert_right(load(None, url + slash))  # the server is gone


def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(tmp_path, cache):
    with serving(filled(tmp_path / "server", ARCHIVES, ".gz")) as url:
        load(None, url)
        (damaged,) = cache.glob("*/t10k-images-idx3-ubyte.gz")
        damaged.write_bytes(damaged.read_bytes()[:-50])
        assert_right(load(None, url))


WAY_OUT = r": put train-images-idx3-ubyte, .*t10k-labels-idx1-ubyte \(gzip or not\) in a folder and type data\.path=<folder>, or type data=mnist_5k"  # noqa: E501


def test_a_wrong_checksum_on_the_server(tmp_path, cache):
    others = ARCHIVES | {NAMES[1]: gzip.compress(changed(CONTENTS[NAMES[1]], 20), mtime=0)}
    with (
        serving(filled(tmp_path / "server", others, ".gz")) as url,
        pytest.raises(Refusal, match=r"train-labels.* is not what was published \(its checksum is wrong\)" + WAY_OUT),
    ):
        load(None, url)
    assert kept(cache) == {f"{NAMES[0]}.gz"}, "what was right before, and no other"


def test_a_download_that_ends_half_way(tmp_path, cache):
    with (
        serving(filled(tmp_path / "server", ARCHIVES, ".gz"), HalfWay) as url,
        pytest.raises(Refusal, match=r"train-images.*cannot be downloaded \(it ended half way\)" + WAY_OUT),
    ):
        load(None, url)
    assert kept(cache) == set()


def test_a_server_without_the_files(tmp_path, cache):
    (tmp_path / "server").mkdir()
    with (
        serving(tmp_path / "server") as url,
        pytest.raises(Refusal, match=r"\(the server answered 404 File not found\)" + WAY_OUT),
    ):
        load(None, url)
    assert kept(cache) == set()


def test_no_server(cache):
    with pytest.raises(Refusal, match=r"http://127.0.0.1:9/train-images.*\(no connection\)" + WAY_OUT) as caught:
        load(None)
    assert "\n" not in str(caught.value)
    assert kept(cache) == set()


def test_a_cache_that_cannot_be_written(tmp_path, cache):
    cache.write_text("a file")
    with pytest.raises(Refusal, match="cannot write the data cache"):
        load(None)
