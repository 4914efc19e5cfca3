"""Weights of a regridding are computed once, whatever happens to the files that keep them."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from dlgd.core.errors import Refusal
from dlgd.problems.ssh import curvilinear, kept_weights
from tests.problems.ssh.data.test_curvilinear import turned, waves


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path))
    monkeypatch.setattr(kept_weights, "MANY", 0)
    return tmp_path


@pytest.fixture
def computed(monkeypatch) -> list[int]:
    """The sizes of the grids whose weights were computed."""
    sizes, own = [], curvilinear._triangles

    def counted(points: curvilinear.Points, lat: np.ndarray, lon: np.ndarray) -> scipy.sparse.csr_array:
        sizes.append(points.lat.size)
        return own(points, lat, lon)

    monkeypatch.setattr(curvilinear, "_triangles", counted)
    return sizes


def regular(count: int, *box: float) -> np.ndarray:
    """The map that a process makes which has computed nothing yet."""
    curvilinear.regridding.cache_clear()
    points = turned(count)
    found = curvilinear.regridding(points, *(box or (-90.0, 90.0, None, None)))
    return found.regular(waves(points.lat, points.lon)[found.rows, found.columns])


def test_weights_are_computed_once_for_a_grid_and_a_box(cache, computed):
    first = regular(21)
    np.testing.assert_array_equal(regular(21), first)
    assert computed == [441]
    regular(22)
    part = regular(21, 37.0, 39.0, -62.0, -58.0)
    np.testing.assert_array_equal(regular(21, 37.0, 39.0, -62.0, -58.0), part)
    assert len(computed) == 3
    assert len(list(cache.rglob("*.npz"))) == 3
    assert not list(cache.rglob("*.npz.*"))  # nor temporary files


class Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def _other_values(file: Path) -> None:
    with np.load(file) as found:
        parts = dict(found)
    np.savez(file, **(parts | {"data": parts["data"] + 1}))


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-200]),
        lambda file: file.write_bytes(file.read_bytes()[:1000]),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"no weights"),
        _other_values,
        lambda file: file.write_bytes(pickle.dumps(Harmful(file.with_name("harm")))),
        lambda file: np.savez(file, data=np.array([Harmful(file.with_name("harm"))], dtype=object)),
    ],
)
def test_a_damaged_file_is_made_anew_and_runs_nothing(cache, computed, damage, caplog):
    first = regular(21)
    (file,) = cache.rglob("*.npz")
    damage(file)
    np.testing.assert_array_equal(regular(21), first)
    assert "is damaged and will be made again" in caplog.text
    np.testing.assert_array_equal(regular(21), first)
    assert len(computed) == 2
    assert not list(cache.rglob("harm"))


def test_a_cache_that_cannot_be_written_is_told(cache, computed, monkeypatch, caplog):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    assert np.isfinite(regular(21)).any()
    assert "cannot be kept" in caplog.text
    (cache / "file").touch()
    monkeypatch.setenv("DLGD_CACHE", str(cache / "file"))
    with pytest.raises(Refusal, match="cannot write the data cache"):
        regular(21)


def test_weights_of_few_points_are_not_kept(cache, monkeypatch):
    monkeypatch.setattr(kept_weights, "MANY", 442)
    regular(21)
    assert not list(cache.rglob("*.npz"))
