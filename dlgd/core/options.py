"""The options of a class as one frozen dataclass, which has their types and is passed on as a whole.

So a new option needs only a line in the YAML files, a field in the dataclass, and the code that uses it.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from dlgd.core import checks
from dlgd.core.errors import Refusal

Made = TypeVar("Made")
Other = TypeVar("Other")


def from_keywords(options: type) -> Callable[[type[Made]], type[Made]]:
    """Return a decorator of a class whose constructor takes one dataclass: its arguments become the fields, by keyword.

    `SSH(name="ssh", days=9, ...)` then calls the constructor with `SSHOptions(name="ssh", days=9, ...)`. So the keys of
    a YAML file are the fields of the dataclass, and `inspect.signature` shows them. The class has the dataclass as its
    attribute `Options`.
    """
    signature = inspect.signature(options)

    def decorated(kind: type[Made]) -> type[Made]:
        made: Any = kind  # whose attributes may be set
        takes_one: Callable[..., None] = made.__init__

        @functools.wraps(takes_one)
        def takes_keywords(self: Made, **keywords: Any) -> None:
            takes_one(self, options(**keywords))

        constructor: Any = takes_keywords
        first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        constructor.__signature__ = signature.replace(parameters=[first, *signature.parameters.values()])
        constructor.__annotations__ = typing.get_type_hints(options)
        made.__init__, made.Options = constructor, options
        return kind

    return decorated


def make_from(kind: Callable[..., Other], options: object, **changes: Any) -> Other:
    """Make a dataclass from those options that are fields of it, and from `changes`."""
    names = [field.name for field in fields(typing.cast(Any, kind)) if field.name not in changes]
    return kind(**{name: getattr(options, name) for name in names}, **changes)


def of_group(kind: Callable[..., Other], where: str, given: Mapping[str, Any]) -> Other:
    """Make a dataclass from a group of options, such as those below `data.sea`, which `where` names.

    Refusal of an option that does not exist.
    """
    known = [field.name for field in fields(typing.cast(Any, kind))]
    for name in given:
        if name not in known:
            raise Refusal(f"{where}.{name} is unknown: {checks.among(name, known)}")
    return kind(**given)
