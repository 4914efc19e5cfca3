"""What is typed after a command, made of the keywords of a call: training={"epochs": 3} becomes training.epochs=3."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dlgd.core.errors import Refusal
from dlgd.interface import arguments

# A choice of a group, options of its usual choice, or both: "cnn", {"width": 8}, ("cnn", {"width": 8}).
Choice = str | Mapping[str, Any] | tuple[str, Mapping[str, Any]]

PLAIN = re.compile(r"[A-Za-z_][\w/-]*(\.[A-Za-z_][\w/-]*)*")  # a text that needs no quotes, unless it is one of these
NO_TEXT = {"true", "false", "null", "nan", "inf"}


def overrides(options: Mapping[str, Any], words: Sequence[str] = ()) -> list[str]:
    """Return the words that are typed after a command: those of the keywords, then `words` as they are.

    options: by name. A mapping has the options below the name, None is null, a tuple is a `Choice`.
    """
    arguments.words(words)
    return [*(f"{key}={value}" for key, value in _pairs(options.items())), *words]


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not None."""
    return {key: value for key, value in options.items() if value is not None}


def _pairs(options: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    for key, value in options:
        if isinstance(value, Mapping):
            yield from _pairs((f"{key}.{name}", inner) for name, inner in value.items())
        elif _is_choice_with_options(value):
            yield key, as_typed(key, value[0])
            yield from _pairs([(key, value[1])])
        else:
            yield key, as_typed(key, value)


def _is_choice_with_options(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], Mapping)


def as_typed(key: str, value: Any) -> str:
    """Return a value as it is typed after `key=`. Refusal of what no option takes."""
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        value = value.tolist()
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | os.PathLike):
        return _quoted(os.fspath(value))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_quoted(str(name))}: {as_typed(key, one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_typed(key, one) for one in value) + "]"
    raise Refusal(f"{key}={value!r} must be a number, a text, true or false, None, or a list or dict of these")


def _quoted(text: str) -> str:
    """Return a text in quotes, if Hydra would not read it as it is. Backslashes count before a quote and at the end."""
    if PLAIN.fullmatch(text) and text.lower() not in NO_TEXT:
        return text
    return "'" + re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + ("\\'" if found[2] else ""), text) + "'"
