"""Samples of sea surface height and their tensors: splits, windows, first guesses, users' files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data.stream import PRIOR
from tests.problems.ssh.data.seas_at_hand import (
    COUNTS,
    DAYS,
    GAP,
    HALF,
    MARGIN,
    SEA,
    Small,
    channels,
    encoded,
    record,
    scaled,
    small,
)

# --- samples -------------------------------------------------------------------------------------------------


def test_samples_are_the_days_of_the_record():
    source, first = small(), 0
    for split in SPLITS:
        samples = source.samples(split)
        assert samples.ssh.dims == ("sample", "lat", "lon")
        assert samples.observations.dims == ("day", "lat", "lon")
        days = slice(first, first + COUNTS[split])
        np.testing.assert_array_equal(samples.time, SEA.time[days])
        np.testing.assert_array_equal(samples.ssh, SEA.ssh[days])
        near = slice(max(first - MARGIN, 0), first + COUNTS[split] + MARGIN)
        np.testing.assert_array_equal(samples.day, SEA.time[near])
        np.testing.assert_array_equal(samples.observations, SEA.observations[near])
        assert samples.sea.dtype == bool
        np.testing.assert_array_equal(samples.sea, SEA.ssh[0].notnull())
        assert samples.attrs["name"] == "small"
        assert samples.attrs["noise_std"] == 0.02
        train = SEA.ssh.values[: COUNTS["train"]].astype(float)
        assert samples.attrs["mean"] == pytest.approx(np.nanmean(train), rel=1e-9)
        assert samples.attrs["std"] == pytest.approx(np.nanstd(train), rel=1e-6)
        xr.testing.assert_identical(samples, source.samples(split))
        first = days.stop + GAP


def test_points_of_samples_are_those_of_their_maps():
    """None of the others', and all of them."""
    for split in SPLITS:
        samples = small().samples(split)
        lowest, highest = (samples.day.values[end] + np.timedelta64(12, "h") * sign for end, sign in ((0, -1), (-1, 1)))
        times = samples.track_time.values
        assert ((times >= lowest) & (times <= highest)).all()
        every = SEA.track_time.values
        assert len(times) == ((every >= lowest) & (every <= highest)).sum() > 50
        assert samples.track_satellite.attrs["names"] == "jason,geosat,sentinel3,envisat"


def test_no_observation_is_shared_by_windows_and_samples_of_two_parts():
    source = small()
    windows = {}
    for split in SPLITS:
        time = source.samples(split).time.values.astype("datetime64[D]")
        windows[split] = set(np.arange(time[0] - HALF, time[-1] + HALF + 1))
    for one in SPLITS:
        assert windows[one] & set(source.samples(one).day.values.astype("datetime64[D]"))
        for other in set(SPLITS) - {one}:
            assert not windows[one] & windows[other]
            assert not windows[one] & set(source.samples(other).day.values.astype("datetime64[D]"))


def test_parts_that_stand_too_close():
    source = Small(SEA)
    source.gap = MARGIN + HALF - 1
    with pytest.raises(Refusal, match=r"the valid split begins 6 days after.* 7 days around"):
        source.prepare()


def test_statistics_travel_with_a_network():
    source = Small(SEA)
    source.use_statistics({"mean": 1.0, "std": 2.0})
    source.prepare()
    assert source.statistics == {"mean": 1.0, "std": 2.0}
    assert (source.spec.scaling.mean, source.spec.scaling.std) == (1.0, 2.0)
    assert (source.samples("test").attrs["mean"], source.samples("test").attrs["std"]) == (1.0, 2.0)
    with pytest.raises(Refusal, match="not trained on data=small"):
        source.use_statistics({"mean_x": 1.0})


def test_the_checksum_is_of_the_data():
    assert small().checksum() == small(days=3, margin=5).checksum()
    assert small().checksum() != Small(record(seed=1)).checksum()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"days": 4}, "data.days=4 must be an odd number"),
        ({"days": -1}, "data.days=-1"),
        ({"predict": "middle"}, "data.predict=middle is unknown: choose one of all, centre"),
        ({"patch": 0}, "data.patch=0"),
        ({"patch": "many"}, "data.patch=many"),
        ({"patch": 21}, "data.patch=21 does not fit maps of 20 x 24 cells: choose at most 20"),
        ({"first_guess": {"km": 40.0}}, "data.first_guess must give km and days"),
        ({"first_guess": {"km": 0.0, "days": 1.0}}, "data.first_guess.km=0.0 must be a number above 0"),
        ({"dropped": 1.0}, "data.dropped=1.0"),
        ({"margin": 1}, "data.margin=1 must be at least 2"),
        ({"noise_std": -1.0}, "data.noise_std=-1.0"),
    ],
)
def test_options_that_cannot_work(changes, said):
    with pytest.raises(Refusal, match=said):
        Small(SEA, **changes).check()


