"""The keywords of a call, as what is typed after a command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from dlgd.core.errors import Refusal
from dlgd.interface import words


def test_nested_options_and_choices():
    options = {"model": ("cnn", {"width": 8}), "training": {"epochs": 3, "minutes": None}, "data": "ssh", "freeze": []}
    assert words.overrides(options, ["+x.y=1"]) == [
        "model=cnn",
        "model.width=8",
        "training.epochs=3",
        "training.minutes=null",
        "data=ssh",
        "freeze=[]",
        "+x.y=1",
    ]


VALUES = [
    *(
        "cnn",
        "normalization/skip_connections",
        "tracks.v2",
        "a b",
        "1e3",
        "10",
        "true",
        "Null",
        "nan",
        "",
        "x,y",
        "a=b",
    ),
    *(
        "it's",
        'say "x"',
        "C:\\data\\",
        "\\'",
        "\\\\'x",
        "runs.filter = 'a'",
        "é",
        "{a}",
        "[1]",
        "$x",
        "a:b",
        "-m",
        "~/x",
    ),
    *(1, -2.5, 1e-5, 1e300, True, None, [1, "a b", None], {"campaign": "winter 1", "n": [1.5]}, [["2012-10-22"]]),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_hydra_reads_what_was_given(value):
    (word,) = words.overrides({"key": [value]})
    override = OverridesParser.create().parse_override(word)
    (found,) = override.value()
    found = found.text if hasattr(found, "text") else found
    assert _plain(found) == value
    assert not override.is_sweep_override()


def _plain(value):
    if hasattr(value, "text"):
        return value.text
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def test_values_of_other_libraries():
    given = {"width": np.int64(8), "shares": np.array([0.5, 1.0]), "path": Path("my maps/a.nc")}
    assert words.overrides({"data": given}) == ["data.width=8", "data.shares=[0.5, 1.0]", "data.path='my maps/a.nc'"]
    with pytest.raises(Refusal, match=r"data\.sea=<object .* must be a number, a text"):
        words.overrides({"data": {"sea": object()}})
    with pytest.raises(Refusal, match="flags such as -m are for commands"):
        words.overrides({}, ["-m"])
