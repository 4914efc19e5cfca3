"""Scores of maps of sea surface height against loops, what is refused, and files that others can read."""

import logging

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.physics.geostrophy import velocity, vorticity
from dlgd.problems.ssh.scores.evaluation import SshEvaluation
from tests.problems.ssh.scores.samples_made import COLUMNS, DAYS, ROWS, evaluation, guess, made

SPECTRAL = {"lambda_x", "lambda_x_degrees", "lambda_t", "lambda_x_crossing", "lambda_t_crossing"}


@pytest.fixture
def samples():
    return made()


def by_loops(truth, guessed):
    """Day by day and cell by cell."""
    squares, signals, daily = [], [], []
    for day in range(len(truth)):
        cells = [place for place in np.ndindex(truth.shape[1:]) if np.isfinite(truth[day][place])]
        squares.append([(guessed[day][place] - truth[day][place]) ** 2 for place in cells])
        signals.append([truth[day][place] ** 2 for place in cells])
        daily.append(1 - np.mean(squares[-1]) ** 0.5 / np.mean(signals[-1]) ** 0.5)
    return {
        "rmse": np.mean(squares) ** 0.5,
        "mu": 1 - np.mean(squares) ** 0.5 / np.mean(signals) ** 0.5,
        "mu_daily": np.mean(daily),
        "sigma": np.sqrt(np.mean((daily - np.mean(daily)) ** 2)),
        "explained_variance": 1 - np.nanvar(guessed - truth) / np.nanvar(truth),
    }


@pytest.mark.parametrize("land", [False, True])
def test_scores_agree_with_loops(land):
    samples = made(land)
    guessed = guess(samples)
    truth = samples.ssh.values.astype(np.float64)
    scores = evaluation().scores(samples, guessed)
    expected = by_loops(truth, guessed)
    assert {name: scores[name] for name in expected} == pytest.approx(expected)
    assert set(scores) <= {score.name for score in SshEvaluation.all_scores}
    assert all(type(value) is float for value in scores.values())
    place = {"lat": samples.lat.values, "lon": samples.lon.values}
    wrong = np.where(np.isnan(truth), np.nan, guessed)
    (u, v), (u_wrong, v_wrong) = velocity(truth, **place), velocity(wrong, **place)
    assert scores["rmse_u"] == pytest.approx(np.sqrt(np.nanmean((u_wrong - u) ** 2) + np.nanmean((v_wrong - v) ** 2)))
    shares = (np.nanvar(u_wrong - u) + np.nanvar(v_wrong - v)) / (np.nanvar(u) + np.nanvar(v))
    assert scores["explained_variance_u"] == pytest.approx(1 - shares)
    zeta, zeta_wrong = vorticity(truth, **place), vorticity(wrong, **place)
    assert scores["rmse_vorticity"] == pytest.approx(np.sqrt(np.nanmean((zeta_wrong - zeta) ** 2)))
    assert scores["explained_variance_vorticity"] == pytest.approx(1 - np.nanvar(zeta_wrong - zeta) / np.nanvar(zeta))


def test_velocities_piece_by_piece_are_the_same(samples, monkeypatch):
    guessed = guess(samples)
    usual = evaluation().scores(samples, guessed)
    monkeypatch.setattr("dlgd.problems.ssh.scores.errors.MAX_BATCH_ELEMENTS", 5 * ROWS * COLUMNS)
    assert evaluation().scores(samples, guessed) == pytest.approx(usual, rel=1e-10)


def test_a_perfect_prediction_has_no_error_whatever_stands_on_land():
    samples = made(land=True)
    scores = evaluation().scores(samples, guess(samples, scale=0.0))
    assert scores["rmse"] == scores["sigma"] == scores["rmse_u"] == scores["rmse_vorticity"] == 0
    assert scores["mu"] == scores["mu_daily"] == scores["explained_variance"] == 1
    assert not SPECTRAL & set(scores)


def test_spectra_are_of_the_whole_or_of_a_box_without_land(samples, caplog):
    caplog.set_level("INFO")
    scores = evaluation().scores(samples, guess(samples, 0.01))
    assert scores["lambda_x"] == pytest.approx(
        scores["lambda_x_degrees"] * 111.195 * np.cos(np.deg2rad(samples.lat.values.mean())), rel=1e-5
    )
    assert set(scores) >= SPECTRAL
    assert not SPECTRAL & set(evaluation(spectra=False).scores(samples, guess(samples)))
    assert not caplog.messages
    coastal = made(land=True)
    with_land = evaluation()
    for _ in range(2):
        assert not SPECTRAL & set(with_land.scores(coastal, guess(coastal)))
    assert [message for message in caplog.messages if "there is land" in message] == caplog.messages[:1]
    box = [34.5, 38, -65, -59]  # north of the land
    there = evaluation(spectral_box=box).scores(coastal, guess(coastal, 0.01))
    part = samples.sel(lat=slice(34.5, 38))
    alone = evaluation().scores(part, guess(coastal, 0.01)[:, 6:])
    assert {name: there[name] for name in SPECTRAL} == pytest.approx({name: alone[name] for name in SPECTRAL})
    assert there["rmse"] != alone["rmse"], "the box of spectra is not that of other scores"
    with pytest.raises(Refusal, match=r"truth is not finite in \d+ .* choose a box without land"):
        evaluation(spectral_box=[33, 38, -65, -59]).scores(coastal, guess(coastal))


