"""What is observed, with which noise, and the first guess: counted, measured, against numpy.interp."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlgd.core.errors import Refusal
from dlgd.problems.lorenz.data.observations import first_guess
from tests.problems.lorenz.data.lorenz_data import make, small


def seen(source, split: str = "test") -> np.ndarray:
    return ~np.isnan(source.samples(split).observations.values)


def test_the_courses_pattern():
    pattern = seen(small())
    assert (pattern == pattern[0]).all()
    assert pattern[0].sum(axis=0).tolist() == [22, 0, 0]
    assert pattern[0, :, 0].nonzero()[0].tolist() == list(range(16, 185, 8))


@pytest.mark.parametrize(
    ("components", "counts"),
    [("all", [22] * 3), (["x", "z"], [22, 0, 22]), (["y"], [0, 22, 0])],
)
def test_components(components, counts):
    assert seen(small(observations={"components": components}))[0].sum(axis=0).tolist() == counts


def test_a_share_of_the_components_is_the_same_at_all_times():
    options = {"components": 0.25, "pattern": "regular"}
    pattern = seen(small("lorenz96", observations=options))
    often = pattern.sum(axis=(0, 1))
    assert sorted(set(often)) == [0, 9 * 50]
    assert (often > 0).sum() == 10
    assert (seen(small("lorenz96", observations=options), "train").any(axis=(0, 1)) == (often > 0)).all()
    other = seen(small("lorenz96", observations=options, seed=1)).sum(axis=(0, 1))
    assert (other != often).any()


def test_edges():
    pattern = seen(small(observations={"hidden_edges": [1, 0], "every": 1, "components": "all"}))
    assert pattern.any(axis=(0, 2)).tolist() == [False] + [True] * 199
    assert seen(small(observations={"hidden_edges": 0, "every": 1})).sum() == 9 * 200


def test_random_values():
    pattern = seen(small(observations={"pattern": "random", "components": "all", "hidden_edges": 0}), "train")
    assert pattern.mean() == pytest.approx(0.125, abs=0.01)  # 18,000 values: a standard deviation of 0.0025
    assert (pattern[0] != pattern[1]).any()
    alike = seen(small(observations={"pattern": "random", "components": "all", "pattern_per": "split"}), "train")
    assert (alike == alike[0]).all()


def test_random_components():
    pattern = seen(small("lorenz96"), "train")
    assert (pattern[:, ::4].sum(axis=2) == 20).all()
    assert pattern[:, ::4].sum() == pattern.sum()
    assert (pattern[0, 0] != pattern[0, 4]).any()
    assert (pattern[0, 0] != pattern[1, 0]).any()
    assert np.ptp(pattern.mean(axis=(0, 1))) < 0.05, "every variable has its turn"
    some = seen(small("lorenz96", observations={"components": ["x3", "x5", "x8", "x9"]}))
    assert (some[:, ::4].sum(axis=2) == 2).all()
    assert set(some.any(axis=(0, 1)).nonzero()[0]) == {3, 5, 8, 9}


def test_a_free_phase():
    pattern = seen(small(observations={"phase": "free", "hidden_edges": 0}), "train")[..., 0]
    phases = {int(window.nonzero()[0][0]) for window in pattern}
    assert phases == set(range(8))
    assert (pattern.sum(axis=1) == 25).all()


@pytest.mark.parametrize("variance", [0.0, 0.25, 2.0])
def test_noise(variance):
    observations = {"components": "all", "every": 1, "hidden_edges": 0, "noise_variance": variance}
    samples = small(observations=observations).samples("train")
    noise = (samples.observations - samples.state).values
    assert noise.var() == pytest.approx(variance, rel=0.04)  # 18,000 values
    assert samples.attrs["noise_variance"] == variance
    if variance > 0:
        assert abs(noise.mean()) < 0.05 * variance**0.5
        assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.15
        assert noise[0, 0, 0] != noise[0, 0, 1]


def test_overlapping_windows_share_noise_or_not():
    for noise_per, same in (("series", True), ("window", False)):
        observations = {"components": "all", "every": 1, "hidden_edges": 0, "noise_per": noise_per}
        values = (
            small(stride=5, observations=observations, resample_observations=False).samples("train").observations.values
        )
        assert np.array_equal(values[0, 5:], values[1, :-5]) == same


# --- the first guess ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_first_guesses_are_those_of_numpy(share):
    rng = np.random.default_rng(0)
    values, flags, fill = rng.normal(size=(20, 50, 4)), rng.random((20, 50, 4)) < share, np.arange(4.0)
    wanted = np.empty_like(values)
    for window in range(20):
        for k in range(4):
            steps = flags[window, :, k].nonzero()[0]
            wanted[window, :, k] = np.interp(np.arange(50), steps, values[window, steps, k]) if len(steps) else fill[k]
    values[~flags] = np.nan
    got = first_guess(*(torch.from_numpy(array) for array in (values, flags, fill)))
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)
    assert share < 0.05 or (got.numpy()[flags] == values[flags]).all(), "what is observed is kept"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"components": ["x", "w"]}, r"components=\['x', 'w'\] has unknown variables: choose among x, y, ..., z"),
        ({"components": "some"}, "components=some must be all, a list such as"),
        ({"components": []}, "must be all, a list"),
        ({"components": 1.5}, "components=1.5 must be above 0 and at most 1 where it is a share"),
        ({"every": 201}, "every=201 must be a whole number from 1 to 200: the steps of a window"),
        ({"every": 0}, "every=0 must be a whole number from 1 to 200"),
        ({"every": 2.5}, "data.observations.every=2.5 must be a whole number"),
        ({"every": 195}, "no step of a window would be observed"),
        ({"pattern": "odd"}, "pattern=odd is unknown: choose one of regular, random, random_components"),
        ({"phase": "late"}, "phase=late is unknown"),
        ({"pattern_per": "day"}, "pattern_per=day is unknown"),
        ({"noise_per": "day"}, "noise_per=day is unknown"),
        ({"noise_per": "series"}, "type data.resample_observations=false"),
        ({"share": 0.0}, "share=0.0 must be a number above 0"),
        ({"noise_variance": -1.0}, "noise_variance=-1.0 must be a number of at least 0"),
        ({"noise_variance": float("nan")}, "noise_variance=nan must be a finite number"),
        ({"hidden_edges": 100}, "hidden_edges=100 leaves nothing of windows of 200 steps"),
        ({"hidden_edges": "few"}, "hidden_edges=few must be a number of steps, or two"),
        ({"hidden_edges": [1]}, r"hidden_edges=\[1\] must be a number of steps, or two"),
        ({"hidden_edges": -1}, "hidden_edges=-1 must be a number of steps"),
        ({"often": 3}, "data.observations=.* must give some of components, every"),
    ],
)
def test_refusals(options, words):
    with pytest.raises(Refusal, match=words) as caught:
        make(observations=options).check()
    assert "\n" not in str(caught.value)


def test_random_components_at_free_phases():
    options = {"phase": "free", "pattern_per": "split"}
    pattern = seen(small("lorenz96", observations=options), "train")
    assert set(pattern.sum(axis=2).ravel()) == {0, 20}
    assert {int(window.any(axis=1).nonzero()[0][0]) for window in pattern} == {0, 1, 2, 3}
    assert (pattern.any(axis=2).sum(axis=1) == 50).all()
