"""Constructors that take the fields of a dataclass as keywords."""

from __future__ import annotations

import inspect
import typing
from dataclasses import dataclass

import pytest

from dlgd.core.options import from_keywords, make_from


@dataclass(frozen=True, kw_only=True)
class Sea:
    depth: float
    salty: bool = True


@dataclass(frozen=True, kw_only=True)
class Named(Sea):
    name: str


class Base:
    """What all share."""

    def __init__(self, options: Sea) -> None:
        self.options = options


@from_keywords(Named)
class Water(Base):
    """Decorated, without a constructor of its own."""


@from_keywords(Named)
class Twice(Base):
    """With one."""

    def __init__(self, options: Named) -> None:
        super().__init__(options)
        self.depth = 2 * options.depth


def test_keywords_become_one_dataclass():
    water = Water(depth=3.0, name="Baltic")
    assert water.options == Named(depth=3.0, salty=True, name="Baltic")
    assert Twice(depth=3.0, name="Baltic", salty=False).depth == 6.0
    assert Base(Sea(depth=1.0)).options == Sea(depth=1.0), "the class that it derives from is as it was"


def test_the_signature_is_that_of_the_dataclass():
    for kind in (Water, Twice):
        parameters = inspect.signature(kind).parameters
        assert list(parameters) == ["depth", "salty", "name"]
        assert {parameter.kind for parameter in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
        assert typing.get_type_hints(kind.__init__) == {"depth": float, "salty": bool, "name": str}
        assert kind.Options is Named


@pytest.mark.parametrize("keywords", [{"depth": 1.0}, {"depth": 1.0, "name": "a", "nmae": "b"}])
def test_missing_and_misspelt_keywords(keywords):
    with pytest.raises(TypeError, match=r"name|nmae"):
        Water(**keywords)


def test_a_dataclass_of_some_of_the_options():
    options = Named(depth=3.0, salty=False, name="Baltic")
    assert make_from(Sea, options) == Sea(depth=3.0, salty=False)
    assert make_from(Sea, options, depth=4.0) == Sea(depth=4.0, salty=False)
    with pytest.raises(AttributeError, match="name"):
        make_from(Named, Sea(depth=1.0))
