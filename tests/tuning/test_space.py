"""What may be searched, how it is said, and what is refused."""

from __future__ import annotations

import optuna
import pytest

from dlgd.core.errors import Refusal
from dlgd.tuning.space import parse

optuna.logging.set_verbosity(optuna.logging.WARNING)


def nothing(name):
    return None


def points(search, *, value_of=nothing, typed=(), count=60):
    """The values of so many trials at random."""
    space = parse(search, value_of, typed)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = []
    for _ in range(count):
        trial = study.ask()
        found.append(space.suggest(trial))
        study.tell(trial, 0.0)
    return found


def test_kinds_of_numbers():
    search = {
        "rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "share": {"low": 0.0, "high": 1.0, "step": 0.25},
        "width": {"low": 8, "high": 32, "step": 8},
    }
    found = points(search)
    rates = sorted(point["rate"] for point in found)
    assert 1e-4 <= rates[0] < 3e-4 < 3e-3 < rates[-1] <= 1e-2
    assert 5e-4 < rates[30] < 2e-3, "half of them below the geometric mean"
    assert {point["share"] for point in found} == {0.0, 0.25, 0.5, 0.75, 1.0}
    assert {point["width"] for point in found} == {8, 16, 24, 32}
    assert all(type(point["width"]) is int for point in found)


def test_conditions():
    search = {
        "model": ["cnn", "resnet", "unet"],
        "dropout": {"low": 0.0, "high": 0.5, "when": {"model": "cnn"}},
        "norm": {"values": [True, False, None], "when": {"model": ["cnn", "resnet"]}},
    }
    found = points(search)
    for point in found:
        assert ("dropout" in point) == (point["model"] == "cnn")
        assert ("norm" in point) == (point["model"] != "unet")
    assert {point.get("norm", "absent") for point in found} == {True, False, None, "absent"}


def test_what_is_typed_is_not_searched():
    search = {"model": ["cnn", "unet"], "dropout": {"low": 0.0, "high": 0.5, "when": {"model": "cnn"}}, "x": [1, 2]}
    assert set().union(*points(search, value_of={"model": "cnn"}.get, typed=["model"])) == {"dropout", "x"}
    assert set().union(*points(search, value_of={"model": "unet"}.get, typed=["model"])) == {"x"}


def test_grid():
    search = {
        "model": ["cnn", "unet"],
        "layers": {"low": 2, "high": 6, "step": 2, "when": {"model": "cnn"}},
        "share": {"low": 0.0, "high": 0.3, "step": 0.1},
    }
    grid = parse(search, nothing).grid()
    assert len(grid) == 3 * 4 + 4
    assert len({tuple(sorted(map(str, point.items()))) for point in grid}) == len(grid)
    assert [point["share"] for point in grid[:4]] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert {"model": "unet", "share": 0.0} in grid


def test_corners():
    search = {"model": ["cnn", "unet"], "width": {"low": 2, "high": 8}, "rate": {"low": 0.1, "high": 0.2}}
    corners = parse(search, nothing).corners(lambda name: name == "model")
    assert corners == [{"model": "cnn", "width": 2, "rate": 0.1}, {"model": "unet", "width": 2, "rate": 0.1}]


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({}, "nothing is searched"),
        ({"x": 3}, "x is 3"),
        ({"x": []}, "values of x"),
        ({"x": [[1, 2]]}, "values of x"),
        ({"x": {"low": 1}}, "x needs numbers low and high"),
        ({"x": {"low": "a", "high": 2}}, "x needs numbers"),
        ({"x": {"low": True, "high": 2}}, "x needs numbers"),
        ({"x": {"low": 0, "high": 2, "logg": True}}, "x has logg"),
        ({"x": {"low": 0.0, "high": 2.0, "log": True}}, "x cannot be"),
        ({"x": {"low": 3, "high": 2}}, "x cannot be"),
        ({"x": {"low": 0.1, "high": 2.0, "log": True, "step": 0.1}}, "x cannot be"),
        ({"x": {"values": [1], "when": "model"}}, "`when` of x"),
        ({"x": {"values": [1], "when": {"y": 1}}, "y": [1]}, "y, which must stand before"),
        ({"y": [1], "x": {"values": [1], "when": {"y": 2}}}, "y=2, which y never is"),
    ],
)
def test_refusals(search, words):
    with pytest.raises(Refusal, match=words):
        parse(search, nothing)


@pytest.mark.parametrize("x", [{"low": 0.0, "high": 1.0}, {"low": 1, "high": 9, "log": True}])
def test_no_grid_of_endless_values(x):
    with pytest.raises(Refusal, match="a grid needs the values of x"):
        parse({"x": x}, nothing).grid()


def test_everything_typed():
    with pytest.raises(Refusal, match="nothing is left"):
        parse({"x": [1, 2]}, nothing, ["x"])
