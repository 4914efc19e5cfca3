"""The temperature of the simulated sea: heights are the same without it, heat flows to the cold, clouds hide it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.physics.qg import TwoLayerFlow
from dlgd.problems.ssh.data.simulated import SSH
from dlgd.problems.ssh.data.simulated_sea import SeaOptions, simulate
from dlgd.problems.ssh.data.simulated_sst import SSTOptions, StirredTemperature, clouds
from tests.problems.ssh.data.test_simulated import SMALL, SMALL_SEA, options

SEEN = SSTOptions(seen=True)


@pytest.fixture(scope="module")
def turbulent() -> xr.Dataset:
    return simulate(SeaOptions(years=0.4, days_of_spinup=300, cells=32), sst=SEEN)


def test_heights_are_the_same_to_the_last_bit():
    sea = SeaOptions(years=0.03, days_of_spinup=4, cells=32)
    with_it = simulate(sea, sst=SEEN)
    xr.testing.assert_identical(with_it.drop_vars("sst"), simulate(sea))
    assert with_it.sst.dtype == np.float32
    assert with_it.sst.attrs["units"] == "degC"


def test_one_step_after_the_other_is_the_same_flow():
    flow = TwoLayerFlow(size=1e6, cells=32, deformation_radius=4e4, depth_ratio=0.25, beta=1.8e-11, mean_flow=(0.2, 0))
    state = flow.random_state(speed=0.5, seed=0, wavelength=2.5e5)
    stirred = StirredTemperature(flow, SEEN, dissipation=1e-4)
    assert torch.equal(stirred.advance(state, 86400.0, 20), flow.advance(state, 86400.0, 20))


def test_it_looks_like_the_temperature_of_a_front(turbulent):
    sst, ssh = (turbulent[name].values.astype(float) for name in ("sst", "ssh"))
    profile = sst.mean((0, 2))
    assert np.corrcoef(profile, np.arange(32))[0, 1] < -0.95, "cold in the north"
    theta = sst - profile[:, None]
    assert 0.4 < theta.std() < 3
    assert np.corrcoef(theta.ravel(), ssh.ravel())[0, 1] > 0.3, "highs are warm in the northern hemisphere"
    # v = g / f d ssh / dx carries heat from warm to cold, on average
    east = np.roll(ssh, -1, -1) - np.roll(ssh, 1, -1)
    assert (east * theta).mean() > 0.02 * east.std() * theta.std()


def test_clouds_hide_the_share_that_was_asked_for_in_patches_that_stay():
    rng = np.random.default_rng(0)
    hidden = clouds((60, 64, 64), share=0.3, lengths=(1.0, 4.0, 4.0), rng=rng)
    assert hidden.mean() == pytest.approx(0.3, abs=0.02)
    assert hidden.mean((1, 2)).std() > 0.02, "some days have more of them"
    same_day, next_day, far = (hidden & np.roll(hidden, shift, axis) for shift, axis in ((1, 2), (1, 0), (10, 0)))
    assert same_day.mean() > 0.26
    assert next_day.mean() > 0.15
    assert far.mean() == pytest.approx(0.1, abs=0.02)
    assert not clouds((5, 6, 7), share=0.0, lengths=(1.0, 1.0, 1.0), rng=rng).any()


def test_what_is_seen_has_noise_and_gaps(turbulent):
    options = SSTOptions(seen=True, noise_std=0.3, clouds=0.4)
    seen = options.observe(turbulent, seed=1)
    errors = (seen.sst - turbulent.sst).values
    assert np.isnan(errors).mean() == pytest.approx(0.4, abs=0.03)
    assert np.nanstd(errors) == pytest.approx(0.3, rel=0.01)
    xr.testing.assert_identical(seen, options.observe(turbulent, seed=1))
    assert not seen.sst.equals(options.observe(turbulent, seed=2).sst)


def make(**changes) -> SSH:
    usual = options()
    merged = {key: {**usual[key], **value} if isinstance(value, dict) else value for key, value in changes.items()}
    return SSH(**usual | merged)


def test_it_has_a_cache_entry_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path))
    without, seeing, cloudy = (
        make(sea=SMALL_SEA, **SMALL, sst=sst) for sst in ({}, {"seen": True}, {"seen": True, "clouds": 0.8})
    )
    for source in (without, seeing, cloudy):
        source.prepare()
    assert len(list(tmp_path.glob("ssh-*/sea.nc"))) == 2, "clouds are no part of the simulation"
    for split in ("train", "valid", "test"):
        samples = seeing.samples(split)
        xr.testing.assert_identical(samples.drop_vars("sst"), without.samples(split))
        assert samples.sst.dims == ("day", "lat", "lon")
        assert samples.sst.isnull().mean() < cloudy.samples(split).sst.isnull().mean()
    assert {"sst_mean", "sst_std"} <= set(seeing.statistics)
    assert {"sst_mean", "sst_std"}.isdisjoint(without.statistics)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"clouds": 1.0}, r"data\.sst\.clouds=1.0 must be .*share of the cells"),
        ({"seen": "yes"}, r"data\.sst\.seen=yes"),
        ({"restoring_days": 0}, r"data\.sst\.restoring_days=0 must be a number above 0"),
        ({"noise_std": -0.1}, r"data\.sst\.noise_std=-0.1"),
        ({"cloud": 0.5}, r"data\.sst\.cloud is unknown: .*did you mean cloud"),
    ],
)
def test_what_is_refused(changes, said):
    with pytest.raises(Refusal, match=said):
        make(sst=changes).check()