# --- tensors of whole maps -----------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("halo", [0, 3])
def test_windows_hold_the_days_around_a_sample(split, halo):
    """Cell by cell: observations, flags and truth where there are any, 0 elsewhere."""
    source = small()
    samples = source.samples(split)
    batch = encoded(source, samples, halo)
    _, given, flags, statics = channels(batch)
    sea = np.pad(samples.sea.values, halo)
    for number, time in enumerate(samples.time.values):
        np.testing.assert_array_equal(statics[number, 0], sea)
        for offset in range(-HALF, HALF + 1):
            day, truth = (
                np.flatnonzero(samples[axis].values == time + np.timedelta64(offset, "D")) for axis in ("day", "time")
            )
            unknown = np.full(samples.sea.shape, np.nan)
            maps = samples.observations.values[day[0]] if len(day) else unknown
            maps = np.pad(scaled(maps, source), halo, constant_values=np.nan)
            np.testing.assert_allclose(given[number, HALF + offset], np.nan_to_num(maps), atol=1e-5)
            np.testing.assert_array_equal(flags[number, HALF + offset], np.isfinite(maps))
            known = samples.ssh.values[truth[0]] if len(truth) else unknown
            np.testing.assert_array_equal(batch.mask[number, HALF + offset], np.isfinite(known))
            np.testing.assert_allclose(
                batch.target[number, HALF + offset], np.nan_to_num(scaled(known, source)), atol=1e-5
            )
    inner = flags[..., halo : halo + 20, halo : halo + 24]
    assert torch.equal(batch.observed, inner > 0)
    assert batch.observed.any()


def test_the_first_guess_is_a_weighted_mean():
    """Against two loops, over cells and over observations."""
    source = small()
    samples = source.samples("valid").isel(sample=[2])
    guess = channels(encoded(source, samples, halo=2))[0][0]
    middle = np.flatnonzero(samples.day.values == samples.time.values[0])[0]
    maps = scaled(samples.observations.values[middle - HALF : middle + HALF + 1], source)
    east = 0.25 * np.deg2rad(6371.0) * np.cos(np.deg2rad(samples.lat.values.mean()))
    south_north, west_east, km, days = 0.25 * np.deg2rad(6371.0), east, 40.0, 2.0
    reach_y, reach_x = np.ceil(3 * km / south_north), np.ceil(3 * km / west_east)
    points = np.argwhere(np.isfinite(maps))
    assert len(points) > 20
    wanted = np.zeros(guess.shape)
    for t, y, x in np.ndindex(*maps.shape):
        total = weight = 0.0
        for t2, y2, x2 in points:
            if abs(y2 - y) <= reach_y and abs(x2 - x) <= reach_x:
                km2 = ((y2 - y) * south_north) ** 2 + ((x2 - x) * west_east) ** 2
                one = np.exp(-km2 / (2 * km**2) - (t2 - t) ** 2 / (2 * days**2))
                total, weight = total + one * maps[t2, y2, x2], weight + one
        if samples.sea.values[y, x]:
            wanted[t, y + 2, x + 2] = total / (weight + PRIOR)
    np.testing.assert_allclose(guess, wanted, atol=1e-5)
    assert (wanted == 0).sum() > 500, "land and what is beyond the boundary"


def test_coordinates_say_where_and_when():
    source = small(coordinates=True)
    assert source.spec.input_channels[-5:] == ("sea", "x", "y", "cos_year", "sin_year")
    samples = source.samples("test")
    sea, x, y, cosine, sine = channels(encoded(source, samples, halo=2))[3].unbind(1)
    inside, sea_YX = (slice(None), slice(2, 22), slice(2, 26)), samples.sea.values
    np.testing.assert_allclose(x[inside][0], np.linspace(-1, 1, 24) * sea_YX, atol=1e-6)
    np.testing.assert_allclose(y[inside][0], np.linspace(-1, 1, 20)[:, None] * sea_YX, atol=1e-6)
    angle = 2 * np.pi * (samples.time.dt.dayofyear.values - 1) / 365.25
    np.testing.assert_allclose(cosine[inside][:, 0, 0], np.cos(angle), atol=1e-6)
    np.testing.assert_allclose(sine[inside][:, 0, 0], np.sin(angle), atol=1e-6)
    for field in (x, y, cosine, sine):
        assert (field[sea == 0] == 0).all()


@pytest.mark.parametrize("predict", ["all", "centre"])
def test_the_way_back_to_metres(predict):
    source = small(predict=predict)
    samples = source.samples("test")
    batch = encoded(source, samples)
    assert batch.target.shape[1] == len(source.spec.output_channels) == (DAYS if predict == "all" else 1)
    assert batch.observed.shape[1] == DAYS
    physical = source.to_physical(batch.target, samples)
    assert physical.dtype == np.float64
    np.testing.assert_allclose(physical, samples.ssh, atol=1e-6)
    assert source.to_physical(batch.target, None).shape == physical.shape