def test_a_box_cuts_all_scores_and_longitudes_may_count_from_0(samples):
    guessed = guess(samples)
    cut = evaluation(box=[34, 36.5, -64, -60]).scores(samples, guessed)
    part = samples.sel(lat=slice(34, 36.5), lon=slice(-64, -60))
    expected = evaluation().scores(part, guessed[:, 4:15, 4:21])
    assert cut == pytest.approx(expected)
    assert evaluation(box=[34, 36.5, 296, 300]).scores(samples, guessed) == cut
    with pytest.raises(Refusal, match=r"has no sea in it: the maps go from 33 to 37\.75 degrees north"):
        evaluation(box=[50, 60, -64, -60]).scores(samples, guessed)


def test_days_without_truth_do_not_count(samples):
    guessed = guess(samples)
    gone = samples.copy(deep=True)
    gone["ssh"][3] = np.nan
    kept = np.r_[0:3, 4:DAYS]
    scores = evaluation(spectra=False).scores(gone, guessed)
    assert scores == evaluation(spectra=False).scores(samples.isel(sample=kept), guessed[kept])
    with pytest.raises(Refusal, match=r"gap after 2012-10-24.*evaluation\.scores\.spectra=false"):
        evaluation(spectral_box=[33, 34.6, -62.9, -59]).scores(gone, guessed)


@pytest.mark.parametrize("land", [False, True])
def test_holes_of_some_days_do_not_count(land, caplog):
    """As under ice: each cell counts on the days when its truth is known, and spectra need all of them."""
    caplog.set_level("INFO")
    samples = made(land)
    samples["ssh"][3:7, 8:12, 10:20] = np.nan
    samples["ssh"][0, 10:, :] = np.nan
    guessed = guess(samples)
    truth = samples.ssh.values.astype(np.float64)
    scores = evaluation().scores(samples, guessed)
    error = guessed - truth
    squares, signals = np.nanmean(error**2, axis=(1, 2)), np.nanmean(truth**2, axis=(1, 2))
    daily = 1 - np.sqrt(squares / signals)
    expected = {
        "rmse": np.sqrt(np.nanmean(error**2)),
        "mu": 1 - np.sqrt(np.nanmean(error**2) / np.nanmean(truth**2)),
        "mu_daily": daily.mean(),
        "sigma": daily.std(),
        "explained_variance": 1 - np.nanvar(error) / np.nanvar(truth),
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected)
    place = {"lat": samples.lat.values, "lon": samples.lon.values}
    zeta, zeta_wrong = vorticity(truth, **place), vorticity(truth + error, **place)
    assert scores["rmse_vorticity"] == pytest.approx(np.sqrt(np.nanmean((zeta_wrong - zeta) ** 2)))
    assert not SPECTRAL & set(scores)
    assert "Spectra are left out, as there is land, or holes in the truth" in caplog.text
    whole = evaluation(spectral_box=[33, 34.6, -62.9, -59])  # south of the holes and east of the land
    assert set(whole.scores(samples, guess(samples, 0.01))) >= SPECTRAL


def test_spectra_of_too_few_days_are_left_out(samples, caplog):
    """As those of a validation split of a short file."""
    with caplog.at_level(logging.INFO):
        scores = evaluation().scores(samples.isel(sample=slice(7)), guess(samples)[:7])
    assert "rmse" in scores
    assert not SPECTRAL & set(scores)
    assert "Spectra are left out. A spectrum needs 8 days or more, and these are 7." in caplog.text


def test_what_cannot_be_scored_is_refused(samples):
    scores, guessed = evaluation().scores, guess(samples)
    with pytest.raises(ValueError, match=r"where \(sample, lat, lon\) = \(12, 20, 24\)"):
        scores(samples, guessed[:, 1:])
    with pytest.raises(ValueError, match="no sample"):
        scores(samples.isel(sample=[]), guessed[:0])
    with pytest.raises(Refusal, match="needs 8 days or more, and these are 7"):
        evaluation(spectral_box=[33, 34.6, -62.9, -59]).scores(samples.isel(sample=slice(7)), guessed[:7])
    with pytest.raises(ValueError, match="NaN everywhere"):
        scores(samples * np.nan, guessed)
    with pytest.raises(ValueError, match="nothing to compare with"):
        scores(samples.assign(ssh=0 * samples.ssh), guessed)
    guessed[5, 3, 4] = np.nan
    with pytest.raises(ValueError, match="not finite at sea in 1 values, first on 2012-10-27"):
        scores(samples, guessed)


