"""Groups of channels, and what is said of data of one kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dlgd.core.contract import Spec
from dlgd.core.errors import Refusal
from dlgd.core.specs import COORDINATES, INVERSE, SEA, MapSpec

WAVES = Spec(name="waves", kind="field", input_channels=("a", "b", "c"), output_channels=("d",), grid=(4, 5))


def test_a_channel_is_a_group_of_its_own():
    assert WAVES.input_groups == {"a": slice(0, 1), "b": slice(1, 2), "c": slice(2, 3)}
    assert WAVES.input_slice("b") == slice(1, 2)


def test_groups_stand_one_behind_the_other():
    spec = replace(WAVES, groups=(("wind", 2), ("depth", 1)))
    assert spec.input_groups == {"wind": slice(0, 2), "depth": slice(2, 3)}
    assert spec.input_channels[spec.input_slice("wind")] == ("a", "b")


def test_a_group_that_the_data_do_not_have():
    with pytest.raises(Refusal, match="data=waves has no input channels depth: it has a, b, c"):
        WAVES.input_slice("depth")


@pytest.mark.parametrize("groups", [(("wind", 2),), (("wind", 2), ("depth", 2)), (("wind", 2), ("wind", 1))])
def test_groups_that_do_not_divide_the_channels(groups):
    with pytest.raises(ValueError, match="do not divide the channels a, b, c"):
        replace(WAVES, groups=groups)


@pytest.mark.parametrize(("outputs", "first", "end"), [("abcde", 0, 5), ("c", 2, 3), ("bcd", 1, 4)])
def test_the_days_of_maps_that_are_asked_for(outputs, first, end):
    names = [f"{group}{day}" for group in INVERSE for day in range(5)]
    spec = MapSpec(
        name="sea",
        input_channels=("x", "y", *names, "sea"),
        groups=((COORDINATES, 2), *((group, 5) for group in INVERSE), (SEA, 1)),
        output_channels=tuple(outputs),
        grid=(4, 5),
        days=5,
    )
    assert spec.predicted_days == slice(first, end)
    assert spec.further_groups == [SEA, COORDINATES]
