"""Numbers as tables write them."""

import pickle

import pytest

from dlgd.core.number_format import decimals, scientific, seconds


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1.866e-2, "1.87e-2"), (27.81, "27.8"), (1.0, "1"), (0.9999, "1.00e0"), (4e12, "4.00e12")],
)
def test_scientific(value, text):
    assert scientific(value) == text


@pytest.mark.parametrize(("value", "text"), [(128.4, "128"), (1.353, "1.35"), (0.0042, "0.0042"), (1e-7, "<0.0001")])
def test_seconds(value, text):
    assert seconds(value) == text


def test_decimals():
    assert [decimals(count)(93.176) for count in (0, 1, 2)] == ["93", "93.2", "93.18"]
    assert decimals(2) is decimals(2), "so that equal descriptions are equal"
    assert pickle.loads(pickle.dumps(decimals(2)))(1.0) == "1.00"
