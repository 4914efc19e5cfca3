"""Samples are made once, whatever happens in between: Ctrl-C, damaged files, two processes at once."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from dlgd.core import cache
from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.problems.normalization.data.simulated import NormalizationCoefficients
from tests.problems.normalization.data.small_data import make, ready

SAMPLES = ["test-000", "train-000", "train-001", "valid-000"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def calls(monkeypatch):
    """The samples that are really made, such as "train-000", in order."""
    made = []
    original = NormalizationCoefficients._make_sample

    def counted(self: NormalizationCoefficients, base: xr.Dataset, split: str, number: int) -> xr.Dataset:
        made.append(f"{split}-{number:03d}")
        return original(self, base, split, number)

    monkeypatch.setattr(NormalizationCoefficients, "_make_sample", counted)
    return made


def on_disk(**changes) -> NormalizationCoefficients:
    return make("mercator", in_memory=False, **changes)


# --- made once ---------------------------------------------------------------------------------------------


def test_made_once_and_read_afterwards(folder, calls):
    first = on_disk()
    first.prepare()
    assert sorted(calls) == SAMPLES
    calls.clear()
    again = on_disk()
    again.prepare()
    assert calls == []
    assert again.checksum() == first.checksum() == ready("mercator").checksum()
    for split in SPLITS:
        xr.testing.assert_equal(again.samples(split), ready("mercator").samples(split))
    (made,) = folder.iterdir()
    assert json.loads((made / "config.json").read_text())["rows"] == 40


def test_files_can_be_read_by_others(folder):
    """Coordinates and units stand in the files."""
    on_disk().prepare()
    with xr.open_dataset(next(folder.glob("*/grid.nc"))) as grid:
        assert grid.w.attrs["units"] == "m2"
        assert {"lat", "lon"} <= set(grid.coords)
        assert grid.attrs["south_north"] == "closed"
    with xr.open_dataset(next(folder.glob("*/train-000.nc"))) as sample:
        assert sample.gamma.attrs["units"] == "m"
        assert sample.attrs["tolerance"] == 1e-4


def test_nothing_is_touched_before_prepare(folder):
    source = on_disk()
    source.check()
    assert source.spec.kind == "field"
    assert not folder.exists()


def test_in_memory_touches_no_file(folder):
    make("mercator").prepare()
    on_disk().tiny().prepare()
    assert not folder.exists()


def test_ctrl_c_in_between(folder, calls, monkeypatch):
    counted = NormalizationCoefficients._make_sample

    def interrupted(self: NormalizationCoefficients, *arguments: object) -> xr.Dataset:
        if len(calls) == 2:
            raise KeyboardInterrupt
        return counted(self, *arguments)

    monkeypatch.setattr(NormalizationCoefficients, "_make_sample", interrupted)
    source = on_disk()
    with pytest.raises(KeyboardInterrupt):
        source.prepare()
    finished = calls.copy()
    assert len(finished) == 2
    assert not [path.name for path in folder.rglob(".*") if path.name != ".lock"], "no half-written file"
    monkeypatch.setattr(NormalizationCoefficients, "_make_sample", counted)
    calls.clear()
    source.prepare()  # the same object can go on, too, and the lock is free again
    assert sorted(finished + calls) == SAMPLES
    assert source.checksum() == ready("mercator").checksum()


# --- damaged files -----------------------------------------------------------------------------------------


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def alter_one_value(path: Path) -> None:
    with netCDF4.Dataset(path, "a") as opened:
        variable = "alpha_j" if "alpha_j" in opened.variables else "w"
        opened[variable][20, 20] += 1.0


def forget_the_digest(path: Path) -> None:
    with netCDF4.Dataset(path, "a") as opened:
        opened.delncattr("digest")


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("train-001", truncate),
        ("train-001", empty),
        ("train-001", alter_one_value),
        ("train-001", forget_the_digest),
        ("grid", truncate),
        ("grid", alter_one_value),
    ],
)
def test_a_damaged_file_is_noticed_and_made_again(folder, calls, damage, file, caplog):
    first = on_disk()
    first.prepare()
    calls.clear()
    damage(next(folder.glob(f"*/{file}.nc")))
    again = on_disk()
    again.prepare()
    assert calls == ([file] if file in SAMPLES else [])
    assert again.checksum() == first.checksum()
    assert "damaged" in caplog.text
    calls.clear()
    on_disk().prepare()
    assert calls == [], "the new file is good"


def test_any_truncation_is_noticed(tmp_path):
    path, kept = tmp_path / "a.nc", tmp_path / "b.nc"
    dataset = xr.Dataset({"a": (("y", "x"), np.random.default_rng(0).normal(size=(30, 40)))})
    cache.write(dataset, kept)
    whole = kept.read_bytes()
    for size in (1, 8, 100, len(whole) // 4, len(whole) // 2, len(whole) - 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        found = cache.read(path)
        assert found is None or found.equals(dataset), size
    path.write_bytes(whole)
    assert cache.read(path).equals(dataset)


def test_values_come_back_to_the_last_bit(tmp_path):
    values = np.array([0.1, -0.0, np.inf, -np.nan, np.copysign(np.nan, -1), 5e-324])
    given = xr.Dataset(
        {"f": ("x", values), "g": ("x", values.astype(np.float32)), "b": ("x", values > 0), "i": ("x", np.arange(6))}
    )
    found = cache.get(tmp_path / "a.nc", lambda: given)
    for name in given:
        assert found[name].dtype == given[name].dtype
        np.testing.assert_array_equal(found[name], given[name])


def test_what_fails_leaves_nothing(tmp_path):
    def fails() -> xr.Dataset:
        raise RuntimeError("the simulator")

    with pytest.raises(RuntimeError, match="the simulator"):
        cache.get(tmp_path / "a.nc", fails)
    assert not list(tmp_path.glob("*.nc*"))


# --- two processes -----------------------------------------------------------------------------------------


def prepare_and_log(log: str, start: multiprocessing.Barrier, result: multiprocessing.Queue) -> None:
    """In a process of its own: prepare, and write a line for each sample made."""
    original = NormalizationCoefficients._make_sample

    def logged(self: NormalizationCoefficients, base: xr.Dataset, split: str, number: int) -> xr.Dataset:
        with Path(log).open("a") as file:
            file.write(f"{split}-{number:03d}\n")
        return original(self, base, split, number)

    NormalizationCoefficients._make_sample = logged
    source = on_disk()
    start.wait(timeout=120)
    source.prepare()
    result.put(source.checksum())


def test_two_processes_at_once_make_each_sample_once(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    log, start, result = tmp_path / "log", spawn.Barrier(2), spawn.Queue()
    processes = [spawn.Process(target=prepare_and_log, args=(str(log), start, result)) for _ in range(2)]
    for process in processes:
        process.start()
    checksums = {result.get(timeout=180) for _ in processes}
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert sorted(log.read_text().split()) == SAMPLES
    found = on_disk()
    found.prepare()
    assert checksums == {found.checksum()}, "both read the files that are there"
    # not to the last bit: code compiled just now and code from the compiler's cache may round differently
    theirs, ours = found.samples("test").gamma, ready("mercator").samples("test").gamma
    np.testing.assert_allclose(theirs, ours, rtol=1e-5)


# --- the key of a folder -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"rows": 42},
        {"columns": 50},
        {"coast": "real"},
        {"seed": 1},
        {"grid": "tripolar"},
        {"tolerance": {"train": 1e-3, "evaluation": 1e-4}},
        {"diffusivity": {"scale_min": 0.25, "scale_max": 1.5, "anisotropy": 0.7, "smoothness": 20.0}},
    ],
)
def test_what_samples_depend_on_changes_the_folder(change):
    assert on_disk(**change)._folder != on_disk()._folder


@pytest.mark.parametrize(
    "change",
    [
        {"samples": {"train": 9, "valid": 1, "test": 190}},
        {"features": "standardized"},
        {"standardize_over": "image"},
        {"distance": "none"},
        {"patch": 8},
        {"coast_weight": 3.0},
    ],
)
def test_what_samples_do_not_depend_on_keeps_the_folder(change):
    assert on_disk(**change)._folder == on_disk()._folder


def test_more_samples_are_added_to_those_that_exist(calls):
    on_disk().prepare()
    calls.clear()
    more = on_disk(samples={"train": 3, "valid": 1, "test": 2})
    more.prepare()
    assert sorted(calls) == ["test-001", "train-002"]
    assert more.samples("train").sizes["sample"] == 3
    calls.clear()
    fewer = on_disk()
    fewer.prepare()
    assert fewer.samples("train").sizes["sample"] == 2
    assert calls == []


# --- where nothing can be written --------------------------------------------------------------------------


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path / "file"))
    with pytest.raises(Refusal, match=r"cannot write the data cache in .*file.*; set DLGD_CACHE elsewhere"):
        on_disk().prepare()


def test_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "a.nc").mkdir()
    with pytest.raises(Refusal, match=r"cannot write .*a\.nc"):
        cache.write(xr.Dataset({"a": ("x", [1.0])}), tmp_path / "a.nc")
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["a.nc"]
