"""A person's own maps are read as training files are: names, units, axes; what looks wrong is told. Tracks in CSV."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import map_axes, map_files, track_files
from dlgd.problems.ssh.data.map_axes import Box
from dlgd.problems.ssh.data.map_files import Reading
from dlgd.problems.ssh.methods.maps import LinearMaps
from tests.problems.ssh.data.sea_files import DAYS, LAT, LON, fields, plane, read, seen, source, starter, truth
from tests.problems.ssh.data.seas_at_hand import SEA, Small
from tests.problems.ssh.methods.test_optimal_interpolation import oi


def with_statistics(data):
    data.use_statistics({"mean": 0.1, "std": 0.2})
    return data


@pytest.fixture(params=["ssh", "ssh_netcdf"])
def network(request):
    """The data of a network of each of the two data sets, which read the same files."""
    return with_statistics(source(None) if request.param == "ssh_netcdf" else Small(SEA))


def assert_are_the_maps(found: xr.Dataset) -> None:
    np.testing.assert_allclose(found.observations, seen(), atol=1e-6)
    np.testing.assert_allclose(found.ssh, truth(), atol=1e-6)
    np.testing.assert_array_equal(found.sea, np.isfinite(truth()[0]))
    np.testing.assert_allclose(found.lat, LAT)
    np.testing.assert_allclose(found.lon, LON)
    np.testing.assert_array_equal(found.time.values.astype("datetime64[D]"), DAYS)


def cm(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign({name: (100 * dataset[name]).assign_attrs(units="cm") for name in dataset.data_vars})


def split(dataset: xr.Dataset) -> xr.Dataset:
    """Longitudes of 0 to 360 that begin in the middle of the sea."""
    return dataset.assign_coords(lon=dataset.lon % 360).roll(lon=5, roll_coords=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda sea: sea,
        cm,
        lambda sea: sea.isel(lat=slice(None, None, -1)),
        split,
        lambda sea: sea.transpose("lat", "lon", "time"),
        lambda sea: sea.isel(time=slice(None, None, -1)),
        lambda sea: sea.rename(lat="latitude", lon="longitude", time="time_counter"),
        lambda sea: sea.rename(lat="LAT", lon="LON", ssh="SSH", observations="OBS"),
        lambda sea: sea.rename(ssh="ADT", observations="obs"),
        lambda sea: sea.rename(ssh="zeta", time="ocean_time"),
        lambda sea: sea.rename(ssh="ssha", observations="nadir_obs"),
    ],
)
def test_what_is_mended(network, tmp_path, change):
    change(fields(ssh=truth(), observations=seen())).to_netcdf(tmp_path / "a.nc")
    assert_are_the_maps(network.read(tmp_path / "a.nc"))


@pytest.mark.parametrize("data", [lambda: source(None), lambda: Small(SEA)])
@pytest.mark.parametrize("method", [oi(std=None, averaged=1), LinearMaps()])
def test_classical_methods_without_training_count_from_the_mean_of_the_file(tmp_path, data, method):
    fields(ssh=truth(), observations=seen() + 2).to_netcdf(tmp_path / "a.nc")
    samples = data().read(tmp_path / "a.nc")
    assert samples.attrs["mean"] == pytest.approx(np.nanmean(seen() + 2), abs=1e-5)
    assert samples.attrs["std"] == pytest.approx(np.nanstd(seen()), abs=1e-5)
    assert np.sqrt(np.nanmean((method.predict(samples) - truth() - 2) ** 2)) < 0.5 * np.nanstd(truth())


def test_classical_methods_count_from_the_mean_of_the_training_split_where_there_is_one(tmp_path):
    data = source(starter(tmp_path / "sea.nc"))
    fields(observations=seen() + 2).to_netcdf(tmp_path / "a.nc")
    assert data.read(tmp_path / "a.nc").attrs["mean"] == data.samples("train").attrs["mean"]


def test_a_sea_without_a_cell_is_refused(network, tmp_path):
    nowhere = (("lat", "lon"), np.zeros((12, 16)))
    fields(observations=seen()).assign(sea=nowhere).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(Refusal, match=r"sea in .* is nowhere 1"):
        network.read(tmp_path / "a.nc")


@pytest.mark.parametrize("change", [cm, lambda sea: sea.isel(lat=slice(None, None, -1)), split])
def test_samples_are_mended_too(network, tmp_path, change):
    samples = fields(ssh=truth(), observations=seen())
    days = samples[["observations"]].rename(time="day")
    change(days.assign(ssh=samples.ssh.rename(time="sample").drop_vars("sample"))).assign_coords(
        time=("sample", samples.time.values)
    ).to_netcdf(tmp_path / "a.nc")
    assert_are_the_maps(network.read(tmp_path / "a.nc"))


def test_the_days_and_moments_of_a_file_stay_as_they_are(network, tmp_path):
    days = fields(hours=6, ssh=truth(), observations=seen()).isel(time=[0, 1, 4, 9])
    days.to_netcdf(tmp_path / "a.nc")
    found = network.read(tmp_path / "a.nc")
    np.testing.assert_array_equal(found.time, days.time)
    np.testing.assert_array_equal(found.day, days.time)
    np.testing.assert_allclose(found.ssh, truth()[[0, 1, 4, 9]], atol=1e-6)


def test_the_sea_and_the_points_of_a_record_stay(network, tmp_path):
    point = {
        "track_ssh": [20.0, 30.0],
        "track_lat": [34.0, 34.1],
        "track_lon": [296.0, 296.5],
        "track_satellite": [0, 0],
    }
    table = {name: ("point", values) for name, values in point.items()}
    table["track_ssh"] = ("point", [20.0, 30.0], {"units": "cm"})
    table["track_time"] = ("point", DAYS[[2, 3]].astype("datetime64[ns]"))
    sea = np.ones((12, 16))
    sea[:3] = 0
    record = fields(observations=seen()).assign(table).assign(sea=(("lat", "lon"), sea))
    record.isel(lat=slice(None, None, -1)).to_netcdf(tmp_path / "a.nc")
    found = network.read(tmp_path / "a.nc")
    np.testing.assert_array_equal(found.sea, sea)
    np.testing.assert_allclose(found.track_ssh, [0.2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(found.track_lon, [-64.0, -63.5])
    np.testing.assert_array_equal(found.track_time.values.astype("datetime64[D]"), DAYS[[2, 3]])
    assert not found.held_out.any()


# --- what looks wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [99.99, -9999.0, 32.767])
@pytest.mark.parametrize("name", ["ssh", "observations"])
def test_fill_values_that_are_not_declared(network, tmp_path, name, value):
    """The value and its count."""
    maps = {"ssh": truth(), "observations": seen()}
    missing = np.isnan(maps[name])
    maps[name] = np.where(missing, value, maps[name])
    fields(**maps).to_netcdf(tmp_path / "a.nc")
    count = f"reaches {value:g} m, exactly so in {missing.sum()} of {missing.size} places"
    with pytest.raises(Refusal, match=rf"{name} in .*a.nc {count}.*set its attribute _FillValue"):
        network.read(tmp_path / "a.nc")
    if name == "ssh":
        with pytest.raises(Refusal, match=f"ssh in .*a.nc {count}"):
            read(tmp_path / "a.nc")


def test_centimetres_without_a_label(network, tmp_path, caplog):
    fields(ssh=100 * truth(), observations=seen()).to_netcdf(tmp_path / "a.nc")
    network.read(tmp_path / "a.nc")
    sentences = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    finite = int(np.isfinite(truth()).sum())
    assert any(
        "ssh in " in one and f"has no units, and its {finite} values vary by" in one and "are these cm or mm?" in one
        for one in sentences
    ), sentences
    caplog.clear()
    cm(fields(ssh=truth(), observations=seen())).to_netcdf(tmp_path / "b.nc")
    network.read(tmp_path / "b.nc")
    assert "are these cm or mm?" not in caplog.text


def test_a_csv_file_is_no_map(network, tmp_path):
    (tmp_path / "a.csv").write_text("time,lon,lat,sla\n2012-10-02,-64,34,0.1\n")
    with pytest.raises(Refusal, match=r"a.csv is a CSV file, which can hold points along tracks for data=ssh_netcdf"):
        network.read(tmp_path / "a.csv")
    with pytest.raises(Refusal, match=r"a.csv is a CSV file, which can hold points along tracks: maps are read from"):
        read(tmp_path / "a.csv")


# --- CSV -------------------------------------------------------------------------------------------------------------


def table(path, sea) -> xr.Dataset:
    usual = {"variable": None, "names": {}, "time_units": None, "held_out": None}
    return track_files.table([path], reference=sea, **usual)


@pytest.fixture
def sea(tmp_path):
    reading = Reading(names={}, time_units=None, box=Box(), period=map_axes.period(None))
    return map_files.reference([starter(tmp_path / "sea.nc")], target=None, reading=reading)


@pytest.mark.parametrize(
    ("head", "separator", "decimal", "factor", "moment"),
    [
        ("time,lon,lat,height", ",", ".", 1, "2012-10-02T03:04:{:02d}"),
        ("Time;Longitude;Latitude;SLA (cm)", ";", ".", 100, "2012-10-02 03:04:{:02d}.250"),
        ("Time;Longitude;Latitude;SLA (cm)", ";", ",", 100, "2012-10-02 03:04:{:02d}"),
        ("time\tlon\tlat\tadt [mm]", "\t", ".", 1000, "2012-10-02T03:04:{:02d}Z"),
    ],
)
def test_points_in_csv(sea, tmp_path, head, separator, decimal, factor, moment):
    lat, lon = np.linspace(33.2, 35.5, 30), np.linspace(-64, -62, 30)
    lines = [
        separator.join(
            [
                moment.format(number),
                *(
                    each.replace(".", decimal)
                    for each in (f"{lon[number] + 360:.6f}", f"{lat[number]:.6f}", f"{value:.9g}")
                ),
            ]
        )
        for number, value in enumerate(factor * plane(lat, lon))
    ]
    lines[4] = separator.join([moment.format(4), f"296{decimal}5", "34", ""])  # without a height
    path = tmp_path / "one.csv"
    path.write_text("\n".join([head, *lines, ""]))
    found = table(path, sea)
    assert found.sizes["point"] == 29
    np.testing.assert_allclose(found.track_ssh, plane(found.track_lat, found.track_lon), atol=1e-6)
    np.testing.assert_array_equal(
        found.track_time.values.astype("datetime64[s]")[0], np.datetime64("2012-10-02T03:04:00")
    )
    assert found.track_satellite.attrs["names"] == "one"


def test_a_field_without_a_number_is_missing(sea, tmp_path, caplog):
    lines = [
        f"2012-10-02T00:00:0{second},-64,34.{second},{height}" for second, height in enumerate(["0.1", "--", "0.3"])
    ]
    (tmp_path / "one.csv").write_text("\n".join(["time,lon,lat,sla", *lines]))
    np.testing.assert_allclose(table(tmp_path / "one.csv", sea).track_ssh, [0.1, 0.3], atol=1e-6)
    assert "1 of 3 fields of sla are no numbers, such as '--', and count as missing" in caplog.text


def test_csv_to_train_on(tmp_path):
    rng = np.random.default_rng(0)
    lines = []
    for day, second in np.ndindex(len(DAYS), 20):
        lon, lat, height = rng.uniform(-65, -61.3), rng.uniform(33, 35.7), rng.normal(0, 0.1)
        lines.append(f"{DAYS[day]}T12:00:{second:02d},{lon:.4f},{lat:.4f},{height:.4f},0")
    (tmp_path / "one.csv").write_text("time,lon,lat,sla,nasa_flag\n" + "\n".join(lines) + "\n")
    data = source(starter(tmp_path / "a.nc"), observations=str(tmp_path / "one.csv"))
    data.prepare()
    assert np.isfinite(data.samples("train").observations).sum() > 100


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read as CSV"),
        ("time,lon,lat,sla\n", "has no line of numbers: a CSV file needs columns such as time,lon,lat,sla"),
        ("date,lon,lat,sla\n2012-10-02,-64,34,0.1\n", "has no column time"),
        ("time,lon,lat,sla\nsoon,-64,34,0.1\n", "time in .* must be dates such as 2019-01-31T12:00:00"),
        ("time,lon,lat,sla\n3,-64,34,0.1\n", "time in .* has no units: type data.time_units"),
        ("time,lon,lat,depth\n2012-10-02,-64,34,0.1\n", "no track is recognized in .* lat, depth"),
        ("time,lon,lat,sla\n2012-10-02,-64,34,0.1,7,8\n2012-10-02,-64\n", "cannot be read as CSV"),
    ],
)
def test_csv_that_does_not_fit(sea, tmp_path, text, words):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(Refusal, match=words) as caught:
        table(tmp_path / "a.csv", sea)
    assert "\n" not in str(caught.value)


# --- periods ---------------------------------------------------------------------------------------------------------


def test_both_periods_are_named(sea, tmp_path):
    lines = "time,lon,lat,sla\n2012-12-02,-64,34,0.1\n2012-12-05,-64,34,0.1\n"
    (tmp_path / "a.csv").write_text(lines)
    said = (
        r"a.csv has no observation in the box and the days of the reference: the files hold the days 2012-12-02 to "
        r"2012-12-05, and 2012-10-01 to 2012-10-20 from 33 to 35.75 N and -65 to -61.25 E are needed"
    )
    with pytest.raises(Refusal, match=said):
        table(tmp_path / "a.csv", sea)
    with pytest.raises(Refusal, match=r"data.period=\[2013-01-01,2013-02-01\]: the files hold the days 2012-10-01 to"):
        read(tmp_path / "sea.nc", period=("2013-01-01", "2013-02-01"))
    later = fields(obs=seen()).assign_coords(time=DAYS.astype("datetime64[ns]") + np.timedelta64(100, "D"))
    later.to_netcdf(tmp_path / "b.nc")
    reading = Reading({}, None, Box(), map_axes.period(None))
    with pytest.raises(
        Refusal, match=r"between 2012-10-01 and 2012-10-20.*: the files hold the days 2013-01-09 to 2013"
    ):
        map_files.gridded([tmp_path / "b.nc"], variable=None, reference=sea, reading=reading)
