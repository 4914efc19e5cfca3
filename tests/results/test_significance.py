"""Paired differences against scipy's own test, and Holm's correction by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from dlgd.results.significance import Difference, differences, holm, paired_p


def test_the_chance_is_that_of_scipys_paired_t_test():
    rng = np.random.default_rng(0)
    for count in (3, 4, 10, 30):
        one, other = rng.normal(0, 1, count), rng.normal(0.5, 1, count)
        assert paired_p(list(one - other)) == pytest.approx(stats.ttest_rel(one, other).pvalue, rel=1e-9)


@pytest.mark.parametrize("apart", [[], [1.0], [1.0, 1.1], [1.0, 1.0, 1.0], [1.0, 2.0, math.nan]])
def test_where_nothing_can_be_said(apart):
    assert paired_p(apart) is None


def test_holm():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_only_common_seeds_make_pairs():
    values = {"a": {"0": 1.0, "1": 2.0, "2": 3.0}, "b": {"1": 2.5, "2": 3.0, "3": 9.0}, "c": {"4": 1.0}, "d": {}}
    found = differences(values, "a")
    assert set(found) == {"b"}, "neither the reference, nor rows without a common seed"
    assert (found["b"].pairs, found["b"].mean, found["b"].p) == (2, 0.25, None)


def test_a_method_without_seeds_is_paired_with_each_seed():
    seeds = {str(seed): value for seed, value in enumerate([1.0, 1.1, 1.3])}
    for reference, other in (("method", "network"), ("network", "method")):
        values = {"method": {"": 2.0}, "network": seeds}
        found = differences(values, reference, unseeded=frozenset({"method"}))[other]
        assert found.pairs == 3
        assert found.p == pytest.approx(stats.ttest_1samp(list(seeds.values()), 2.0).pvalue, rel=1e-9)
    two = differences({"a": {"": 1.0}, "b": {"": 3.0}}, "a", unseeded=frozenset("ab"))["b"]
    assert (two.pairs, two.mean, two.p) == (1, 2.0, None), "two numbers have no spread"


def test_many_rows_need_more():
    rng = np.random.default_rng(1)
    best = {str(seed): value for seed, value in enumerate(rng.normal(0, 1, 5))}
    rows = {f"row {n}": {seed: value + rng.normal(0, 1) for seed, value in best.items()} for n in range(200)}
    alone = sum(differences({"best": best, name: row}, "best")[name].mark != "" for name, row in rows.items())
    together = sum(one.mark != "" for one in differences({"best": best} | rows, "best").values())
    assert 2 <= alone <= 25, "one in twenty by luck"
    assert together == 0


@pytest.mark.parametrize(("p", "mark"), [(None, ""), (0.05, ""), (0.049, "*"), (0.01, "*"), (0.0099, "**")])
def test_marks(p, mark):
    assert Difference(5, 1.0, p).mark == mark
