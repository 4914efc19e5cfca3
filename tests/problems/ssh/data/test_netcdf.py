"""data=ssh_netcdf: one sea from a person's own files, with observations of three kinds, cut by date or by share."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch.nn import functional

from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.problems.ssh.data.netcdf import SSHNetCDF
from tests.problems.ssh.data.sea_files import DAYS, duacs, fields, registry, seen, source, starter, tracks, truth


def test_every_option_is_in_the_configuration():
    options = OmegaConf.load(CONF / "data" / "ssh_netcdf.yaml").data
    assert set(options) - {"_target_"} == set(inspect.signature(SSHNetCDF).parameters)


# --- observations ------------------------------------------------------------------------------------------------


def whole(data: SSHNetCDF) -> tuple[np.ndarray, np.ndarray]:
    """Truth and observations of the twenty days, NaN where no split has them."""
    data.prepare()
    maps = np.full((2, *truth().shape), np.nan)
    for split in SPLITS:
        samples = data.samples(split)
        for number, (name, time) in enumerate((("ssh", samples.time), ("observations", samples.day))):
            maps[number, (time.values.astype("datetime64[D]") - DAYS[0]).astype(int)] = samples[name].values
    return maps[0], maps[1]


def known(maps: np.ndarray) -> np.ndarray:
    """Days that are not NaN everywhere."""
    return np.isfinite(maps).any(axis=(1, 2))


def test_observations_that_stand_beside_the_reference_are_found(tmp_path):
    ssh, observations = whole(source(starter(tmp_path / "a.nc")))
    np.testing.assert_allclose(ssh[known(ssh)], truth()[known(ssh)], atol=1e-7)
    np.testing.assert_allclose(observations[known(observations)], seen()[known(observations)], atol=1e-7)
    assert known(observations).sum() == 20
    assert known(ssh).sum() == 20 - 2 * 2


def test_observations_in_a_file_of_their_own(tmp_path):
    path, own = registry(tmp_path)
    data = source(
        path, observations=str(own), names={"lat": None, "lon": None, "time": None, "observations": "ssh_mod"}
    )
    _, observations = whole(data)
    np.testing.assert_array_equal(np.isfinite(observations), np.isfinite(seen()))
    np.testing.assert_allclose(observations[np.isfinite(seen())], truth()[np.isfinite(seen())], atol=1e-7)


def test_a_reference_alone_is_observed_by_simulated_satellites(tmp_path):
    """With their noise, at sea, beside land, and the same each time."""
    data = source(duacs(tmp_path / "a.nc"), noise_std=0.0, satellites="swot_and_four_nadirs", margin=3)
    _, observations = whole(data)
    seen_there = np.isfinite(observations)
    assert 0.02 < seen_there.mean() < 0.6
    assert not seen_there[:, :3, :4].any()
    # cells are a quarter of a degree wide and the wave has a length of four degrees: means and noon differ by this much
    assert np.nanmax(abs(observations - truth())) < 0.2
    assert source(tmp_path / "a.nc", noise_std=0.0, margin=3).checksum() != data.checksum()
    noisy = source(tmp_path / "a.nc", noise_std=0.1, satellites="swot_and_four_nadirs", margin=3)
    assert np.nanstd(whole(noisy)[1] - observations) > 0.02
    assert "track_ssh" in data.samples("test")


def test_the_simulated_satellites_may_be_asked_for(tmp_path):
    _, observations = whole(source(starter(tmp_path / "a.nc"), observations="simulated"))
    assert (np.isfinite(observations) != np.isfinite(seen())).any()


def test_tracks_are_averaged_over_cells_and_days(tmp_path):
    paths = [str(path) for path in tracks(tmp_path)]
    data = source(starter(tmp_path / "a.nc"), observations=paths, held_out="j3")
    _, observations = whole(data)
    assert np.nanmax(observations) < 1.0, "the third satellite is 5 m off"
    assert not np.isfinite(observations[:, :3, :4]).any()
    held = data.samples("test").held_out.values
    assert held.any()
    assert not held.all()


def test_a_warning_where_observations_are_something_else(tmp_path, caplog):
    fields(ssh=truth(), nadir_obs=100 * seen()).to_netcdf(tmp_path / "a.nc")
    source(tmp_path / "a.nc").prepare()
    assert "are both the same height in the same units?" in caplog.text


def test_files_to_predict_from_may_have_the_names_of_others(tmp_path):
    """With truth and without, in both of the formats with gridded observations."""
    data = source(None)
    data.use_statistics({"mean": 0.1, "std": 0.2})
    both, (_, alone) = starter(tmp_path / "a.nc"), registry(tmp_path)
    for path in (both, alone):
        samples = data.read(path)
        np.testing.assert_allclose(samples.observations.values, seen(), atol=1e-7)
        assert samples.sizes["sample"] == 20
        assert (samples.time.values.astype("datetime64[D]") == DAYS).all()
        batches = list(data.encode(samples, halo=0, device="cpu"))
        assert sum(len(batch) for batch in batches) == 20
        assert batches[0].mask.any() == ("ssh" in samples) == (path == both)
    np.testing.assert_allclose(data.read(both).ssh.values, truth(), atol=1e-7)
    np.testing.assert_array_equal(data.read(both).sea.values, np.isfinite(truth()[0]))


# --- splits -------------------------------------------------------------------------------------------------------


def dates(data: SSHNetCDF) -> dict[str, tuple[str, str]]:
    data.prepare()
    days = {split: data.samples(split).time.values.astype("datetime64[D]").astype(str) for split in SPLITS}
    return {split: (str(found[0]), str(found[-1])) for split, found in days.items()}


def test_parts_by_share(tmp_path):
    """20 days less two gaps of 2: 10 of 16 to train, 2 and 4."""
    splits = {"train": 0.65, "valid": 0.125, "test": 0.25, "gap": None}
    assert dates(source(starter(tmp_path / "a.nc"), splits=splits | {"train": 0.625})) == {
        "train": ("2012-10-01", "2012-10-10"),
        "valid": ("2012-10-13", "2012-10-14"),
        "test": ("2012-10-17", "2012-10-20"),
    }
    with pytest.raises(Refusal, match="must not sum to more than 1"):
        source(tmp_path / "a.nc", splits=splits).check()
    wider = dates(source(tmp_path / "a.nc", splits=splits | {"train": 0.5, "gap": 4}))
    assert wider["valid"][0] == "2012-10-11"


def test_parts_by_date(tmp_path):
    splits = {
        "train": ["2012-10-01", "2012-10-08"],
        "valid": ["2012-10-11", "2012-10-12"],
        "test": ["2012-10-15", "2012-10-19"],
        "gap": None,
    }
    found = dates(source(starter(tmp_path / "a.nc"), splits=splits))
    assert found == {split: tuple(splits[split]) for split in SPLITS}
    with pytest.raises(
        Refusal, match=r"data.splits.test=\[2012-10-15,2012-10-22\] is not within the days 2012-10-01 to"
    ):
        source(tmp_path / "a.nc", splits=splits | {"test": ["2012-10-15", "2012-10-22"]}).prepare()
    with pytest.raises(Refusal, match=r"data.splits.valid=0.2 must be two days"):
        source(tmp_path / "a.nc", splits=splits | {"valid": 0.2}).check()
    with pytest.raises(Refusal, match="split begins 1 days after"):
        source(tmp_path / "a.nc", splits=splits | {"valid": ["2012-10-10", "2012-10-12"]}).prepare()


def test_the_test_part_may_come_first(tmp_path):
    """As in the challenge of 2020."""
    splits = {
        "test": ["2012-10-01", "2012-10-04"],
        "valid": ["2012-10-07", "2012-10-08"],
        "train": ["2012-10-11", "2012-10-20"],
        "gap": None,
    }
    assert dates(source(starter(tmp_path / "a.nc"), splits=splits))["test"] == ("2012-10-01", "2012-10-04")


# --- tensors -----------------------------------------------------------------------------------------------------


def test_a_batch_of_files_with_land(tmp_path):
    data = source(starter(tmp_path / "a.nc"))
    data.prepare()
    batch = data.stream(halo=2, batch_size=4, seed=0, device="cpu").batch(0)
    assert batch.input.shape == (4, 10, 12, 12)
    assert torch.isfinite(batch.input).all()
    samples = data.samples("test")
    (encoded,) = data.encode(samples, halo=0, device="cpu")
    back = data.to_physical(encoded.target, samples)
    np.testing.assert_allclose(back, samples.ssh, atol=1e-6)
    assert np.isnan(back[:, :3, :4]).all()


def test_a_hole_is_sea_that_is_not_known_on_its_day(tmp_path):
    """It is no target, its observations stay, and a network's answer has values there."""
    ssh = truth()
    ssh[15:18, 6:9, 6:10] = np.nan
    fields(ssh=ssh, nadir_obs=seen()).to_netcdf(tmp_path / "a.nc")
    data = source(tmp_path / "a.nc")
    data.prepare()
    samples = data.samples("test")
    hole = np.isnan(samples.ssh.values) & samples.sea.values
    assert hole.any()
    np.testing.assert_array_equal(samples.sea, np.isfinite(truth()[0]))
    np.testing.assert_array_equal(np.isfinite(data.read(tmp_path / "a.nc").observations), np.isfinite(seen()))
    (encoded,) = data.encode(samples, halo=0, device="cpu")
    np.testing.assert_array_equal(encoded.mask[:, 1], np.isfinite(samples.ssh))
    assert torch.isfinite(encoded.input).all()
    back = data.to_physical(encoded.target, samples)
    np.testing.assert_array_equal(np.isfinite(back), np.broadcast_to(samples.sea, back.shape))
    batch = data.stream(halo=0, batch_size=8, seed=0, device="cpu").batch(0)
    assert torch.isfinite(batch.input).all()