def test_a_subset_is_found_by_its_dates():
    source = small()
    samples = source.samples("test")
    few = samples.isel(sample=[5, 1])
    all_days, some = encoded(source, samples), encoded(source, few)
    assert torch.equal(some.input, all_days.input[[5, 1]])
    assert torch.equal(some.target[:, HALF], all_days.target[[5, 1], HALF])
    assert some.mask[0].sum() < all_days.mask[5].sum(), "what is not in the samples cannot be compared with"


def test_a_day_without_truth():
    sea = SEA.copy(deep=True)
    sea.ssh[10] = np.nan
    source = Small(sea, resample_observations=True)
    source.prepare()
    samples = source.samples("train")
    mask = encoded(source, samples).mask
    assert not mask[10, HALF].any()
    assert not mask[11, HALF - 1].any()
    assert mask[11, HALF].any()
    stream = source.stream(halo=0, batch_size=4, seed=0, device="cpu")
    assert 10 not in stream.centres.tolist()
    assert all(stream.batch(step).mask[:, HALF].flatten(1).any(1).all() for step in range(20))


# --- a user's file -------------------------------------------------------------------------------------------


def test_a_file_of_samples_gives_the_same_tensors(tmp_path):
    source = small()
    samples = source.samples("test")
    samples.to_netcdf(tmp_path / "mine.nc")
    found = source.read(tmp_path / "mine.nc")
    assert found.attrs["noise_std"] == 0.02
    assert {"mean", "std", "name"} <= set(found.attrs)
    usual, same = encoded(source, samples, 2), encoded(source, found, 2)
    assert torch.equal(usual.input, same.input)
    assert torch.equal(usual.target, same.target)


def test_heights_in_centimetres(tmp_path):
    """As their units say; what no height can be in is refused."""
    source = small()
    samples = source.samples("test")
    observations = (100 * samples.observations).assign_attrs(units="cm")
    samples.assign(observations=observations).to_netcdf(tmp_path / "cm.nc")
    found = source.read(tmp_path / "cm.nc")
    np.testing.assert_allclose(found.observations, samples.observations, rtol=1e-6)
    assert found.observations.attrs["units"] == "m"
    samples.assign(observations=observations.assign_attrs(units="K")).to_netcdf(tmp_path / "k.nc")
    with pytest.raises(Refusal, match="is in 'k', which is none of m, cm and mm"):
        source.read(tmp_path / "k.nc")


def test_a_record_as_a_users_file(tmp_path):
    """Observations alone: each of the days is a sample, and nothing is known of the truth."""
    source = small()
    days = SEA.isel(time=slice(40, 50))
    days[["observations"]].to_netcdf(tmp_path / "alone.nc")
    days[["observations", "ssh"]].to_netcdf(tmp_path / "both.nc")
    alone, both = (source.read(tmp_path / name) for name in ("alone.nc", "both.nc"))
    assert alone.sizes["sample"] == both.sizes["sample"] == 10
    assert alone.sea.all()
    np.testing.assert_array_equal(both.sea, SEA.ssh[0].notnull())
    batch, scored = encoded(source, alone), encoded(source, both)
    assert not batch.target.any()
    assert not batch.mask.any()
    assert torch.equal(channels(batch)[1], channels(scored)[1])
    np.testing.assert_allclose(source.to_physical(scored.target, both), both.ssh, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sea: sea.drop_vars("observations"), "lacks observations: it has ssh"),
        (lambda sea: sea.drop_vars("lat"), "lacks the coordinate lat"),
        (lambda sea: sea.isel(lon=[0, 1, 9]), "longitudes in .* are not evenly spaced"),
        (lambda sea: sea.assign_coords(lat=sea.lat.astype("datetime64[D]")), "latitudes in .* are not evenly spaced"),
        (lambda sea: sea.assign_coords(time=np.arange(10)), "time in .* has no units"),
        (lambda sea: sea.isel(time=0, drop=True), "lacks the coordinate time: it has lat, lon"),
        (lambda sea: sea.assign(observations=sea.observations * np.nan), "observations in .* is NaN everywhere"),
        (lambda sea: sea.assign(ssh=sea.ssh * np.inf), "ssh in .* is NaN everywhere"),
    ],
)
def test_files_that_do_not_fit(change, said, tmp_path):
    change(SEA[["observations", "ssh"]].isel(time=slice(40, 50))).to_netcdf(tmp_path / "mine.nc")
    with pytest.raises(Refusal, match=said):
        small().read(tmp_path / "mine.nc")


def test_a_file_that_is_none(tmp_path):
    (tmp_path / "mine.nc").write_text("nothing")
    with pytest.raises(Refusal, match=r"cannot read .*mine.nc as NetCDF"):
        small().read(tmp_path / "mine.nc")
