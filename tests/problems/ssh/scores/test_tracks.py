"""Scores along held-out tracks against loops and known filters."""

import numpy as np
import pytest
import xarray as xr

from dlgd.problems.ssh.scores.tracks import Track, daily_scores, has_segment, held_out, resolved_along, track_of

DAYS = np.datetime64("2017-01-01T12", "ns") + np.arange(6) * np.timedelta64(1, "D")
LAT, LON = np.linspace(33, 43, 21), np.linspace(-65, -55, 26)


def plane(time, lat, lon):
    """Linear interpolation makes no error of it."""
    return 0.1 * ((time - DAYS[0]) / np.timedelta64(1, "D")) + 0.02 * (lat - 38) - 0.03 * (lon + 60) + 0.2


@pytest.fixture
def tracks():
    """Points of two satellites, the second of which is held out; some beyond the maps or the days, in no order."""
    rng = np.random.default_rng(0)
    count = 800
    time = DAYS[0] + (rng.uniform(-0.5, 5.5, count) * 86400e9).astype("timedelta64[ns]")
    time[:5] = DAYS[5] - np.timedelta64(11, "h")  # a day with too few points
    time[5:] = np.where(time[5:].astype("datetime64[D]") == np.datetime64("2017-01-06"), DAYS[2], time[5:])
    lat, lon = rng.uniform(32.5, 43.5, count), rng.uniform(-65.5, -54.5, count)
    lat[:5], lon[:5] = 38.0, -60.0
    satellite = rng.integers(0, 2, count)
    satellite[:5] = 1
    points = {
        "ssh": plane(time, lat, lon) + rng.normal(0, 0.05, count),
        "time": time,
        "lat": lat,
        "lon": lon % 360,
        "satellite": satellite,
    }
    variables = {f"track_{name}": ("point", values) for name, values in points.items()}
    maps = plane(DAYS[:, None, None], LAT[:, None], LON)
    variables |= {"held_out": ("point", satellite == 1), "ssh": (("sample", "lat", "lon"), maps)}
    return xr.Dataset(variables, {"time": ("sample", DAYS), "lat": LAT, "lon": LON})


def by_loops(samples):
    daily = {}
    for point in range(samples.sizes["point"]):
        time, lat = samples.track_time.values[point], samples.track_lat.values[point]
        lon = samples.track_lon.values[point] - 360
        inside = 33.25 <= lat <= 42.75 and -64.75 <= lon <= -55.25 and DAYS[0] <= time <= DAYS[-1]
        if samples.held_out.values[point] and inside:
            observed = samples.track_ssh.values[point]
            daily.setdefault(str(time)[:10], []).append((plane(time, lat, lon) - observed, observed))
    scores = []
    for pairs in daily.values():
        if len(pairs) >= 10:
            errors, signals = np.array(pairs).T
            scores.append(1 - np.sqrt((errors**2).mean()) / np.sqrt((signals**2).mean()))
    return np.mean(scores), np.std(scores), len(scores), len(daily)


def test_mu_and_sigma_of_days_agree_with_loops(tracks):
    track = track_of(tracks, tracks.ssh.values)
    scores = daily_scores(track)
    mu, sigma, scored, days = by_loops(tracks)
    assert (scored, days) == (5, 6)
    assert scores == {"track_mu": pytest.approx(mu), "track_sigma": pytest.approx(sigma)}
    assert (np.diff(track.time) >= np.timedelta64(0)).all()


def test_points_beside_land_or_between_days_that_are_not_there_are_left_out(tracks):
    everything = track_of(tracks, tracks.ssh.values)
    land = tracks.ssh.values.copy()
    land[:, LAT > 38] = np.nan
    track = track_of(tracks, land)
    assert 0 < len(track.time) < len(everything.time)
    assert track.lat.max() <= 38
    some = tracks.isel(sample=[0, 1, 4, 5])
    track = track_of(some, some.ssh.values)
    assert len(track.time) == ((everything.time <= DAYS[1]) | (everything.time >= DAYS[4])).sum()
    alone = tracks.isel(sample=[2])
    assert daily_scores(track_of(alone, alone.ssh.values)) == {}


def passes(count=60, points=400, spacing_km=6.4, seed=0):
    """Passes northward, a day between two of them, of white noise."""
    rng = np.random.default_rng(seed)
    seconds = np.concatenate([86400 * number + 0.95 * np.arange(points) for number in range(count)])
    lat = np.tile(20 + np.arange(points) * spacing_km / 111.1949, count)
    observed = rng.normal(0.1, 0.2, count * points)
    time = DAYS[0] + (seconds * 1e9).astype("timedelta64[ns]")
    return Track(np.zeros(len(lat), int), time, lat, np.full(len(lat), -60.0), observed, observed)


@pytest.mark.parametrize("wavelength", [60.0, 133.0])
def test_a_known_filter_gives_its_wavelength(wavelength):
    """The error's spectrum over the signal's is (wavelength k)^2 / 2."""
    track = passes()
    assert track.spacing_km == pytest.approx(6.4, rel=1e-5)
    waves = np.fft.rfft(track.observed.reshape(60, 400), axis=1)
    gain = np.fft.rfftfreq(400, 6.4) * wavelength / 2**0.5
    error = np.fft.irfft(waves * gain, 400, axis=1).ravel()
    track = Track(track.satellite, track.time, track.lat, track.lon, track.observed, track.observed + error)
    assert resolved_along(track, 1000.0) == pytest.approx(wavelength, rel=0.02)


def test_segments_stay_within_a_pass_and_begin_a_quarter_after_one_another():
    track = passes(count=3, points=40)
    found = [(part.start, part.stop) for part in track.segments(16)]
    assert found == [
        (40 * number + first, 40 * number + first + 16) for number in range(3) for first in range(0, 25, 4)
    ]
    longer = np.insert(np.diff(track.time), 0, np.timedelta64(0))
    longer[20] += np.timedelta64(4, "s")  # a gap in the first pass
    torn = Track(track.satellite, DAYS[0] + longer.cumsum(), track.lat, track.lon, track.observed, track.mapped)
    assert [part.start for part in torn.segments(16)][:5] == [0, 4, 20, 24, 40]
    other = np.repeat([0, 1], 60)
    assert 44 not in [part.start for part in Track(other, *list(vars(track).values())[1:]).segments(20)]


def test_short_passes_have_no_spectrum():
    track = passes(count=2, points=40)
    assert has_segment(track, 250.0)
    assert not has_segment(track, 1000.0)
    assert not has_segment(track, 20.0)  # three points
    assert not has_segment(passes(count=12, points=1), 250.0)


def test_nothing_is_held_out(tracks):
    assert held_out(tracks)
    assert not held_out(tracks.drop_vars("held_out"))
    assert not held_out(tracks.assign(held_out=("point", np.zeros(800, bool))))
