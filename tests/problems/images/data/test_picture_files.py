"""A user's own pictures from a NetCDF file: read as they were written, refused where they do not fit the task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.errors import Refusal
from tests.problems.images.data.small_digits import TASKS, encoded, tiny

DIMS = ("sample", "y", "x")


def own(path: Path, **variables: tuple) -> Path:
    xr.Dataset(variables).to_netcdf(path)
    return path


@pytest.mark.parametrize("task", TASKS)
def test_a_file_that_was_written_is_read(task, tmp_path):
    source = tiny(task=task)
    samples = source.samples("test")
    samples.to_netcdf(tmp_path / "mine.nc")
    found = source.read(tmp_path / "mine.nc")
    assert found.attrs == samples.attrs
    for name, tensor in vars(encoded(source, samples)).items():
        other = getattr(encoded(source, found), name)
        assert tensor is other is None or torch.equal(tensor, other)


def test_a_file_with_what_is_needed_and_no_more(tmp_path):
    rng = np.random.default_rng(0)
    given, seen = rng.random((3, 28, 28)), rng.integers(2, size=(3, 28, 28))
    found = tiny(task="inpaint").read(own(tmp_path / "a.nc", given=(DIMS, given), observed=(DIMS, seen), other=((), 1)))
    assert set(found) == {"given", "observed"}
    np.testing.assert_array_equal(found.given, np.where(seen == 1, given.astype(np.float32), 0)), "hidden pixels are 0"
    assert encoded(tiny(task="inpaint"), found).input.shape == (3, 2, 28, 28)


@pytest.mark.parametrize(
    ("task", "variables", "words"),
    [
        ("classify", {"label": (("sample",), [1])}, "lacks intensity: it has label"),
        ("inpaint", {"given": (DIMS, np.zeros((1, 28, 28)))}, "lacks observed: it has given"),
        (
            "classify",
            {"intensity": (DIMS, np.zeros((1, 28, 27)))},
            "intensity in .* has sample=1, y=28, x=27: .*28 x",
        ),
        ("classify", {"intensity": (("y", "x"), np.zeros((28, 28)))}, "has y=28, x=28: sample, y, x with"),
        ("classify", {"intensity": (DIMS, np.full((1, 28, 28), 128))}, "must lie between 0 and 1: divide bytes by 255"),
        ("classify", {"intensity": (DIMS, np.full((1, 28, 28), np.nan))}, "must lie between 0 and 1"),
        ("classify", {"intensity": (DIMS, np.zeros((0, 28, 28)))}, "holds no sample"),
        ("denoise", {"given": (DIMS, np.full((1, 28, 28), np.inf))}, "given in .* must be finite"),
        ("generate", {"label": (("sample",), [3, 10])}, "label in .* must be whole numbers from 0 to 9"),
        ("generate", {"label": (("sample",), [3.5])}, "label in .* must be whole numbers from 0 to 9"),
        ("generate", {"label": (("x",), [3])}, "label in .* has x=1: sample"),
    ],
)
def test_files_that_do_not_fit(task, variables, words, tmp_path):
    with pytest.raises(Refusal, match=words) as caught:
        tiny(task=task).read(own(tmp_path / "mine.nc", **variables))
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path):
    (tmp_path / "text.nc").write_text("no NetCDF")
    with pytest.raises(Refusal, match=r"nowhere.nc is not there: give a NetCDF file"):
        tiny().read(tmp_path / "nowhere.nc")
    with pytest.raises(Refusal, match=r"cannot read .*text.nc as NetCDF"):
        tiny().read(tmp_path / "text.nc")
