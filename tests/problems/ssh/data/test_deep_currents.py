"""data=deep_currents: two layers that obey the quasi-geostrophic equations, windows of a periodic square, own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from omegaconf import OmegaConf

from dlgd.core.constants import GRAVITY, SPLITS
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.problems.ssh.data import deep_currents
from dlgd.problems.ssh.data.deep_currents import DeepCurrents
from dlgd.problems.ssh.data.periodic_windows import resampled
from dlgd.problems.ssh.data.simulated_sea import SeaOptions, beta_plane, flow_of, simulate

SMALL = {
    "sea": {"years": 0.2, "days_of_spinup": 5, "cells": 32},
    "splits": {"train": 20, "valid": 5, "test": 6, "gap": 8},
    "network_cells": None,
}


def make(**changes: Any) -> DeepCurrents:
    """With the shipped options; of mappings, what is not changed stays."""
    chosen: Any = OmegaConf.to_container(OmegaConf.load(CONF / "data" / "deep_currents.yaml"))
    chosen = {key: value for key, value in chosen.items() if key not in ("defaults", "_target_")}
    for key, value in changes.items():
        chosen[key] = chosen[key] | value if isinstance(value, dict) and key in chosen else value
    return DeepCurrents(**chosen)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def source(folder, monkeypatch) -> DeepCurrents:
    """On few points; the sea is simulated once for all tests."""
    monkeypatch.setenv("DLGD_CACHE", str(folder))
    return make(**SMALL)


# --- the sea ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sea() -> xr.Dataset:
    return simulate(SeaOptions(years=0.03, days_of_spinup=20, cells=32), lower=True)


def test_the_surface_is_the_same_with_or_without_the_lower_layer(sea):
    without = simulate(SeaOptions(years=0.03, days_of_spinup=20, cells=32))
    xr.testing.assert_identical(sea.drop_vars("psi_lower"), without)
    assert sea.psi_lower.attrs["units"] == "m2 s-1"


def test_both_layers_obey_the_equations(sea):
    """From the maps of a day alone: their potential vorticity, advanced by a day, is that of the next day's maps."""
    options = SeaOptions(cells=32)
    flow, f = flow_of(options), beta_plane(options.latitude)[0]

    def state(day: int) -> torch.Tensor:
        upper = sea.ssh.values[day] * GRAVITY / f
        return flow.potential_vorticity(flow.spectrum(torch.tensor(np.stack([upper, sea.psi_lower.values[day]]))))

    one, expected = state(3), state(4)
    later = flow.advance(one, 86400.0, flow.steps(one, 86400.0))
    change = (expected - one).abs().pow(2).sum((1, 2)).sqrt()
    gap = (later - expected).abs().pow(2).sum((1, 2)).sqrt()
    assert (gap < 1e-3 * change).all()


def test_the_lower_layer_is_another_one(sea):
    upper = sea.ssh.values * GRAVITY / beta_plane(38.0)[0]
    assert np.corrcoef(upper.ravel(), sea.psi_lower.values.ravel())[0, 1] < 0.99
    np.testing.assert_allclose(sea.psi_lower.mean(("lat", "lon")), 0, atol=1e-3 * float(sea.psi_lower.std()))


# --- samples ---------------------------------------------------------------------------------------------------


def test_samples_have_whole_windows_of_the_sea(source, folder):
    source.prepare()
    (file,) = folder.glob("deep_currents-*/sea.nc")
    with xr.open_dataset(file) as kept:
        for split, days in (("train", slice(4, 20)), ("valid", slice(28, 33)), ("test", slice(41, 47))):
            samples = source.samples(split)
            np.testing.assert_array_equal(samples.psi_lower, kept.psi_lower[days])
            np.testing.assert_array_equal(samples.ssh, kept.ssh[days.start - 4 : days.stop + 4])
            np.testing.assert_array_equal(samples.time, kept.time[days])
    with pytest.raises(AssertionError):
        xr.testing.assert_equal(source.samples("valid"), source.samples("test").isel(sample=slice(5)))


def test_no_map_is_seen_in_two_splits(source):
    seen = [set(source.samples(split).day.values) for split in SPLITS]
    assert len(set.union(*seen)) == sum(map(len, seen))


def test_interpolated_maps_are_made_once_and_are_near_the_truth(source, folder, monkeypatch):
    interpolated = make(**SMALL, seen="interpolated", satellites="swot_and_four_nadirs")
    for split in SPLITS:
        seen, true = interpolated.samples(split), source.samples(split)
        xr.testing.assert_equal(seen.psi_lower, true.psi_lower)
        error = (seen.ssh - true.ssh).values
        assert 0 < error.std() < 0.6 * true.ssh.values.std()
    monkeypatch.setattr(deep_currents, "OptimalInterpolation", None)
    again = make(**SMALL, seen="interpolated", satellites="swot_and_four_nadirs")
    assert again.checksum() == interpolated.checksum() != source.checksum()


# --- tensors ---------------------------------------------------------------------------------------------------


def test_a_network_sees_the_days_around_and_the_other_side_of_the_square(source):
    samples, half = source.samples("test"), 4
    batches = list(source.encode(samples, halo=3, device="cpu"))
    input = torch.cat([batch.input for batch in batches])
    assert input.shape == (6, 9, 38, 38)
    std = source.statistics["ssh_std"]
    for offset in range(-half, half + 1):
        seen = input[2, half + offset, 3:-3, 3:-3] * std
        np.testing.assert_allclose(seen, samples.ssh.values[half + 2 + offset], rtol=1e-6)
    assert torch.equal(input[..., :3], input[..., 32:35])
    assert torch.equal(input[..., -3:, :], input[..., 3:6, :])
    answer = source.to_physical(torch.cat([batch.target for batch in batches]), samples)
    np.testing.assert_allclose(answer, samples.psi_lower, atol=1e-3 * source.statistics["std"])