def test_tiles_of_maps_give_the_whole_maps(tmp_path):
    """Through the tensors of a network without halo that only looks at a cell, and of one with a halo."""
    path = starter(tmp_path / "a.nc")
    for halo in (0, 2):
        answers = []
        for tile in (None, 8):
            data = source(path, tile=tile)
            samples = data.samples("test")
            batches = list(data.encode(samples, halo=halo, device="cpu"))
            guess = torch.cat([batch.input[:, :3] for batch in batches])  # three days of first guesses
            seen_by = functional.avg_pool2d(guess, 2 * halo + 1, stride=1)
            answers.append(data.to_physical(seen_by, samples))
            assert len(guess) == (1 if tile is None else 2 * 3) * samples.sizes["sample"]
        np.testing.assert_allclose(answers[1], answers[0], atol=1e-6)


def test_tiny_has_land_and_the_same_channels():
    data = source(None)
    tiny = data.tiny()
    tiny.prepare()
    assert tiny.spec.input_channels == data.spec.input_channels
    assert not tiny.samples("train").sea.values.all()


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"names": {"latitude": "y"}}, "data.names.latitude is unknown: names can be given to lat, lon, time, obs"),
        ({"names": {"lat": 7}}, "data.names.lat=7 must be a name"),
        ({"time_units": "days"}, "data.time_units=days must be such as 'days since 2012-10-01'"),
        ({"box": [1, 2]}, r"data.box=\[1, 2\] must be \[south,north,west,east\]"),
        ({"period": ["2013-01-01"]}, r"data.period=\['2013-01-01'\] must be two days"),
        ({"splits": {"train": 0.5}}, "data.splits must give train, valid, test"),
        (
            {"splits": {"train": 60, "valid": 0.1, "test": 0.1, "gap": None}},
            "data.splits.train=60 must be a number above 0",
        ),
        (
            {"splits": {"train": 0.5, "valid": 0.1, "test": 0.1, "gap": 0.5}},
            "data.splits.gap=0.5 must be a whole number of at least 0, or null",
        ),
        ({"satellites": "sputnik"}, "data.satellites=sputnik is unknown"),
        ({"held_out": "sputnik"}, "data.held_out=sputnik is unknown"),
        ({"noise_std": -1.0}, "data.noise_std=-1.0 must be a number of at least 0"),
    ],
)
def test_options_that_cannot_work(change, words):
    with pytest.raises(Refusal, match=words):
        source(None, **change).check()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": None}, "data=ssh_netcdf needs files: type path="),
        ({"path": "nowhere/*.nc"}, r"path=nowhere/\*.nc: there is no such file"),
        ({"target": "eta"}, "has no eta: choose data.target among ssh, nadir_obs"),
        ({"observations": "nadirs"}, "observations=nadirs: there is no such file.* and it is no variable of .*a.nc"),
        ({"observations": "nadir_obs", "held_out": "c2"}, "data.held_out=c2 needs observations along tracks"),
        ({"margin": 15}, "20 days less two gaps of 16 are too few for three splits"),
        ({"patch": 64}, "data.patch=64 does not fit maps of 12 x 16 cells"),
    ],
)
def test_files_that_cannot_work(tmp_path, change, words):
    data = source(**({"path": starter(tmp_path / "a.nc")} | change))
    with pytest.raises(Refusal, match=words):
        data.stream(halo=0, batch_size=2, seed=0, device="cpu")


def test_splits_without_observations_are_told(tmp_path, caplog):
    early = seen()
    early[12:] = np.nan
    fields(ssh=truth(), nadir_obs=early).to_netcdf(tmp_path / "a.nc")
    source(tmp_path / "a.nc").prepare()
    assert "of the test split" in caplog.text
    assert "of the train split" not in caplog.text


def test_a_truncated_granule_among_tracks_is_left_out(tmp_path, caplog):
    registry(tmp_path)
    paths = tracks(tmp_path)
    (tmp_path / "granules").mkdir()
    for path in paths:
        path.rename(tmp_path / "granules" / path.name)
    (tmp_path / "granules" / "a_first.nc").write_bytes((tmp_path / "granules" / paths[0].name).read_bytes()[:3000])
    found = source(tmp_path / "ssh_y2013.1y.nc", observations=str(tmp_path / "granules")).samples("train")
    assert np.isfinite(found.observations).any()
    assert any(one.startswith("left out: ") and "a_first.nc" in one for one in caplog.messages)
    assert f"1 of {len(paths) + 1} files cannot be used and are left out" in caplog.text