@pytest.mark.parametrize("box", ["nonsense", 3, [1, 2, 3], [34, 33, 0, 1], [33, 34, 0, "east"], [33, 34, 0, 400]])
def test_boxes_that_are_none_are_refused(box):
    for option in ("box", "spectral_box"):
        with pytest.raises(Refusal, match=rf"evaluation.scores.{option}=.*south, north, west, east"):
            evaluation(**{option: box})


def test_other_options_are_checked():
    with pytest.raises(Refusal, match=r"evaluation.scores.segment_km=0.0 must be a number above 0"):
        evaluation(segment_km=0.0)
    rows = [{"name": "DUACS", "source": "a challenge", "mu": 0.92, "lambda_x_degrees": 1.42}]
    assert evaluation(published=rows).published[0]["mu"] == 0.92
    with pytest.raises(Refusal, match="this one has"):
        evaluation(published=[{"name": "DUACS", "source": "a challenge", "skill": 1}])


def test_held_out_tracks_are_scored(samples, caplog):
    """Along a meridian, 500 km."""
    caplog.set_level("INFO")
    points = np.arange(70)
    lat = np.tile(33.3 + points * 0.06, 3)
    time = samples.time.values[[2, 4, 6]].repeat(70) + np.tile(points, 3) * np.timedelta64(1, "s")
    fields = {"ssh": 0.3 + 0.1 * np.sin(7 * lat), "time": time, "lat": lat, "lon": np.full(210, -62.0)}
    fields["satellite"] = np.zeros(210, int)
    tracked = samples.assign({f"track_{name}": ("point", values) for name, values in fields.items()})
    tracked = tracked.assign(held_out=("point", np.ones(210, bool)))
    perfect = np.broadcast_to(0.3 + 0.1 * np.sin(7 * samples.lat.values)[:, None], samples.ssh.shape)
    scores = evaluation().scores(tracked, perfect)
    assert 0.9 < scores["track_mu"] < 1
    assert 0 < scores["track_lambda_x"] < 100
    shorter = evaluation(segment_km=1000.0).scores(tracked, perfect)
    assert "track_lambda_x" not in shorter
    assert "no held-out pass" in caplog.messages[0]


def test_expected_errors_stand_in_files_beside_what_they_are_of(samples, tmp_path):
    scores, guessed = evaluation(), guess(samples)
    std = np.abs(guessed) + 0.01
    assert scores.writes_error_std
    scores.with_error_std(scores.dataset(samples, guessed), samples, std).to_netcdf(tmp_path / "predictions.nc")
    with xr.open_dataset(tmp_path / "predictions.nc") as read:
        np.testing.assert_allclose(read.ssh_error_std, std, rtol=1e-6)
        assert read.ssh_error_std.attrs["units"] == "m"
        assert read.ssh_error_std.attrs["standard_name"] == "sea_surface_height_above_geoid standard_error"
        assert read.ssh.attrs["ancillary_variables"] == "ssh_error_std"


def test_without_a_truth_nothing_but_tracks_is_scored_and_maps_are_drawn(samples, tmp_path):
    unknown, guessed = samples.drop_vars("ssh"), guess(samples)
    assert evaluation().scores(unknown, guessed) == {}
    evaluation().figures(tmp_path, unknown, {"a": guessed, "b": guessed})
    before = (tmp_path / "maps.png").read_bytes()
    evaluation().error_std_figures(tmp_path, unknown, {"a": guessed, "b": guessed}, {"b": np.abs(guessed)})
    assert [path.name for path in tmp_path.iterdir()] == ["maps.png"]
    assert (tmp_path / "maps.png").read_bytes() != before


def test_predictions_are_files_that_others_can_read(samples, tmp_path):
    guessed = guess(samples)
    evaluation().dataset(samples, guessed).to_netcdf(tmp_path / "predictions.nc")
    with xr.open_dataset(tmp_path / "predictions.nc") as read:
        assert read.ssh.dims == ("time", "lat", "lon")
        assert (read.ssh.units, read.ssh.standard_name) == ("m", "sea_surface_height_above_geoid")
        assert (read.lat.units, read.lon.standard_name) == ("degrees_north", "longitude")
        np.testing.assert_allclose(read.ssh, guessed, rtol=1e-6)
        np.testing.assert_array_equal(read.ssh_truth, samples.ssh)
        np.testing.assert_array_equal(read.observations, samples.observations)
        np.testing.assert_array_equal(read.time, samples.time)
        assert read.attrs["noise_std"] == 0.02
    some = samples.drop_vars("ssh").isel(sample=[1, 7])
    written = evaluation().dataset(some.assign(day=some.day + np.timedelta64(1, "D")), guessed[[1, 7]])
    assert "ssh_truth" not in written
    np.testing.assert_array_equal(written.observations, samples.observations[[0, 6]])