def test_networks_may_see_fewer_points(source, folder):
    coarse = make(**SMALL | {"network_cells": 16})
    coarse.prepare()
    samples = coarse.samples("test")
    (batch,) = coarse.encode(samples, halo=0, device="cpu")
    assert coarse.spec.grid == batch.target.shape[2:] == (16, 16)
    answer = coarse.to_physical(batch.target, samples)
    error = answer - samples.psi_lower.values
    assert answer.shape == samples.psi_lower.shape
    assert 0 < error.std() < 0.1 * answer.std(), "short waves have little of the streamfunction"


@pytest.mark.parametrize(("n", "cells"), [(32, 16), (16, 32), (15, 32), (32, 15)])
def test_resampled_waves_are_the_same_waves(n, cells):
    def waves(points: int) -> np.ndarray:
        x = np.arange(points) / points * 2 * np.pi
        return np.cos(3 * x[None] + 5 * x[:, None] + 1) + 2 * np.sin(6 * x[None] - 2 * x[:, None]) + 0.3

    np.testing.assert_allclose(resampled(waves(n), cells), waves(cells), atol=1e-12)


def test_batches_depend_on_the_seed_and_the_step_alone(source):
    first, second = (source.stream(halo=0, batch_size=4, seed=5, device="cpu") for _ in range(2))
    second.batch(0)
    assert torch.equal(first.batch(7).input, second.batch(7).input)
    assert not torch.equal(first.batch(7).input, first.batch(8).input)


# --- own files -------------------------------------------------------------------------------------------------


def test_own_files(source, tmp_path):
    samples = source.samples("test")
    samples.to_netcdf(tmp_path / "samples.nc")
    xr.testing.assert_equal(source.read(tmp_path / "samples.nc"), samples)
    record = xr.Dataset(
        {"ssh": (("time", "lat", "lon"), 100 * samples.ssh.values, {"units": "cm"})},
        {"time": samples.day.values, "lat": samples.lat.values, "lon": samples.lon.values},
    )
    record.to_netcdf(tmp_path / "record.nc")
    found = source.read(tmp_path / "record.nc")
    np.testing.assert_allclose(found.ssh, samples.ssh, rtol=1e-5)
    np.testing.assert_array_equal(found.time, samples.time)
    (batch,) = source.encode(found, halo=0, device="cpu")
    assert not batch.mask.any()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: record.rename(ssh="height"), "lacks ssh: it has height"),
        (lambda record: record.isel(time=slice(8)), "has 8 days of maps: at least data.days=9 are needed"),
        (lambda record: record.isel(time=[0, 1, 2, *range(4, 14)]), "must have a map of each day, without a gap"),
        (lambda record: record.where(record.lat > 35), "ssh in .* is not finite everywhere"),
        (
            lambda record: record.isel(lat=0),
            "ssh in .* is float32 of day, lon: numbers of the dim",
        ),
        (lambda record: record * 1e4, "ssh in"),
    ],
)
def test_files_that_do_not_fit(source, tmp_path, change, said):
    samples = source.samples("test")
    coordinates = {"time": samples.day.values, "lat": samples.lat.values, "lon": samples.lon.values}
    record = xr.Dataset({"ssh": (("time", "lat", "lon"), samples.ssh.values)}, coordinates)
    change(record).to_netcdf(tmp_path / "own.nc")
    with pytest.raises(Refusal, match=said):
        source.read(tmp_path / "own.nc")


def test_cells_of_another_width(source):
    samples = source.samples("test")
    wider = samples.assign_coords(lat=38 + 2 * (samples.lat - 38), lon=-60 + 2 * (samples.lon + 60))
    with pytest.raises(Refusal, match=r"cells of 62\.5 km and the network was trained on cells of 31\.2 km"):
        next(source.encode(wider, halo=0, device="cpu"))


# --- options ---------------------------------------------------------------------------------------------------


def test_the_shipped_options_fit():
    source = make()
    source.check()
    assert len(source.spec.input_channels) == 9
    assert source.spec.input_channels[4] == "ssh_+0"
    assert source.spec.input_groups == {"surface": slice(0, 9)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seen": "observed"}, "data.seen=observed"),
        ({"days": 4}, "data.days=4"),
        ({"interpolation": {"Lz": 1.0}}, "data.interpolation must give Lx, Ly, Lt, noise"),
        ({"interpolation": {"Lt": 0.0}}, "data.interpolation.Lt=0.0"),
        ({"splits": {"gap": 7}}, "data.splits.gap=7 is too short for data.days=9"),
        ({"splits": {"train": 5}}, "data.days=9 is more than the 5 days of the training split"),
        ({"splits": {"test": 184}}, "data.splits need 1098 days, but data.sea.years=3.0 are 1096"),
        ({"splits": {"other": 3}}, "data.splits must give"),
        ({"network_cells": 4}, "data.network_cells=4"),
        ({"network_cells": 256}, "data.network_cells=256 is more than data.sea.cells=128"),
        ({"satellites": "sputnik"}, "data.satellites=sputnik is unknown"),
    ],
)
def test_options_that_cannot_work(changes, said):
    with pytest.raises(Refusal, match=said):
        make(**changes).check()
