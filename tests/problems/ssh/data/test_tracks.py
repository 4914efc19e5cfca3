"""Maps from tracks alone: against dense matrices, with backgrounds, along what is held out; and what is refused."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data.region import Region
from dlgd.problems.ssh.methods.optimal_interpolation import OptimalInterpolation
from tests.problems.ssh.data.tracks_made import FIRST, cmems, slope, source, topography, waves
from tests.problems.ssh.methods.small_seas import correlation
from tests.problems.ssh.scores.samples_made import evaluation

USUAL = {
    "covariance": "gaussian", "lengths_in": "degrees", "Lx": 1.0, "Ly": 1.0, "Lt": 7.0, "noise": 0.03, "std": None,
    "reach": 1000.0, "most": 10**6, "averaged": 1, "precision": "float64", "device": "cpu", "tune": False,
}  # fmt: skip


def oi(**options):
    return OptimalInterpolation(**USUAL | options)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return cmems(tmp_path_factory.mktemp("tracks"))


def truth(samples):
    day = ((samples.time.values - FIRST) / np.timedelta64(1, "D"))[:, None, None]
    lat, lon = samples.lat.values[:, None], samples.lon.values
    return slope(lat, lon) + waves(day, lat, lon)


def rms(error):
    return float(np.sqrt(np.mean(error**2)))


# --- physics -----------------------------------------------------------------------------------------------


def test_maps_and_errors_are_those_of_dense_matrices(files, tmp_path, caplog):
    """Anomalies from the topography at the points, from all tracks within a degree of the box and four days."""
    samples = source([str(path) for path in files], background=str(topography(tmp_path / "mdt.nc"))).samples("test")
    opened = [xr.open_dataset(path).load() for path in files]
    when = np.concatenate([(one.time.values - FIRST) / np.timedelta64(1, "D") for one in opened])
    lat, lon = (np.concatenate([one[name].values for one in opened]) for name in ("latitude", "longitude"))
    lon = lon - 360
    anomalies = np.concatenate([(one.sla_unfiltered - one.lwe).values for one in opened])
    near = (when >= -2) & (when < 12) & (lat >= 32.75) & (lat < 38.25) & (lon >= -63.25) & (lon < -56.75)
    points, values = np.stack((when, lat, lon), -1)[near] / (7.0, 1.0, 1.0), anomalies[near]
    assert samples.sizes["point"] == len(values)
    std = samples.attrs["std"]
    assert std == pytest.approx(values.std(), rel=1e-4)
    days = (samples.time.values - FIRST) / np.timedelta64(1, "D")
    grid = np.stack(np.meshgrid(days / 7, samples.lat, samples.lon, indexing="ij"), -1).reshape(-1, 3)
    covariance = correlation("gaussian", points, points) + (0.03 / std) ** 2 * np.eye(len(points))
    gain = np.linalg.solve(covariance, correlation("gaussian", points, grid)).T
    mean = slope(samples.lat.values[:, None], samples.lon.values) + (gain @ values).reshape(6, 7, 9)
    variance = std**2 * (1 - (gain * correlation("gaussian", grid, points)).sum(1)).reshape(6, 7, 9)
    method = oi()
    np.testing.assert_allclose(method.predict(samples), mean, rtol=0, atol=1e-5)  # heights are float32
    np.testing.assert_allclose(method.error_maps(samples), np.sqrt(variance), rtol=0, atol=1e-6)
    typed = oi(std=std).error_maps(samples)
    np.testing.assert_allclose(typed, np.sqrt(variance), rtol=0, atol=1e-6)
    assert not caplog.messages
    oi(std=5 * std, noise=0.15).error_maps(samples)
    assert "type baseline.std=null" in caplog.messages[0]


def test_a_background_takes_the_place_of_one_mean(files, tmp_path):
    """Where few tracks are, one mean would show between them. A topography that is all there is comes back exactly."""
    paths = [str(path) for path in files]
    few = {"period": ["2019-01-05", "2019-01-05"], "margin": 4}
    errors = {}
    for name, background in (("none", None), ("mean", "mean"), ("file", str(topography(tmp_path / "mdt.nc")))):
        samples = source(paths[:1], background=background, **few).samples("test")
        errors[name] = rms(oi(Lt=1.0).predict(samples) - truth(samples))
        assert ("background" in samples) == (background is not None)
    assert errors["file"] < 0.7 * errors["mean"] < 0.7 * errors["none"]
    flat = cmems(tmp_path / "flat", amplitude=0.0, noise=1e-3, satellites=("one",))
    samples = source(str(flat[0]), background=str(tmp_path / "mdt.nc"), **few).samples("test")
    assert np.abs(oi().predict(samples) - slope(samples.lat.values[:, None], samples.lon.values)).max() < 3e-3


def test_tuning_leaves_satellites_or_passes_out(files):
    """It comes near to the best parameters, from bad ones, and never sees what is held out."""
    for paths in (files, files[:1]):
        samples = source([str(path) for path in paths], background=None).samples("train")
        bad = oi(Lt=1.5, Lx=0.3, Ly=0.3, averaged=2)
        tuned = oi(Lt=1.5, Lx=0.3, Ly=0.3, averaged=2, tune=True)
        tuned.fit(samples)
        assert rms(tuned.predict(samples) - truth(samples)) < 0.8 * rms(bad.predict(samples) - truth(samples))
    held = source([str(path) for path in files], held_out="one").samples("train")
    parameters = []
    for change in (0.0, 5.0):
        method = oi(Lt=1.5, tune=True, averaged=2)
        moved = held.assign(track_ssh=held.track_ssh + change * held.held_out)
        method.fit(moved)
        parameters.append(method.prior(moved))
    assert parameters[0] == parameters[1]


def test_scores_are_along_the_held_out_satellite(files):
    """The mean over days of 1 - rms(map - track) / rms(track), with the map interpolated to the points."""
    from scipy.interpolate import RegularGridInterpolator

    samples = source([str(path) for path in files], held_out=str(files[1])).samples("test")
    perfect = truth(samples)
    scores = evaluation(segment_km=200.0).scores(samples, perfect)
    assert set(scores) == {"track_mu", "track_sigma", "track_lambda_x"}
    two = xr.open_dataset(files[1])
    lon, when = two.longitude.values - 360, (two.time.values - samples.time.values[0]) / np.timedelta64(1, "D")
    inside = (when >= 0) & (when <= 5) & (two.latitude >= 34.25) & (two.latitude <= 36.75) & (abs(lon + 60) <= 1.75)
    at = RegularGridInterpolator((np.arange(6.0), samples.lat.values, samples.lon.values), perfect)
    mapped = at(np.stack((when, two.latitude, lon), -1)[inside])
    seen = (two.sla_unfiltered + two.mdt - two.lwe).values[inside]
    day = two.time.values[inside].astype("datetime64[D]")
    daily = [
        1 - rms(mapped[day == one] - seen[day == one]) / rms(seen[day == one])
        for one in np.unique(day)
        if (day == one).sum() >= 10
    ]
    assert scores["track_mu"] == pytest.approx(np.mean(daily), abs=1e-4)
    assert scores["track_mu"] > 0.9


# --- what is read -------------------------------------------------------------------------------------------


def test_held_out_points_are_in_no_map_and_no_background(files):
    paths = [str(path) for path in files]
    with_them, without = source(paths, held_out="Two").samples("test"), source([paths[0], paths[2]]).samples("test")
    for name in ("observations", "background", "sea"):
        np.testing.assert_array_equal(with_them[name].values, without[name].values)
    assert with_them.attrs == without.attrs
    assert "held_out" not in without
    assert 0 < with_them.held_out.values.sum() < with_them.sizes["point"]
    of_file = source([paths[0], paths[2]], held_out=paths[1]).samples("test")
    assert of_file.held_out.values.sum() == with_them.held_out.values.sum()
    np.testing.assert_array_equal(of_file.background.values, without.background.values)


@pytest.mark.parametrize("given", ["folder", "pattern"])
def test_a_folder_and_a_pattern_are_read_as_the_list_of_files(files, given):
    place = str(files[0].parent) if given == "folder" else str(files[0].parent / "*_l3_*.nc")
    whole = source([str(path) for path in sorted(files)])
    data = source(None)
    read = data.read(Path(place))
    xr.testing.assert_equal(read, whole.samples("test"))
    assert data.samples("train") is read  # from which methods learn


def test_cells_of_a_region():
    region = Region.of([-65, -55, 33, 43], 0.25)
    assert region.shape == (41, 41)
    assert (region.lat[[0, -1]].tolist(), region.lon[[0, -1]].tolist()) == ([33.0, 43.0], [-65.0, -55.0])
    assert region.cell_km == pytest.approx(27.8 * np.sqrt(np.cos(np.deg2rad(38))), rel=1e-2)
    assert Region.of([-65, -55, 33, 43], region.step_of(7.0)).cell_km == pytest.approx(7.0, rel=1e-2)
    wide = region.wider(1.1)
    np.testing.assert_allclose(wide.lat[wide.cells_of(region)[0]], region.lat)
    np.testing.assert_allclose(wide.lon[wide.cells_of(region)[1]], region.lon)
    assert wide.lat[0] == pytest.approx(31.75)
    globe = Region.of([-180, 180, -90, 90], 1.0)
    assert globe.circle
    assert globe.shape == (181, 360)
    assert globe.wider(5.0).shape == globe.shape
    assert Region.of([357, 362.5, -5, 5], 0.5).lon.tolist() == (Region.of([-3, 2.5, -5, 5], 0.5).lon + 360).tolist()
    for box in ([0, 361, -5, 5], [361, 370, -5, 5], [5, 5, -5, 5]):
        with pytest.raises(Refusal, match="must go from west to east"):
            Region.of(box, 0.5)


def test_land_by_the_package_by_a_file_or_nowhere(files, tmp_path):
    paths = [str(path) for path in files]
    assert source(paths).samples("test").sea.values.all()  # the open Atlantic
    lat, lon = np.arange(33.0, 38.1, 0.5), np.arange(-63.0, -56.9, 0.5)
    island = np.ones((len(lat), len(lon)))
    island[4:6, 5:7] = 0
    as_heights = np.where(island == 1, 0.3, np.nan)
    for name, field in (("mask", island), ("land", 1 - island), ("mdt", as_heights)):
        file = tmp_path / f"{name}.nc"
        xr.Dataset({name: (("lat", "lon"), field)}, {"lat": lat, "lon": lon}).to_netcdf(file)
        samples = source(paths, land=str(file)).samples("test")
        np.testing.assert_array_equal(samples.sea.values, island[2:9, 2:11] == 1)
        uneven = [axis + 0.02 * (axis - axis.mean()) ** 2 for axis in (lat, lon)]  # less than half a cell
        with xr.open_dataset(file) as dataset:
            dataset.assign_coords(lat=uneven[0], lon=uneven[1]).load().to_netcdf(tmp_path / "uneven.nc")
        bent = source(paths, land=str(tmp_path / "uneven.nc")).samples("test").sea.values
        assert (bent != (island[2:9, 2:11] == 1)).sum() < 4
        assert np.isnan(samples.observations.values[:, ~samples.sea.values]).all()
        assert np.isnan(oi().predict(samples)[:, ~samples.sea.values]).all()


# --- networks -----------------------------------------------------------------------------------------------


def test_networks_see_anomalies_in_the_scale_of_their_training(files, tmp_path):
    data = source([str(path) for path in files], background=str(topography(tmp_path / "mdt.nc")))
    data.use_statistics({"mean": 7.0, "std": 0.5, "grid_km": 50.0})
    samples = data.samples("test")
    (batch,) = data.encode(samples, halo=0, device="cpu")
    seen = batch.input[:, data.spec.input_slice("observations")][:, 4].numpy()  # the day in the middle
    anomalies = (samples.observations - samples.background).values[4:10]
    np.testing.assert_allclose(seen, np.nan_to_num(anomalies / 0.5), atol=1e-5)
    physical = data.to_physical(batch.input.new_zeros((6, 9, 7, 9)), samples)
    np.testing.assert_allclose(physical, np.broadcast_to(samples.background.values, physical.shape))


def test_networks_of_other_cells_are_refused(files):
    data = source([str(path) for path in files])
    with pytest.raises(Refusal, match=r"trained on cells of 7\.8 km, but those of step=0\.5 are 50.* type step=0\.078"):
        data.use_statistics({"mean": 0.0, "std": 0.3, "grid_km": 7.8})
    with pytest.raises(Refusal, match="no maps to train on"):
        data.stream(halo=0, batch_size=1, seed=0, device="cpu")


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"step": 0}, "step=0 must be a number above 0"),
        ({"step": -1}, "step=-1 must be a number above 0"),
        ({"step": 9.0}, "too wide"),
        ({"box": None}, r"type box=\[west,east,south,north\]"),
        ({"box": [-58, -62, 34, 37]}, "from west to east"),
        ({"box": [-62, -58, 37, 34]}, "from south to north"),
        ({"box": [34, 37, -62, -58]}, r"no observation lies in .* is it \[west,east,south,north\]\?"),
        ({"box": [2, 8, 46, 49]}, "has no sea"),
        ({"period": ["2020-01-01", "2020-02-01"]}, "files have days from 2018-12-30 to 2019-01-1"),
        ({"period": ["2019-02-01", "2019-01-01"]}, "ends before it begins"),
        ({"held_out": "four"}, "none of the satellites One, Two, Three"),
        ({"observations": None}, "type observations="),
        ({"background": "nothing.nc"}, r"data\.background=nothing\.nc is no file"),
        ({"background_km": 0}, "data.background_km=0"),
        ({"names": {"height": "ssh"}}, "data.names=height"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(files, changes, words):
    given = {"observations": [str(path) for path in sorted(files, key=lambda path: "three" in path.name)]} | changes
    with pytest.raises(Refusal, match=words) as refused:
        source(given.pop("observations"), **given).prepare()
    assert not re.search(r"\n", str(refused.value))


def test_a_satellite_that_is_alone_cannot_be_held_out(files):
    for held in ("One", str(files[0])):
        with pytest.raises(Refusal, match="leaves nothing to make maps of"):
            source(str(files[0]), held_out=held).prepare()


def spoilt(path, files, **changes):
    """A file as the first of `files`, whose heights, or other variables, are changed."""
    with xr.open_dataset(files[0], decode_times=False) as opened:
        dataset = opened.load()
    for name, value in changes.items():
        dataset[name] = dataset.sla_unfiltered.dims, np.full(dataset.sla_unfiltered.shape, value)
    dataset.to_netcdf(path)
    return str(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sla_unfiltered": np.nan}, r"; \d+ points there have no height$"),
        ({"quality_flag": 1}, r"; \d+ were rejected by flags \(data\.editing\.flags\)$"),
        ({"sla_unfiltered": 0.3, "mdt": 0.0, "lwe": 0.0}, "are all the same height"),
    ],
)
def test_files_without_a_usable_height_say_why(files, tmp_path, changes, words):
    with pytest.raises(Refusal, match=words):
        source(spoilt(tmp_path / "one.nc", files, **changes)).prepare()


def test_maps_are_no_tracks(files, tmp_path):
    dims = ("time", "lat", "lon")
    maps = xr.Dataset(
        {"ssh": (dims, np.random.default_rng(0).normal(size=(12, 4, 5)), {"units": "m"})},
        {
            "time": FIRST + np.arange(12) * np.timedelta64(1, "D"),
            "lat": np.arange(34.0, 38),
            "lon": np.arange(-62.0, -57),
        },
    )
    maps.to_netcdf(tmp_path / "maps.nc")
    with pytest.raises(Refusal, match=r"maps\.nc holds maps, or no points along tracks.* data=ssh_netcdf path="):
        source([str(tmp_path / "maps.nc")]).prepare()


def test_one_granule_that_cannot_be_used_does_not_stop_the_others(files, tmp_path, caplog):
    """A truncated one, one whose height is in kelvin, one without heights: told with the reason, then counted."""
    bad = [tmp_path / f"{name}.nc" for name in ("cut", "kelvin", "without")]
    bad[0].write_bytes(files[0].read_bytes()[:-3000])
    with xr.open_dataset(files[0], decode_times=False) as opened:
        dataset = opened.load()
    dataset.assign(sla_unfiltered=dataset.sla_unfiltered.assign_attrs(units="K")).to_netcdf(bad[1])
    dataset[["latitude", "longitude", "time"]].to_netcdf(bad[2])
    good = [str(path) for path in files]
    expected = source(good).samples("test")
    for given in ([*map(str, bad), *good], [*good, *map(str, bad)]):
        caplog.clear()
        found = source(given).samples("test")
        np.testing.assert_array_equal(found.observations, expected.observations)
        for path, why in zip(bad, ("cannot read", "in 'k'", "no track is recognized"), strict=True):
            (line,) = [one for one in caplog.messages if one.startswith("left out: ") and str(path) in one]
            assert re.search(why, line), line
            assert "\n" not in line
        counted = [one for one in caplog.messages if "cannot be used and are left out" in one]
        assert counted == [
            "1 of 6 files cannot be used and are left out",
            "2 of 5 files cannot be used and are left out",
        ]


def test_files_of_which_none_can_be_used_are_refused(files, tmp_path):
    """With the reason that most of them have; a file that was named as the one held out is needed."""
    cut = tmp_path / "cut.nc"
    cut.write_bytes(files[0].read_bytes()[:-3000])
    with pytest.raises(Refusal, match=r"has no adt2: choose data\.names"):
        source([str(cut), *map(str, files)], names={"observations": "adt2"}).prepare()
    with pytest.raises(Refusal, match=r"cut\.nc"):
        source([str(cut)]).prepare()
    with pytest.raises(Refusal, match=r"cut\.nc"):
        source([str(path) for path in files], held_out=str(cut)).prepare()
