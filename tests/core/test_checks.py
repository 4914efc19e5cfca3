"""What an option may be, and how a person learns of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dlgd.core import checks
from dlgd.core.errors import Refusal

NO_NUMBER = ["many", None, True, [1], math.nan, math.inf]


def typed(value: object) -> object:
    return "null" if value is None else "true" if value is True else value


@pytest.mark.parametrize(
    ("value", "kind", "fits"),
    [
        (3, int, True),
        (np.int64(3), int, True),
        (10**400, int, True),
        (10**400, float, True),
        (3.0, int, False),
        (True, int, False),
        ("3", int, False),
        (3, float, True),
        (np.float32(0.5), float, True),
        (True, float, False),
        (math.nan, float, False),
        (-math.inf, float, False),
        ("no", bool, False),
        (0, bool, False),
        (False, bool, True),
        ("name", str, True),
        (None, str, False),
    ],
)
def test_what_fits_a_kind(value, kind, fits):
    assert checks.fits(value, kind) == fits


def refused(check, value, **limits) -> str:
    with pytest.raises(Refusal) as refusal:
        check("model.width", value, **limits)
    return str(refusal.value)


def test_whole_numbers():
    for value in (1, 5):
        checks.whole_number("model.width", value, least=1, most=5)
    for value in (0, 6, 2.5, *NO_NUMBER):
        said = refused(checks.whole_number, value, least=1, most=5)
        assert said == f"model.width={typed(value)} must be a whole number from 1 to 5"
    checks.whole_number("model.width", None, null=True)
    said = refused(checks.whole_number, 0, least=1, null=True, hint="null is for all")
    assert said == "model.width=0 must be a whole number of at least 1, or null: null is for all"
    assert refused(checks.whole_number, -1, least=0, most=2**32 - 1).endswith("from 0 to 4294967295")


def test_even_and_odd_numbers():
    checks.even_number("model.width", 4, least=4)
    checks.odd_number("model.width", 3, least=1)
    for value in (2, 5, 4.0, *NO_NUMBER):
        said = refused(checks.even_number, value, least=4)
        assert said == f"model.width={typed(value)} must be an even number of at least 4"
    for value in (-1, 2, *NO_NUMBER):
        said = refused(checks.odd_number, value, least=1, hint="it has a middle")
        assert said == f"model.width={typed(value)} must be an odd number of at least 1: it has a middle"


@pytest.mark.parametrize(
    ("limits", "inside", "outside", "words"),
    [
        ({}, [-1e9, 0], [], "a number"),
        ({"least": 0}, [0, 0.5], [-1e-9], "a number of at least 0"),
        ({"above": 0}, [1e-9], [0, -1], "a number above 0"),
        ({"least": 0, "below": 1}, [0, 0.999], [1, -0.1], "a number of at least 0 and below 1"),
        ({"above": 0, "most": 1}, [0.1, 1], [0, 1.1], "a number above 0 and at most 1"),
        ({"above": 0, "below": 1}, [0.5], [0, 1], "a number above 0 and below 1"),
        ({"least": 1e-8, "most": 1e-2}, [1e-8, 1e-2], [0, 1], "a number from 1e-08 to 0.01"),
    ],
)
def test_numbers(limits, inside, outside, words):
    for value in inside:
        checks.number("model.width", value, **limits)
    for value in [*outside, *NO_NUMBER]:
        assert refused(checks.number, value, **limits) == f"model.width={typed(value)} must be {words}"
    checks.number("model.width", None, null=True, **limits)


def test_lists():
    checks.whole_numbers("model.width", [1, 2], least=1, example="[8]")
    checks.whole_numbers("model.width", (1,), least=1, example="[8]")
    for values in ([], [0], [1.5], "12", 3, None, [True]):
        said = refused(checks.whole_numbers, values, least=1, example="[8]")
        assert said == f"model.width={typed(values)} must be a list of whole numbers of at least 1, such as [8]"
    checks.numbers("model.width", [1, 2.5], above=0, example="[8]")
    for values in ([], [0], [math.nan], "12", 3.0):
        said = refused(checks.numbers, values, above=0, example="[8]")
        assert said == f"model.width={typed(values)} must be a list of numbers above 0, such as [8]"
    checks.names("model.width", ["a"], example="[b]")
    for values in ([], "a", [1], None):
        said = refused(checks.names, values, example="[b]")
        assert said == f"model.width={typed(values)} must be a list of names, such as [b]"


def test_choices():
    checks.choice("model.width", "wide", ("wide", "narrow"))
    assert refused(checks.choice, "wode", known=("wide", "narrow")) == (
        "model.width=wode is unknown: choose one of wide, narrow (did you mean wide?)"
    )
    for value in (None, 3, [1], True):
        assert (
            refused(checks.choice, value, known={"wide": 1})
            == f"model.width={typed(value)} is unknown: choose one of wide"
        )


@pytest.mark.parametrize("value", ["../x", "a/b", "", ".hidden", None, 3, "a b", "x\n"])
def test_names_that_become_files(value):
    with pytest.raises(Refusal, match="files are named after"):
        checks.part_of_file_names("data.name", value)
    checks.part_of_file_names("data.name", "lorenz63-v1.0_a+b")


@pytest.mark.parametrize("value", [None, 3, "", " ", "a\0b", ["a"]])
def test_paths(value):
    with pytest.raises(Refusal, match="must be the path of a file or folder"):
        checks.path("input", value)
    assert checks.path("input", "~/a").is_absolute()
