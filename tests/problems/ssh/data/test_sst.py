"""Temperatures of a person's own files on the maps of heights, and as channels of a network's input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.core.specs import SST, SST_KNOWN
from dlgd.problems.ssh.data import other_grids, sst
from dlgd.problems.ssh.data.map_samples import SST_ATTRS
from tests.problems.ssh.data.sea_files import DAYS, LAT, LON, MAPS, source, starter
from tests.problems.ssh.data.seas_at_hand import SEA, Small, encoded

STAMPS = DAYS.astype("datetime64[ns]") + np.timedelta64(9, "h")


def warmth(day: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """degC, linear in all of them, which means and linear interpolation leave as it is."""
    return 18 - 0.8 * (lat[:, None] - 34) + 0.3 * (lon + 63) + 0.1 * day[:, None, None]


def made(step: float, *, around: float = 0.6, gap: bool = True) -> xr.Dataset:
    """Daily temperatures every `step` degrees, wider than the maps of heights; one place is hidden on the first day."""
    lat = np.arange(LAT[0] - around, LAT[-1] + around + step / 2, step)
    lon = np.arange(LON[0] - around, LON[-1] + around + step / 2, step)
    values = warmth(np.arange(len(DAYS)), lat, lon)
    if gap:
        values[0][np.ix_((lat > 33.9) & (lat < 34.6), (lon > -63.1) & (lon < -62.4))] = np.nan
    return xr.Dataset({"sst": (MAPS, values, {"units": "degC"})}, {"time": STAMPS, "lat": lat, "lon": lon})


def ostia(path: Path) -> Path:
    """Kelvin in packed integers on cells of 0.05 degrees."""
    field = made(0.05).rename(sst="analysed_sst")
    field["analysed_sst"] = (field.analysed_sst + 273.15).assign_attrs(
        units="kelvin", standard_name="sea_surface_foundation_temperature"
    )
    packing = {"dtype": "int16", "scale_factor": 0.001, "add_offset": 290.0, "_FillValue": -32768}
    field.to_netcdf(path, encoding={"analysed_sst": packing})
    return path


def oisst(path: Path) -> Path:
    """Celsius, a level, longitudes of 0 to 360, cells of the same size as those of the heights, but elsewhere."""
    field = made(0.25, around=0.625).assign_coords(lon=lambda one: one.lon % 360)
    field.sst.attrs["units"] = "Celsius"
    field.expand_dims(zlev=[0.0], axis=1).to_netcdf(path)
    return path


def model(path: Path) -> Path:
    """thetao at one depth, cells of half a degree, northern rows first."""
    field = made(0.5, around=1.0, gap=False).rename(sst="thetao", lat="latitude", lon="longitude")
    field.thetao.attrs["units"] = "degrees_C"
    field.expand_dims(depth=[0.49], axis=1).isel(latitude=slice(None, None, -1)).to_netcdf(path)
    return path


def by_standard_name(path: Path) -> Path:
    """A name that nobody knows, without units, in kelvin."""
    field = made(0.25, around=0.0)
    field = field.assign(skt=(field.sst + 273.15).assign_attrs(standard_name="sea_surface_skin_temperature"))
    field.skt.attrs.pop("units", None)
    field.drop_vars("sst").to_netcdf(path)
    return path


def read(path: Path, name: str | None = None, days: np.ndarray = DAYS) -> np.ndarray:
    return sst.read([path], name, days=days, lat=LAT, lon=LON)


@pytest.mark.parametrize("write", [ostia, oisst, model, by_standard_name])
def test_temperatures_are_brought_to_the_maps_of_heights(tmp_path, write):
    found = read(write(tmp_path / "sst.nc"))
    known = np.isfinite(found)
    assert known[1:].all()
    wanted = warmth(np.arange(len(DAYS)), LAT, LON)
    np.testing.assert_allclose(found[1:], wanted[1:], atol=0.03)  # packing rounds to 0.001 K
    # beside the gap, half a cell is known
    np.testing.assert_allclose(found[0][known[0]], wanted[0][known[0]], atol=0.15)
    hidden = ~known[0][np.ix_((LAT > 34) & (LAT < 34.5), (LON > -63) & (LON < -62.5))]
    assert hidden.all() == (write is not model)
    assert known[0].mean() > 0.85


def test_days_without_temperatures_are_gaps(tmp_path):
    made(0.25).isel(time=[0, 1, 5]).to_netcdf(tmp_path / "sst.nc")
    found = read(tmp_path / "sst.nc")
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(found).any((1, 2))), [0, 1, 5])


def east(data: xr.Dataset) -> xr.Dataset:
    return data.assign_coords(lon=data.lon + 40)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (east, "has no cells on the maps of heights"),
        (lambda data: data.isel(lon=slice(12)), r"less than the maps of heights.*whole region"),
        (
            lambda data: data.assign_coords(time=data.time + np.timedelta64(900, "D")),
            "has no map between 2012-10-01 and",
        ),
        (
            lambda data: data.assign(sst=data.sst.assign_attrs(units="degF")),
            "is in 'degf', which is none of K and degC",
        ),
        (lambda data: data.assign(sst=data.sst.fillna(-999.0)), r"goes from -999 to .* degC, which no sea has"),
        (lambda data: data.rename(sst="salt"), r"no sst is recognized.*data\.sst\.name="),
        (lambda data: data * np.nan, "is missing everywhere"),
    ],
)
def test_files_that_do_not_fit(tmp_path, change, said):
    changed = change(made(0.25))
    if "sst" in changed:
        changed.sst.attrs.setdefault("units", "degC")
    changed.to_netcdf(tmp_path / "sst.nc", encoding={name: {"_FillValue": None} for name in changed.data_vars})
    with pytest.raises(Refusal, match=said):
        read(tmp_path / "sst.nc")


def test_a_data_set_of_files_sees_them(tmp_path):
    path = ostia(tmp_path / "sst.nc")
    maps = starter(tmp_path / "maps.nc")
    data, without = source(maps, sst={"path": str(path), "name": None}), source(maps)
    data.prepare()
    assert data.spec.input_groups[SST].stop - data.spec.input_groups[SST].start == data.options.days
    assert set(data.spec.input_channels) > set(without.spec.input_channels)
    samples = data.samples("train")
    assert samples.sst.dims == ("day", "lat", "lon")
    (batch, *_) = data.encode(samples, halo=0, device="cpu")
    known = batch.input[:, data.spec.input_groups[SST_KNOWN]]
    assert 0.5 < float(known.mean()) < 1
    # a network of this data answers on a person's file: temperatures are in it, or in files that are named
    own = without.read(maps)
    assert "sst" not in own
    np.testing.assert_allclose(data.read(maps).sst.values, read(path), atol=1e-6)
    small = Small(SEA.assign(sst=temperatures()), sst={"seen": True})
    small.use_statistics({"mean": 0.0, "std": 0.2, "sst_mean": 18.0, "sst_std": 2.0})
    with pytest.raises(
        Refusal, match=r"the network sees the temperature of the sea's surface, and .*maps\.nc has none"
    ):
        small.read(maps)
    with xr.open_dataset(maps) as opened:
        opened.load().assign(sst=(MAPS, read(path), {"units": "degC"})).to_netcdf(tmp_path / "both.nc")
    assert small.read(tmp_path / "both.nc").sst.notnull().mean() > 0.8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"path": None, "name": "sst"}, r"data\.sst\.name=sst names a variable of no file"),
        ({"path": "x.nc", "nam": None}, r"data\.sst\.nam is unknown: .*did you mean name"),
    ],
)
def test_options_that_cannot_work(tmp_path, options, said):
    with pytest.raises(Refusal, match=said):
        source(tmp_path / "maps.nc", sst=options).check()


# --- tensors ---------------------------------------------------------------------------------------------------------


def temperatures() -> xr.DataArray:
    """Of the sea at hand: noise, with gaps and values on land."""
    rng = np.random.default_rng(5)
    values = np.where(rng.random(SEA.ssh.shape) < 0.4, np.nan, rng.normal(15, 3, SEA.ssh.shape)).astype(np.float32)
    return xr.DataArray(values, dims=SEA.ssh.dims, attrs=SST_ATTRS)


def seeing(**changes) -> Small:
    data = Small(SEA.assign(sst=temperatures()), sst={"seen": True}, **changes)
    data.prepare()
    return data


def test_channels_are_standardized_and_flags_say_where_they_are_known():
    data = seeing()
    samples, groups = data.samples("test"), data.spec.input_groups
    train = data.samples("train").sst.sel(day=data.samples("train").time.values).values
    mean, std = (float(of(train.astype(float))) for of in (np.nanmean, np.nanstd))
    assert (data.statistics["sst_mean"], data.statistics["sst_std"]) == (pytest.approx(mean), pytest.approx(std))
    batch, half = encoded(data, samples), data.options.half
    first = int(np.flatnonzero(samples.day.values == samples.time.values[0])[0])
    for number in range(len(samples.time) - half):  # beyond the last of them no day is known
        window = samples.sst.values[first + number - half : first + number + half + 1]
        window = np.where(samples.sea.values, window, np.nan)
        np.testing.assert_array_equal(batch.input[number, groups[SST_KNOWN]], np.isfinite(window))
        wanted = np.nan_to_num((window - mean) / std)
        np.testing.assert_allclose(batch.input[number, groups[SST]], wanted, atol=1e-5)


def test_the_other_channels_are_those_without_it():
    with_it, without = seeing(), Small(SEA)
    without.prepare()
    theirs = encoded(without, without.samples("valid"), 3)
    mine = encoded(with_it, with_it.samples("valid"), 3)
    for name, channels in without.spec.input_groups.items():
        torch.testing.assert_close(mine.input[:, with_it.spec.input_groups[name]], theirs.input[:, channels])
    torch.testing.assert_close(mine.target, theirs.target)


@pytest.mark.parametrize("again", [False, True])
def test_patches_show_the_temperature_of_their_truth_whoever_observed_it(again):
    data = seeing(resample_observations=again)
    whole = encoded(data, data.samples("train"))
    stream, seen = data.stream(halo=0, batch_size=5, seed=0, device="cpu"), {}
    usual = stream.windows.batch
    stream.windows.batch = lambda day, top, left, **others: (
        seen.update(day=day, top=top, left=left) or usual(day, top, left, **others)
    )
    batch = stream.batch(0)
    for name in (SST, SST_KNOWN):
        channels = data.spec.input_groups[name]
        for number, (day, top, left) in enumerate(
            zip(*(seen[key].tolist() for key in ("day", "top", "left")), strict=True)
        ):
            piece = whole.input[day, channels, top : top + 12, left : left + 12]
            torch.testing.assert_close(batch.input[number, channels], piece)


def test_tiles_see_what_whole_maps_see():
    whole, tiled = seeing(), seeing(tile=12)
    one, pieces = encoded(whole, whole.samples("valid"), 2), encoded(tiled, tiled.samples("valid"), 2)
    channels = whole.spec.input_groups[SST]
    torch.testing.assert_close(pieces.input[0, channels], one.input[0, channels, :16, :16])


def test_a_method_observes_training_days_anew_with_their_own_temperatures():
    from dlgd.problems.ssh.data.first_guesses import observed_by_others

    train = seeing().samples("train")
    again = observed_by_others(train, 7)
    xr.testing.assert_identical(again.sst.drop_attrs(), train.sst.sel(day=again.day).drop_attrs())
    assert not again.observations.equals(train.observations.sel(day=again.day))


def test_on_other_cells(monkeypatch):
    samples = seeing().samples("test")
    wide = other_grids.as_trained(samples, 2 * float(other_grids.cell_km(samples.lat.values, samples.lon.values)))
    assert wide.sst.shape == (samples.sizes["day"], *wide.sea.shape)
    np.testing.assert_allclose(np.nanmean(wide.sst), np.nanmean(samples.sst), atol=0.1)


def test_the_graph_that_is_exported_gives_the_same_channels():
    data = seeing(predict="centre")
    samples = data.samples("test")
    graph = data.physical_graph(halo=2, samples=samples)
    fields = graph.tensors(samples)
    assert [one.name for one in graph.inputs] == ["observations", "sea", "sst"]
    torch.testing.assert_close(graph.encode(*fields), encoded(data, samples, 2).input, atol=1e-4, rtol=0)
