"""Maps and their expected errors from tracks alone, by classical methods and networks, as they are typed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from dlgd.problems.ssh.data.tiny import random_sea
from tests.problems.ssh.data.tracks_made import FIRST, cmems, slope, waves

WHERE = ("data=ssh_tracks", "box=[-62,-58,34,37]", "step=0.25", "period=[2019-01-03,2019-01-08]", "data.margin=4")
OI = ("baseline=oi", "baseline.std=null", "tracking=off")
SCORED = ("evaluation.methods=null", "evaluation.scores.spectra=false")
SMALL = "data.days=3 data.margin=1 data.patch=8 training=debug training.steps=2 tracking=off"


@pytest.fixture
def tracks(tmp_path):
    return cmems(tmp_path / "tracks")


def answer(path):
    with xr.open_dataset(path) as opened:
        return opened.load()


def has_errors(found):
    assert found.ssh_error_std.dims == found.ssh.dims == ("time", "lat", "lon")
    assert found.ssh_error_std.attrs["units"] == "m"
    assert "standard deviation of the error" in found.ssh_error_std.attrs["long_name"]
    assert (found.ssh_error_std.values > 0).all()
    return found


def test_baseline_and_predict_make_the_same_maps(dlgd, tmp_path, tracks):
    done = dlgd("baseline", *OI, *WHERE, "observations=tracks/*.nc", "output=maps.nc", "hydra.run.dir=scored")
    assert done.returncode == 0, done.stderr
    maps = has_errors(answer(tmp_path / "maps.nc"))
    xr.testing.assert_identical(maps, answer(tmp_path / "scored" / "predictions.nc"))
    assert (tmp_path / "scored" / "figures" / "maps.png").is_file()
    assert maps.time.values.astype("datetime64[D]").astype(str).tolist() == [f"2019-01-0{day}" for day in range(3, 9)]
    assert maps.ssh.shape == (6, 13, 17)
    day = (maps.time - FIRST) / np.timedelta64(1, "D")
    truth = slope(maps.lat, maps.lon) + waves(day, maps.lat, maps.lon)
    assert abs(maps.ssh - truth).mean() < 0.05
    assert maps.ssh_error_std.max() < 0.3
    predicted = dlgd("predict", *OI[:2], *WHERE, "input=tracks", "output=predicted.nc")
    assert predicted.returncode == 0, predicted.stderr
    assert "ssh_error_std" in predicted.stdout
    for name in ("ssh", "ssh_error_std"):
        np.testing.assert_array_equal(answer(tmp_path / "predicted.nc")[name], maps[name])
    refused = dlgd("predict", *OI[:2], *WHERE, "input=tracks/none*.nc", "output=none.nc")
    assert refused.returncode != 0
    assert "there is no such file" in refused.stderr
    before = sorted((path, path.read_bytes()) for path in (tmp_path / "tracks").iterdir())
    for command, option in (("predict", "input=tracks"), ("baseline", "observations=tracks")):
        refused = dlgd(command, *OI[: 3 if command == "baseline" else 2], *WHERE, option, f"output={before[0][0]}")
        assert refused.returncode != 0
        assert "would be lost" in refused.stderr
    assert sorted((path, path.read_bytes()) for path in (tmp_path / "tracks").iterdir()) == before


def test_a_network_maps_and_is_scored_along_a_satellite(dlgd, tmp_path, tracks):
    """dincae, trained on maps with cells as wide, expects errors, too."""
    sea = random_sea(days=60, shape=(24, 24), land=False, seed=0)
    sea.to_netcdf(tmp_path / "sea.nc")
    done = dlgd("train", "model=dincae", "data=ssh_netcdf", "path=sea.nc", *SMALL.split(), *SCORED, "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    has_errors(answer(tmp_path / "run" / "predictions.nc"))
    asked = ("run=run", *WHERE, "data.days=3")
    done = dlgd("predict", *asked, "input=tracks", "output=maps.nc")
    assert done.returncode == 0, done.stderr
    assert has_errors(answer(tmp_path / "maps.nc")).ssh.shape == (6, 13, 17)
    done = dlgd("predict", *asked, "step=1", "input=tracks", "output=coarse.nc")
    assert done.returncode != 0
    assert "type step=0.2" in done.stderr
    scored = dlgd("evaluate", *asked, "observations=tracks", "held_out=Two", "evaluation.scores.segment_km=200")
    assert scored.returncode == 0, scored.stderr
    folder = tmp_path / "run" / "evaluation" / "ssh_tracks-test"
    rows = {row["method"]: row for row in json.loads((folder / "scores.json").read_text())}
    assert {"dincae", "OI", "OI, tuned", "linear in time", "mean"} == set(rows)
    assert rows["OI, tuned"]["track_mu"] > rows["mean"]["track_mu"]
    assert "rmse" not in rows["OI"]
    has_errors(answer(folder / "predictions.nc"))


def test_training_on_tracks_is_refused(dlgd, tracks):
    done = dlgd("train", "model=cnn", *WHERE, "observations=tracks", "training=debug", "tracking=off")
    assert done.returncode != 0
    assert "has no maps to train on" in done.stderr
    assert "Traceback" not in done.stderr
