"""From a `_target_` to an object: what fits is called, what does not is refused by the signature."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping, Sequence

import pytest
from omegaconf import OmegaConf

from dlgd.core import trust
from dlgd.core.construct import construct
from dlgd.core.errors import Refusal


class Thing:
    def __init__(self, first: object = None, *, size: int, names: Sequence[str] = (), inner: object = None) -> None:
        self.first, self.size, self.names, self.inner = first, size, names, inner


def annotated(
    *,
    limit: int | None = None,
    shares: Mapping[str, float] | None = None,
    either: int | str = 0,
    free: Nowhere = None,  # noqa: F821
) -> tuple:
    return limit, shares, either, free


def known(
    *, limit: int | None = None, shares: Mapping[str, float | None] | None = None, either: int | str = 0
) -> tuple[object, ...]:
    return limit, shares, either


def anything(**options: int) -> dict[str, int]:
    return options


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    """Tests have no module's name that a configuration could say."""
    module = types.ModuleType("things")
    for one in (Thing, annotated, known, anything):
        setattr(module, one.__name__, one)
    module.number = 3
    monkeypatch.setitem(sys.modules, "things", module)
    names = ["", "Thing", "Thin", "number", "annotated", "known", "anything", "Thing.it"]
    typed = [f"things.{name}" for name in names] + ["nowhere.Thing", "dlgd.no.Thing", "builtins.dict"]
    trust.allow_typed(OmegaConf.create({"typed": [{"_target_": name} for name in typed]}))
    yield
    trust.forget()


def test_options_and_what_the_program_gives():
    made = construct({"_target_": "things.Thing", "size": 3}, "model", arguments=["a"], given={"names": ["b"]})
    assert (made.first, made.size, made.names) == ("a", 3, ["b"])
    assert construct({"_target_": "things.anything", "a": 1}, "model", given={"b": 2}) == {"a": 1, "b": 2}


def test_inner_objects_are_made_first():
    inner = {"_target_": "things.Thing", "size": 1}
    made = construct({"_target_": "things.Thing", "size": 2, "inner": {"here": [inner], "there": 5}}, "model")
    assert made.inner["here"][0].size == 1
    assert made.inner["there"] == 5
    with pytest.raises(Refusal, match=r"^model\.inner\.here\.0\.size=wide must be a whole number$"):
        construct({"_target_": "things.Thing", "size": 2, "inner": {"here": [inner | {"size": "wide"}]}}, "model")


def test_a_function_of_what_is_missing():
    make = construct({"_target_": "things.Thing", "_partial_": True, "names": ["a"]}, "model")
    assert make(size=4).size == 4
    with pytest.raises(Refusal, match=r"model\._partial_=1 must be true or false"):
        construct({"_target_": "things.Thing", "_partial_": 1}, "model")
    with pytest.raises(Refusal, match=r"model\.sise is no option of things\.Thing"):
        construct({"_target_": "things.Thing", "_partial_": True, "sise": 1}, "model")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sise": 3}, "model.sise is no option of things.Thing: choose one of model.first, model.size, model.names, "),
        ({}, "model.size is missing: things.Thing needs a value"),
        ({"size": 2.5}, "model.size=2.5 must be a whole number"),
        ({"size": True}, "model.size=true must be a whole number"),
        ({"size": 1, "names": "a"}, "model.names=a must be a list"),
        ({"size": 1, "names": ["a", 2]}, "model.names=2 must be a name"),
        ({"size": 1, "_recursive_": False}, "model._recursive_ is no option"),
    ],
)
def test_what_does_not_fit(options, sentence):
    with pytest.raises(Refusal) as refusal:
        construct({"_target_": "things.Thing"} | options, "model")
    assert str(refusal.value).startswith(sentence)


def test_types_beside_null():
    for options in ({"limit": None}, {"limit": 3, "shares": {"a": 0.5, "b": None}}, {"shares": None, "either": "x"}):
        construct({"_target_": "things.known"} | options, "data")
    for options, sentence in (
        ({"limit": "x"}, "data.limit=x must be a whole number"),
        ({"shares": 3}, r"data\.shares=3 must be names with values, such as data\.shares\.name=value"),
        ({"shares": {"a": "x"}}, r"data\.shares\.a=x must be a finite number"),
    ):
        with pytest.raises(Refusal, match=sentence):
            construct({"_target_": "things.known"} | options, "data")


def test_annotations_that_cannot_be_read():
    assert construct({"_target_": "things.annotated", "limit": "x"}, "data")[0] == "x"


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (3, "model=3 must be a _target_ with its options"),
        ({}, "model._target_=None must be the import path of a class or function"),
        ({"_target_": "things."}, "model._target_=things. must be the import path"),
        (
            {"_target_": "things.Thin"},
            "model._target_=things.Thin cannot be found: things has no Thin (did you",
        ),
        ({"_target_": "things.number"}, "model._target_=things.number is no class or function"),
        ({"_target_": "nowhere.Thing"}, "model._target_=nowhere.Thing cannot be found: there is no module nowhere; "),
        ({"_target_": "dlgd.no.Thing"}, "model._target_=dlgd.no.Thing cannot be found: there is no module dlgd.no; "),
        ({"_target_": "things.Thing.it"}, "model._target_=things.Thing.it cannot be found: things.Thing has no it"),
    ],
)
def test_targets_that_are_not_there(config, sentence):
    with pytest.raises(Refusal) as refusal:
        construct(config, "model")
    assert str(refusal.value).startswith(sentence)


def test_functions_that_do_not_tell_their_signature():
    assert construct({"_target_": "builtins.dict", "a": 1}, "model") == {"a": 1}
