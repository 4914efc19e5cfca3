"""First guesses by a classical method: which days it is asked for, what it is given, and where its maps go."""

from __future__ import annotations

import hydra
import numpy as np
import pytest
import xarray as xr
from omegaconf import OmegaConf

from dlgd.core.constants import SPLITS
from dlgd.core.contract import Method
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.problems.ssh.data import first_guesses
from tests.problems.ssh.data.seas_at_hand import COUNTS, DAYS, Small, record

HALF = DAYS // 2
SEA = record()


class Spy(Method):
    """Answers with the mean of a day's observations, and its number among the days asked for in one cell."""

    name, learns = "spy", True

    def __init__(self):
        self.asked, self.learnt = [], None

    def fit(self, train):
        self.learnt = train

    def predict(self, samples):
        self.asked.append(samples)
        found = samples.observations.reindex(day=samples.time.values)
        means = found.mean(("lat", "lon")).fillna(0.0).values
        maps = np.broadcast_to(means[:, None, None], (len(means), *samples.sea.shape))
        return np.where(samples.sea.values, maps, np.nan)


def small(method: Method, **changes) -> Small:
    guess = {"km": 40.0, "days": 2.0, "method": method, "observation_draws": changes.pop("observation_draws", 2)}
    source = Small(SEA, first_guess=guess, **changes)
    source.prepare()
    return source


def usual(name: str) -> Method:
    return hydra.utils.instantiate(OmegaConf.load(CONF / "baseline" / f"{name}.yaml"), _convert_="all")


@pytest.mark.parametrize("split", SPLITS)
def test_maps_of_all_days_that_a_window_has(split):
    spy = Spy()
    source = small(spy)
    samples = source.samples(split)
    (batch,) = source.encode(samples, halo=2, device="cpu")
    (asked,) = spy.asked
    xr.testing.assert_identical(spy.learnt, source.samples("train"))
    assert {"ssh", "track_ssh"} & set(asked.variables) == set(), "neither the truth nor what training days do not have"
    around = COUNTS[split] + HALF * {"train": 1, "valid": 2, "test": 1}[split]  # the record has no more days
    assert asked.sizes["sample"] == around
    day = dict(zip(samples.day.values, samples.observations.mean(("lat", "lon")).fillna(0.0).values, strict=True))
    for place, time in enumerate(samples.time.values):
        for offset in range(-HALF, HALF + 1):
            wanted = np.zeros((24, 28))
            mean = day.get(time + np.timedelta64(offset, "D"))
            if mean is not None:
                value = (mean - source.statistics["mean"]) / source.statistics["std"]
                wanted[2:22, 2:26] = np.where(samples.sea, value, 0.0)
            np.testing.assert_allclose(batch.input[place, HALF + offset], wanted, atol=1e-5)


def test_another_days_tracks():
    train = small(Spy()).samples("train")
    shifted = first_guesses.observed_by_others(train, 7)
    count, own = COUNTS["train"], train.observations.values[: COUNTS["train"]]
    assert shifted.sizes["day"] == count
    errors = own - train.ssh.values
    for day in range(count):
        other = (day + 7) % count
        np.testing.assert_allclose(shifted.observations[day], train.ssh[day] + errors[other], atol=1e-6)
    assert "track_ssh" not in shifted
    assert np.isfinite(shifted.observations).sum() == np.isfinite(errors).sum() > 100


@pytest.mark.parametrize("again", [False, True])
def test_training_days_are_observed_a_few_times(again):
    spy = Spy()
    source = small(spy, resample_observations=again, observation_draws=3, patch=None)
    stream = source.stream(halo=0, batch_size=16, seed=0, device="cpu")
    assert len(spy.asked) == (3 if again else 1)
    train = source.samples("train")
    versions = [first_guesses.observed_by_others(train, shift).observations.values for shift in (10, 20)]
    versions = [train.observations.values[: COUNTS["train"]], *versions] if again else [train.observations.values]
    std, mean = source.statistics["std"], source.statistics["mean"]
    truth, used = train.ssh.values, set()
    for step in range(4):
        batch = stream.batch(step)
        guess, given, flags, _ = batch.input.split([DAYS, DAYS, DAYS, 1], dim=1)
        for number in range(16):
            middle = batch.target[number, HALF].numpy() * std + mean
            day = int(np.abs(np.where(train.sea, truth - middle, 0)).sum((1, 2)).argmin())
            seen = flags[number, HALF].numpy() > 0
            fits = [k for k, maps in enumerate(versions) if np.array_equal(np.isfinite(maps[day]), seen)]
            assert len(fits) == 1
            used.add(fits[0])
            observed = versions[fits[0]][day]
            np.testing.assert_allclose((given[number, HALF].numpy() * std + mean)[seen], observed[seen], atol=1e-5)
            expected = (observed[seen].mean() if seen.any() else 0.0) - mean
            np.testing.assert_allclose(guess[number, HALF].numpy() * std, np.where(train.sea, expected, 0), atol=1e-5)
    assert used == set(range(len(versions)))


@pytest.mark.parametrize("name", ["oi", "linear_maps"])
def test_classical_methods_of_the_project(name):
    method = usual(name)
    source = small(method, predict="centre")
    samples = source.samples("test").isel(sample=[2, 3])
    (batch,) = source.encode(samples, halo=0, device="cpu")
    got = source.to_physical(batch.input[:, HALF, None], samples)
    maps_only = samples.drop_vars([name for name, field in samples.items() if "point" in field.dims])
    expected = method.predict(maps_only)
    np.testing.assert_allclose(got, np.where(samples.sea, expected, np.nan), atol=3e-3)  # oi: days are solved together
    assert np.nanstd(got) > 0.05


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "oi"}, r"type \+baseline@data.first_guess.method=oi"),
        ({"observation_draws": 0}, "data.first_guess.observation_draws=0"),
        ({"observation_draws": True}, "data.first_guess.observation_draws=true"),
        ({"kilometres": 3.0}, "must give km and days"),
        ({"km": "far"}, "data.first_guess.km=far must be a number above 0"),
    ],
)
def test_options_that_cannot_work(changes, said):
    with pytest.raises(Refusal, match=said):
        Small(SEA, first_guess={"km": 40.0, "days": 2.0} | changes).check()


def test_nothing_is_hidden_from_a_method():
    with pytest.raises(Refusal, match=r"hides days from a network, but data\.first_guess.method has seen them"):
        Small(SEA, first_guess={"km": 40.0, "days": 2.0, "method": Spy()}, dropped=0.1).check()


def test_the_shifts():
    assert first_guesses.shifts(730, 3) == [0, 243, 486]
