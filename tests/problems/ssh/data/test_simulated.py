"""data=ssh: the simulated sea, kept in the cache and observed; its small version."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from omegaconf import OmegaConf

from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.physics.qg import TwoLayerFlow
from dlgd.problems.ssh.data import simulated_sea
from dlgd.problems.ssh.data.simulated import SSH
from dlgd.problems.ssh.data.tiny import TinySSH, random_sea

SMALL_SEA = {"years": 0.3, "days_of_spinup": 5, "cells": 32}
SMALL = {"splits": {"train": 20, "valid": 5, "test": 5, "gap": 19}, "patch": 16}


def options() -> dict[str, Any]:
    """Those of conf/data/ssh.yaml."""
    config = OmegaConf.to_container(OmegaConf.load(CONF / "data" / "ssh.yaml"))
    return {key: value for key, value in config.items() if key not in ("defaults", "_target_")}


def make(**changes: Any) -> SSH:
    """With the shipped options; of mappings, what is not changed stays."""
    chosen = options()
    for key, value in changes.items():
        chosen[key] = chosen[key] | value if isinstance(value, dict) else value
    return SSH(**chosen)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def flow(folder, monkeypatch) -> TwoLayerFlow:
    """What the data set with the shipped options simulates its sea with; on fewer points and for fewer days."""
    made = []

    class Recorded(TwoLayerFlow):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(self)

    monkeypatch.setattr(simulated_sea, "TwoLayerFlow", Recorded)
    make(sea={"years": 0.2, "days_of_spinup": 0, "cells": 32}, **SMALL).prepare()
    (one,) = made
    return one


def vorticity_of_one_wave(flow: TwoLayerFlow, layer: int, row: int) -> torch.Tensor:
    """A state: potential vorticity in one layer alone, a wave whose crests run west-east. Neither the mean flow nor
    beta nor the wave itself moves it."""
    state = torch.zeros(2, flow.cells, flow.columns, dtype=torch.complex64)
    state[layer, row, 0] = 1e-3
    return state


def test_bottom_drag_slows_the_lower_layer_within_seven_days(flow):
    """A lower layer without the upper one would fall to 1/e; with it, q_2 decays at r (k2 + F_1) / (k2 + F_1 + F_2)."""
    k2, radius, depth_ratio = (2 * math.pi / 1e6) ** 2, 40e3, 0.25
    f1 = 1 / (radius**2 * (1 + depth_ratio))
    f2 = depth_ratio * f1
    state = vorticity_of_one_wave(flow, layer=1, row=1)
    later = flow.advance(state, 7 * 86400.0, 7 * 24)
    expected = math.exp(-(k2 + f1) / (k2 + f1 + f2))
    assert float((later / state)[1, 1, 0].real) == pytest.approx(expected, rel=1e-4)
    assert float(later[0].abs().max()) < 1e-9, "bottom drag does not reach the upper layer's potential vorticity"


def test_dissipation_takes_three_hours_for_the_smallest_waves(flow):
    """To 1/e, and (k / largest)^8 times as long for others."""
    largest = flow.columns - 1
    for row in (largest, 7):
        state = vorticity_of_one_wave(flow, layer=0, row=row)
        decay = (flow.advance(state, 3 * 3600.0, 3) / state)[0, row, 0].real
        assert float(decay) == pytest.approx(math.exp(-((row / largest) ** 8)), rel=1e-5)


def test_the_defaults_of_the_simulation_are_the_shipped_options():
    defaults = vars(simulated_sea.SeaOptions())
    assert {name: defaults[name] for name in options()["sea"]} == options()["sea"]


def test_the_sea_is_simulated_once(folder):
    source = make(sea=SMALL_SEA, **SMALL)
    source.prepare()
    (file,) = folder.glob("ssh-*/sea.nc")
    before = file.stat().st_mtime_ns
    other = make(sea=SMALL_SEA, **SMALL, satellites="one_nadir")
    other.prepare()
    same = make(sea=SMALL_SEA, **SMALL)
    assert file.stat().st_mtime_ns == before, "however it is observed"
    assert source.checksum() == same.checksum() != other.checksum()
    with xr.open_dataset(file) as sea:
        for split, days in (("train", slice(0, 20)), ("valid", slice(39, 44)), ("test", slice(63, 68))):
            samples = source.samples(split)
            np.testing.assert_array_equal(samples.ssh, sea.ssh[days])
            np.testing.assert_array_equal(samples.time, sea.time[days])
            assert samples.observations.notnull().any()
            xr.testing.assert_equal(other.samples(split).ssh, samples.ssh)
    assert source.shape == source.spec.grid == source.samples("train").sea.shape
    make(sea=SMALL_SEA | {"seed": 1}, **SMALL).prepare()
    assert len(list(folder.glob("ssh-*/sea.nc"))) == 2


def test_observations_are_the_truth_and_noise(folder):
    source = make(sea=SMALL_SEA, **SMALL, noise_std=0.05, satellites="swot_and_four_nadirs")
    samples = source.samples("train")
    errors = (samples.observations.sel(day=samples.time.values).values - samples.ssh.values).ravel()
    errors = errors[np.isfinite(errors)]
    assert len(errors) > 500
    assert 0.01 < errors.std() < 0.08, "means of several observations have less, distance within a cell adds some"


def test_the_shipped_options_fit():
    source = make()
    source.check()
    assert len(source.spec.input_channels) == 3 * 9 + 1
    assert source.spec.days == 9
    assert source.spec.output_channels[4] == "ssh_+0"
    assert len(source.spec.output_channels) == 9
    days, margin = source.options.split_days, source.options.margin
    margins = [(days[split].start - margin, days[split].stop + margin) for split in SPLITS]
    assert margins[0][1] <= margins[1][0], "not even samples of two splits share an observation"
    assert margins[1][1] <= margins[2][0]


def test_less_training_can_be_scored_on_the_same_days():
    usual, short = make().options.split_days, make(splits={"train": 182, "skipped": 548}).options.split_days
    assert short["train"] == slice(548, 730)
    older = SSH(**(options() | {"splits": {"train": 730, "valid": 120, "test": 180, "gap": 30}}))
    assert older.options.split_days == usual
    assert [short[split] for split in ("valid", "test")] == [usual[split] for split in ("valid", "test")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sea": {"cells": 32.5}}, "data.sea.cells=32.5"),
        ({"sea": {"seed": -1}}, "data.sea.seed=-1"),
        ({"sea": {"drag": 3.0}}, r"data.sea.drag is unknown: .* \(did you mean drag_days"),
        ({"splits": {"other": 3}}, "data.splits must give"),
        ({"splits": {"test": 0}}, "data.splits.test=0"),
        ({"splits": {"skipped": -1}}, "data.splits.skipped=-1"),
        ({"splits": {"train": 2000}}, "data.splits need 2360 days, but data.sea.years=3.0 are 1096"),
        ({"splits": {"gap": 18}}, "the valid split begins 18 days after.*19 days around"),
        ({"patch": 129}, "data.patch=129"),
        ({"satellites": "nonsense"}, "data.satellites=nonsense"),
        ({"days": 3, "margin": 0}, "data.margin=0"),
    ],
)
def test_options_that_cannot_work(changes, said):
    with pytest.raises(Refusal, match=said):
        make(**changes).check()


# --- the small version ---------------------------------------------------------------------------------------


def test_tiny_is_ready_at_once_and_alike():
    source = make(days=7, predict="centre", coordinates=True, first_guess={"km": 80.0, "days": 3.0})
    tiny = source.tiny()
    tiny.prepare()
    assert isinstance(tiny, TinySSH)
    spec, small = source.spec, tiny.spec
    assert (spec.input_channels, spec.output_channels, spec.days) == (
        small.input_channels,
        small.output_channels,
        small.days,
    )
    for split in SPLITS:
        assert tiny.samples(split).observations.notnull().any(("lat", "lon")).mean() > 0.5
    batch = tiny.stream(halo=2, batch_size=3, seed=0, device="cpu").batch(0)
    assert batch.input.shape == (3, len(small.input_channels), 20, 20)
    assert batch.target.shape == (3, 1, 16, 16)
    assert torch.isfinite(batch.input).all()
    assert tiny.tiny() is tiny
    assert make(seed=1).tiny().checksum() != make().tiny().checksum()


def test_the_small_sea_is_smooth_and_has_land_if_asked_for():
    sea = random_sea(days=40, shape=(30, 36), land=True, seed=0).ssh.values
    land = np.isnan(sea[0])
    assert 0.02 < land.mean() < 0.1
    assert (np.isnan(sea) == land).all()
    open_sea = random_sea(days=40, shape=(30, 36), land=False, seed=0).ssh.values
    assert open_sea.std() == pytest.approx(0.3, rel=1e-4)
    for axis in range(3):
        assert np.diff(open_sea, axis=axis).std() < 0.4 * open_sea.std()
