"""What a classical method answered is kept in the cache, with the seconds that it took."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
import xarray as xr

from dlgd.core import cache
from dlgd.core.contract import Method
from dlgd.scoring.cached_method import CachedMethod
from dlgd.scoring.report import seconds_measured


class Slow(Method):
    """Counts how often it is asked."""

    name = "slow"

    def __init__(self) -> None:
        self.asked, self.fitted = 0, 0

    def fit(self, train: xr.Dataset) -> None:
        self.fitted += 1

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        self.asked += 1
        time.sleep(0.2)
        return np.where(samples.mask.values, samples.alpha_j.values + self.asked, np.nan)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def samples() -> xr.Dataset:
    values = np.random.default_rng(0).normal(size=(2, 4, 5))
    return xr.Dataset(
        {"alpha_j": (("sample", "y", "x"), values), "mask": (("y", "x"), values[0] > 0)},
        attrs={"west_east": "periodic"},
    )


def test_the_second_call_computes_nothing(samples):
    inner = Slow()
    first = CachedMethod(inner, {"vectors": 3})
    assert first.name == "slow"
    assert first.seconds_per_sample is None
    answer = first.predict(samples)
    assert inner.asked == 1
    assert first.seconds_per_sample == pytest.approx(0.1, abs=0.05)
    again = CachedMethod(inner, {"vectors": 3})  # as in another process
    start = time.perf_counter()
    np.testing.assert_array_equal(again.predict(samples), answer)
    assert time.perf_counter() - start < 0.15
    assert inner.asked == 1
    assert again.seconds_per_sample == first.seconds_per_sample, "what the method took, not the reading"
    assert first.seconds_measured is None, "just now, by this run"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d on \d+ cores? of .+", again.seconds_measured)
    assert seconds_measured([first, again]) == [
        f"Time of slow: measured when first computed, {again.seconds_measured}."
    ]


def test_seconds_in_the_cache_of_an_earlier_version_are_of_an_unknown_machine(samples, folder):
    CachedMethod(Slow(), {}).predict(samples)
    (file,) = folder.glob("answers*/*.nc")
    cache.write(cache.read(file).drop_attrs().assign_attrs(seconds_per_sample=3.0), file)
    again = CachedMethod(Slow(), {})
    again.predict(samples)
    assert (again.seconds_per_sample, again.seconds_measured) == (3.0, "on an unknown day and machine")


def test_other_samples_or_options_are_other_answers(samples):
    inner = Slow()
    CachedMethod(inner, {"vectors": 3}).predict(samples)
    others = [
        samples.isel(sample=[0]),
        samples.assign(alpha_j=samples.alpha_j + 1e-12),
        samples.assign(mask=~samples.mask),
        samples.assign_attrs(west_east="closed"),
    ]
    for number, other in enumerate(others, start=2):
        CachedMethod(inner, {"vectors": 3}).predict(other)
        assert inner.asked == number
    CachedMethod(inner, {"vectors": 4}).predict(samples)
    assert inner.asked == len(others) + 2


def test_what_follows_from_the_samples_changes_no_answer(samples):
    """Another choice of a network's inputs adds other fields, each marked as derived."""
    inner = Slow()
    CachedMethod(inner, {}).predict(samples)
    CachedMethod(inner, {}).predict(samples.assign(distance=samples.alpha_j.assign_attrs(derived=1)))
    assert inner.asked == 1
    CachedMethod(inner, {}).predict(samples.assign(distance=samples.alpha_j))
    assert inner.asked == 2


def test_a_method_that_measures_itself_is_believed(samples):
    inner = Slow()
    inner.seconds_per_sample = 0.01  # the other 0.09 s were spent on a compiler, say
    method = CachedMethod(inner, {})
    method.predict(samples)
    assert method.seconds_per_sample == 0.01


def test_a_damaged_answer_is_computed_again(samples, folder):
    inner = Slow()
    CachedMethod(inner, {}).predict(samples)
    (path,) = folder.glob("*/*.nc")
    path.write_bytes(path.read_bytes()[:500])
    CachedMethod(inner, {}).predict(samples)
    assert inner.asked == 2


def test_fit_is_passed_on(samples):
    inner = Slow()
    CachedMethod(inner, {}).fit(samples)
    assert inner.fitted == 1


def test_expected_errors_are_kept_apart_from_answers(samples):
    class Doubting(Slow):
        def error_std(self, samples: xr.Dataset) -> np.ndarray | None:
            self.asked += 100
            return None if "alpha_i" in samples else np.abs(samples.alpha_j.values)

    inner = Doubting()
    answer = CachedMethod(inner, {}).predict(samples)
    for _ in range(2):
        np.testing.assert_array_equal(CachedMethod(inner, {}).error_std(samples), np.abs(samples.alpha_j.values))
    assert inner.asked == 101
    np.testing.assert_array_equal(CachedMethod(inner, {}).predict(samples), answer)
    assert CachedMethod(inner, {}).error_std(samples.assign(alpha_i=samples.alpha_j)) is None
    assert CachedMethod(Slow(), {}).error_std(samples) is None
    assert CachedMethod(Slow(), {}).error_maps(samples) is None


def test_expected_errors_of_all_samples_are_kept_apart_from_those_of_some(samples):
    class Doubting(Slow):
        def error_std(self, samples: xr.Dataset) -> np.ndarray | None:
            return np.full(samples.alpha_j.shape, np.nan)

    class Thorough(Doubting):
        def error_maps(self, samples: xr.Dataset) -> np.ndarray | None:
            self.asked += 100
            return np.abs(samples.alpha_j.values)

    inner = Thorough()
    for _ in range(2):
        np.testing.assert_array_equal(CachedMethod(inner, {}).error_maps(samples), np.abs(samples.alpha_j.values))
        assert np.isnan(CachedMethod(inner, {}).error_std(samples)).all()
    assert inner.asked == 100
    assert np.isnan(CachedMethod(Doubting(), {"other": 1}).error_maps(samples)).all()
