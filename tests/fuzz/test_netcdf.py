"""Damaged NetCDF files: a person's own are refused in one sentence, those of a cache are made again."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dlgd.core import cache, netcdf_trial
from dlgd.core.errors import Refusal
from dlgd.problems.images.data import samples as pictures
from dlgd.problems.images.data.pictures import Shown
from dlgd.problems.lorenz.data import own_files as trajectories
from dlgd.problems.normalization.data import users_file
from dlgd.problems.normalization.data.layout import Layout
from dlgd.problems.ssh.data import map_files, own_files
from dlgd.problems.ssh.data.editing import Editing
from dlgd.problems.ssh.data.map_axes import Box
from tests.fuzz import damages

EVERYWHERE = map_files.Reading(
    {}, None, Box(-90.0, 90.0, -180.0, 180.0), (np.datetime64("1900-01-01"), np.datetime64("2100-01-01"))
)
LAYOUT = Layout(grid="mercator", south_north="closed", west_east="periodic", check_physics=False)  # gamma is made up
# What reads a person's files, by problem.
SHOWN = Shown(classes=tuple("0123456789"), size=(6, 5))
READERS: dict[str, Callable[[Path], object]] = {
    "normalization": lambda path: users_file.read(path, LAYOUT),
    "images": lambda path: pictures.read(path, needed=("intensity", "label"), shown=SHOWN),
    "lorenz": lambda path: trajectories.read(
        path, names=("x", "y", "z"), dt=0.01, forecast=0, attrs={"noise_variance": 2.0}
    ),
    "ssh": lambda path: own_files.read(path, Editing()),
    "ssh maps": lambda path: map_files.reference([path], target=None, reading=EVERYWHERE),
}


def whole(problem: str) -> xr.Dataset:
    """A file that the problem reads."""
    rng = np.random.default_rng(1)
    if problem == "normalization":
        names = {"alpha_i": (2, 6, 5), "alpha_j": (2, 6, 5), "gamma": (2, 6, 5)}
        found = {name: (("sample", "y", "x"), rng.random(shape) + 1) for name, shape in names.items()}
        plane = {"w": (("y", "x"), np.ones((6, 5)), {"units": "m2"}), "mask": (("y", "x"), np.ones((6, 5), np.int8))}
        return xr.Dataset(found | plane)
    if problem == "images":
        intensity = (("sample", "y", "x"), rng.random((3, 6, 5)).astype(np.float32))
        return xr.Dataset({"intensity": intensity, "label": (("sample",), np.arange(3))})
    if problem == "lorenz":
        observations = (("sample", "time", "variable"), rng.standard_normal((2, 10, 3)))
        return xr.Dataset({"observations": observations, "state": observations}, attrs={"dt": 0.01})
    axes = {
        "time": ("time", np.datetime64("2012-10-01", "ns") + np.arange(4) * np.timedelta64(1, "D")),
        "lat": ("lat", 40 + np.arange(6) / 4, {"units": "degrees_north"}),
        "lon": ("lon", 5 + np.arange(5) / 4, {"units": "degrees_east"}),
    }
    maps = (("time", "lat", "lon"), rng.standard_normal((4, 6, 5)).astype(np.float32), {"units": "m"})
    sea = {"observations": maps, "ssh": maps, "sea": (("lat", "lon"), np.ones((6, 5), np.int8))}
    return xr.Dataset(sea if problem == "ssh" else {"ssh": maps}, axes)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """The library is given up on soon: a few hundredths of a per cent of damages would make it go on for ever."""
    monkeypatch.setattr(netcdf_trial, "OPENS_WITHIN", 5)


def read(problem: str, path: Path) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # xarray's, of odd attributes
            READERS[problem](path)
    except Refusal as refusal:
        return "refused" if str(path.name) in str(refusal) and "\n" not in str(refusal) else f"poor: {refusal}"
    except Exception as error:  # noqa: BLE001 - all kinds are counted
        return f"leaked: {type(error).__name__}: {str(error)[:100]}"
    return "read"


@pytest.mark.parametrize("problem", READERS)
def test_whole_files_are_read(problem, tmp_path):
    whole(problem).to_netcdf(tmp_path / "own.nc")
    assert read(problem, tmp_path / "own.nc") == "read"


# --- bytes ---------------------------------------------------------------------------------------------------------


def counts(problem: str, folder: Path, *, seeds: range) -> Counter[str]:
    found: Counter[str] = Counter()
    contents = []
    for number, kind in enumerate(("NETCDF4", "NETCDF3_64BIT")):
        content = whole(problem)
        if number:  # which has no whole numbers of 64 bits
            content = content.map(lambda one: one.astype(np.int32) if one.dtype == np.int64 else one, keep_attrs=True)
        content.to_netcdf(folder / "whole.nc", format=kind)
        contents.append((folder / "whole.nc").read_bytes())
    for seed in seeds:
        rng = np.random.default_rng(seed)
        path = folder / f"own{seed}.nc"  # the libraries remember files by their names
        path.write_bytes(damages.damaged(contents[rng.integers(2)], rng))
        found[read(problem, path)] += 1
        path.unlink()
    return found


@pytest.mark.parametrize("problem", READERS)
def test_some_damages(problem, tmp_path):
    found = counts(problem, tmp_path, seeds=range(20))
    assert found.keys() <= {"refused", "read"}, found


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("problem", READERS)
def test_thousands_of_damages(problem, tmp_path):
    found = counts(problem, tmp_path, seeds=range(400))
    print(f"{problem}, bytes: {dict(found)}")
    assert found.keys() <= {"refused", "read"}, found


# --- well-formed files with other contents -------------------------------------------------------------------------


def mutated(dataset: xr.Dataset, rng: np.random.Generator) -> xr.Dataset:
    """Return the dataset with one variable, axis or attribute of another kind."""
    name = list(map(str, dataset.variables))[rng.integers(len(dataset.variables))]
    one, rest = dataset[name], dataset.drop_vars(name)
    filled = [np.nan, np.inf, -1, 0, 1e30, 255, "text", "", np.datetime64("2012-10-01", "ns"), np.timedelta64(3, "ns")]
    value = filled[rng.integers(len(filled))]
    kind = rng.integers(8)
    if kind == 0:
        return rest
    if kind == 1:
        return rest.assign({name: (one.dims, np.full(one.shape, value), {})})
    if kind == 2:
        return rest.assign({name: ((), value, {})})
    if kind == 3:
        units = ["feet", "days since 2012-10-01", "days since never", "seconds", "m2", 3, "", "hours since 0000-00-00"]
        return rest.assign({name: (one.dims, np.asarray(one.values, float), {"units": units[rng.integers(8)]})})
    if kind == 4:
        dims = [f"other_{dim}" for dim in one.dims]
        return rest.assign({name: (dims, one.values)})
    if kind == 5 and one.ndim:
        dim = one.dims[rng.integers(one.ndim)]
        return dataset.isel({dim: [slice(0), slice(1), slice(None, None, -1), [0, 0]][rng.integers(4)]})
    if kind == 6:
        key = [*dataset.attrs, "dt", "west_east", "south_north", "steps"][rng.integers(4 + len(dataset.attrs))]
        return dataset.assign_attrs({key: ["text", 3, [1.0, 2.0], "", np.nan][rng.integers(5)]})
    return rest.assign({name: (("extra", *one.dims), one.values[None])})


def contents_counts(problem: str, folder: Path, *, seeds: range) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in seeds:
        path = folder / f"own{seed}.nc"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                mutated(whole(problem), np.random.default_rng(seed)).to_netcdf(path)
        except (ValueError, TypeError, KeyError):  # xarray cannot make or write every mutation
            continue
        found[read(problem, path)] += 1
        path.unlink()
    return found


@pytest.mark.parametrize("problem", READERS)
def test_some_other_contents(problem, tmp_path):
    found = contents_counts(problem, tmp_path, seeds=range(40))
    assert found.keys() <= {"refused", "read"}, found


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("problem", READERS)
def test_thousands_of_other_contents(problem, tmp_path):
    found = contents_counts(problem, tmp_path, seeds=range(400))
    print(f"{problem}, contents: {dict(found)}")
    assert found.keys() <= {"refused", "read"}, found


# --- no files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", READERS)
def test_what_is_no_file(problem, tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")  # to open it would wait for ever
    for name in ("folder", "fifo", "absent"):
        assert read(problem, tmp_path / name) == "refused"


# --- a cache -------------------------------------------------------------------------------------------------------


def cache_counts(folder: Path, *, seeds: range) -> Counter[str]:
    made = whole("ssh")
    cache.write(made, folder / "whole.nc")
    content = (folder / "whole.nc").read_bytes()
    found: Counter[str] = Counter()
    for seed in seeds:
        path = folder / f"{seed}.nc"
        path.write_bytes(damages.damaged(content, np.random.default_rng(seed)))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                again = cache.get(path, lambda: made)
            found["whole" if cache.digest(again) == cache.digest(made) else "wrong"] += 1
        except Exception as error:  # noqa: BLE001 - all kinds are counted
            found[f"leaked: {type(error).__name__}: {str(error)[:100]}"] += 1
        path.unlink()
    return found


def test_some_damages_of_a_cache(tmp_path):
    assert cache_counts(tmp_path, seeds=range(40)).keys() == {"whole"}


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_thousands_of_damages_of_a_cache(tmp_path):
    found = cache_counts(tmp_path, seeds=range(1000))
    print(f"cache: {dict(found)}")
    assert found.keys() == {"whole"}, found
