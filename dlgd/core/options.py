"""Options of a class as one frozen dataclass: said once, with their types, and passed on as a whole.

A new option is then a line of the YAML files, a field of the dataclass, and the place that reads it.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

Made = TypeVar("Made")
Chosen = TypeVar("Chosen")


def from_keywords(options: type) -> Callable[[type[Made]], type[Made]]:
    """A decorator of a class whose constructor takes one dataclass: it is then called with the fields as keywords.

    `SSH(name="ssh", days=9, ...)` calls what was `SSH(SSHOptions(name="ssh", days=9, ...))`. So the keys of a YAML file
    are the fields of the dataclass, and `inspect.signature` shows them. The attribute `Options` is the dataclass.
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


def chosen(kind: Callable[..., Chosen], options: object, **changes: Any) -> Chosen:
    """A dataclass made of those options that have the names of its fields, and of `changes`."""
    names = [field.name for field in fields(typing.cast(Any, kind)) if field.name not in changes]
    return kind(**{name: getattr(options, name) for name in names}, **changes)
