"""data=nemovar_files: the report's files give back the fields that were written in them."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.physics import normalization
from dlgd.problems.normalization.data.nemovar_files import NemovarFiles
from dlgd.problems.normalization.scores import relative_error
from tests.problems.normalization.data.small_data import make
from tests.problems.normalization.report_files import simulated, source, write_nemo, write_processed


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "report"


def expect(found: xr.Dataset, expected: xr.Dataset, *, rtol: float) -> None:
    """Samples as they were written: w and gamma at sea, alpha to a share of its mean, closed faces exactly 0."""
    assert (found.mask.values == expected.mask.values).all()
    sea = expected.mask.values
    np.testing.assert_allclose(found.w.values[sea], expected.w.values[sea], rtol=rtol)
    np.testing.assert_allclose(found.gamma.values, expected.gamma.values, rtol=rtol)
    for name in ("alpha_i", "alpha_j"):
        ours, theirs = found[name].values, expected[name].values
        assert ((ours > 0) == (theirs > 0)).all(), name
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * theirs.mean(), err_msg=name)


def exact_error(samples: xr.Dataset) -> float:
    """eps_max of our exact solver against the gamma of the files."""
    from dlgd.problems.normalization.data import fields

    found = np.stack([normalization.exact(operator, 1e-6) for operator in fields.operators(samples)])
    return float(np.abs(relative_error(samples, found)).max())


# --- what was written comes back ---------------------------------------------------------------------------


@pytest.mark.parametrize("grid", ["tripolar", "mercator"])
@pytest.mark.parametrize("faces", ["south_west", "north_east"])
def test_netcdf(folder, grid, faces):
    """NEMO's halo is recognized and cut off, and so are the faces; one diffusivity per face of the fold."""
    for split, number in zip(SPLITS, range(3), strict=True):
        write_nemo(folder / split, simulated(grid).isel(sample=[number]), faces=faces)
    data = source(folder, grid=grid)
    data.prepare()
    assert data.spec.grid == data.shape == (40, 48)
    for split, number in zip(SPLITS, range(3), strict=True):
        expected = simulated(grid).isel(sample=[number])
        samples = data.samples(split)
        expect(samples, expected, rtol=1e-9)
        np.testing.assert_allclose(samples.lat, expected.lat)
        assert list(samples.file.values) == ["PERTEN0"]
    if grid == "tripolar":
        assert (simulated(grid).alpha_i.values[:, -1] > 0).sum() > 50, "the fold is at sea"
    assert exact_error(data.samples("test")) < 1e-5


@pytest.mark.parametrize("over", ["sea", "image"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("grid", "padding", "padded_gamma"),
    [("mercator", (0, 8), False), ("mercator", (0, 0), False), ("tripolar", (6, 8), True), ("tripolar", (6, 8), False)],
)
def test_processed(folder, grid, padding, padded_gamma, dtype, over):
    write_processed(folder, simulated(grid), over=over, padding=padding, padded_gamma=padded_gamma, dtype=dtype)
    asked = dict(zip(("rows", "columns"), padding, strict=True)) if padded_gamma else {"rows": None, "columns": None}
    data = source(folder, grid=grid, padding=asked)
    for number, split in enumerate(SPLITS):
        expect(data.samples(split), simulated(grid).isel(sample=[number]), rtol=1e-6 if dtype == np.float32 else 1e-9)
    assert exact_error(data.samples("test")) < 1e-5


def test_both_kinds_agree(folder):
    write_nemo(folder / "nemo", simulated("mercator"))
    write_processed(folder / "npz", simulated("mercator"), over="sea", splits={"all": [0, 1, 2]})
    (folder / "npz" / "all" / "dict_std_mean.txt").write_text((folder / "npz" / "dict_std_mean.txt").read_text())
    one, two = (source(folder / place, grid="mercator").samples("test") for place in ("nemo", "npz/all"))
    expect(one, two, rtol=1e-9)


def test_what_a_network_sees_and_the_way_back(folder):
    """Everything after the reading is that of the simulated data."""
    write_processed(folder, simulated("mercator"), over="image")
    for features in ("dimensionless", "standardized"):
        data = source(folder, grid="mercator", features=features)
        samples = data.samples("test")
        (batch,) = data.encode(samples, halo=2, device="cpu")
        assert batch.input.shape == (1, len(data.spec.input_channels), 44, 52)
        np.testing.assert_allclose(data.to_physical(batch.target, samples), samples.gamma.values, rtol=1e-5)
        stream = data.stream(halo=2, batch_size=3, seed=0, device="cpu")
        assert torch.isfinite(stream.batch(0).input).all()
        assert stream.periodic


def test_statistics_without_a_newline_or_by_numpy_2(folder):
    write_processed(folder, simulated("mercator"), over="sea")
    file = folder / "dict_std_mean.txt"
    expected = source(folder, grid="mercator").samples("test")
    lines = file.read_text().splitlines()
    for text in (
        "".join(lines),
        "\n\n".join([*lines, ""]),
        "\n".join(lines).replace(": ", ": np.float64(").replace(",", "),").replace("}", ")}"),
    ):
        file.write_text(text)
        xr.testing.assert_equal(source(folder, grid="mercator").samples("test"), expected)


# --- splits -------------------------------------------------------------------------------------------------


def names(data: NemovarFiles) -> dict[str, list[str]]:
    return {split: list(data.samples(split).file.values) for split in SPLITS}


def test_numbers_deal_samples_that_stand_together(folder):
    write_nemo(folder, simulated("mercator"))
    drawn = names(source(folder, grid="mercator", samples={"train": 1, "valid": 1, "test": 1}))
    assert sorted(name for split in SPLITS for name in drawn[split]) == ["PERTEN0", "PERTEN1", "PERTEN2"]
    rest = names(source(folder, grid="mercator", samples={"train": None, "valid": 1, "test": 1}))
    assert rest == drawn
    others = [
        names(source(folder, grid="mercator", samples={"train": 1, "valid": 1, "test": 1}, seed=s)) for s in (1, 2, 3)
    ]
    assert any(other != drawn for other in others)


def test_numbers_draw_from_the_folder_of_a_part(folder):
    write_processed(folder, simulated("mercator"), over="sea", splits={"train": [0, 1], "valid": [2], "test": [0]})
    assert names(source(folder, grid="mercator"))["train"] == ["id0", "id1"]
    assert len(names(source(folder, grid="mercator", samples={"train": 1, "valid": None, "test": None}))["train"]) == 1


def test_without_a_test_folder_valid_stands_in(folder, caplog):
    write_processed(folder, simulated("mercator"), over="sea", splits={"train": [0, 1], "valid": [2]})
    data = source(folder, grid="mercator")
    with caplog.at_level(logging.WARNING):
        assert names(data) == {"train": ["id0", "id1"], "valid": ["id2"], "test": ["id2"]}
    assert "those of valid stand in" in caplog.text
    data.stream(halo=1, batch_size=1, seed=0, device="cpu")


def test_training_on_what_is_scored_is_refused(folder):
    write_nemo(folder, simulated("mercator"))
    data = source(folder, grid="mercator")
    assert names(data) == {split: ["PERTEN0", "PERTEN1", "PERTEN2"] for split in SPLITS}
    with pytest.raises(Refusal, match=r"PERTEN0 is in the training split and in another one.*data\.samples\.train"):
        data.stream(halo=1, batch_size=1, seed=0, device="cpu")


def test_one_name_in_two_parts_is_two_samples(folder):
    for number, split in enumerate(SPLITS):
        write_nemo(folder / split, simulated("mercator").isel(sample=[number]), names=["a"])
    data = source(folder, grid="mercator")
    assert names(data) == {split: ["a"] for split in SPLITS}
    data.stream(halo=1, batch_size=1, seed=0, device="cpu")


# --- without gamma -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["netcdf", "processed"])
def test_missing_coefficients_are_computed_once(folder, cache_folder, kind, monkeypatch, caplog):
    samples = simulated("mercator")
    if kind == "netcdf":
        write_nemo(folder, samples, gamma=False)
    else:
        write_processed(folder, samples, over="sea", gamma=False, padding=(0, 0))
    padding = {"rows": 0, "columns": 0} if kind == "processed" else {}
    data = source(folder, grid="mercator", tolerance=1e-6, padding=padding)
    with caplog.at_level(logging.INFO):
        data.prepare()
    found = data.samples("test")
    expected = samples if kind == "netcdf" else samples.isel(sample=[2])
    assert float(np.abs(relative_error(found, expected.gamma.values)).max()) < 1e-5
    assert str(cache_folder) in caplog.text
    files = sorted(cache_folder.glob("nemovar_files-*/*.nc"))
    assert len(files) == 3
    with monkeypatch.context() as patched:
        patched.setattr(normalization, "exact", lambda *_: pytest.fail("kept"))
        again = source(folder, grid="mercator", tolerance=1e-6, padding=padding)
        xr.testing.assert_identical(again.samples("test").gamma, found.gamma)
    own = make("mercator").read(files[-1])
    np.testing.assert_array_equal(own.gamma.values[0], found.gamma.values[-1])


def test_those_that_are_known_are_kept(folder):
    write_nemo(folder, simulated("mercator"))
    for file in (folder / "PERTEN1").glob("Bmod_cor*"):
        file.unlink()
    expect(source(folder, grid="mercator").samples("test"), simulated("mercator"), rtol=1e-5)


# --- input=<folder> ----------------------------------------------------------------------------------------


def test_a_folder_in_place_of_a_file(folder):
    """`evaluate input=` and `predict input=`, with a network trained on simulated data too."""
    write_processed(folder, simulated("mercator"), over="image", splits={"train": [0], "valid": [1, 2]})
    found = make("mercator").read(folder / "valid")
    expect(found, simulated("mercator").isel(sample=[1, 2]), rtol=1e-9)
    assert {"distance", "gamma_estimate"} <= set(found)
    with pytest.raises(Refusal, match=r"give one of its splits, such as .*train"):
        make("mercator").read(folder)
    for file in (folder / "valid" / "Y").glob("id1*"):
        file.unlink()
    assert "gamma" not in make("mercator").read(folder / "valid")


def test_tiny_is_simulated_and_needs_no_folder(tmp_path):
    tiny = source(None, features="standardized").tiny()
    tiny.prepare()
    assert (tiny.spec.name, tiny.shape) == ("nemovar_files", (40, 48))
    assert tiny.spec.input_channels == source(None, features="standardized").spec.input_channels
    assert not list(tmp_path.iterdir())
