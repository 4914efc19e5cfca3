"""Checks of what a call gives in place of a word at a command: what is of another kind is refused in a sentence."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from dlgd.core.errors import Refusal


def packages(trust: object) -> list[str]:
    """Return the packages that a call trusts. Refusal of all but a list of names."""
    if (
        isinstance(trust, Sequence)
        and not isinstance(trust, str | bytes)
        and all(isinstance(one, str) for one in trust)
    ):
        return list(trust)
    example = f'["{trust}"]' if isinstance(trust, str) and trust.isidentifier() else '["my_package"]'
    raise Refusal(f"trust={trust!r} must be a list of your own packages, such as {example}")


def path(name: str, value: object, *, example: str) -> str:
    """Return a path as a text. Refusal of what is none."""
    if isinstance(value, str | os.PathLike):
        found = os.fspath(value)
        if isinstance(found, str):
            return found
    raise Refusal(f"{name}={value!r} must be {example}")


def text(name: str, value: object, *, example: str) -> str | None:
    """Return a text or None. Refusal of all else."""
    if value is None or isinstance(value, str):
        return value
    raise Refusal(f"{name}={value!r} must be {example}")


def options(name: str, value: object, *, example: str) -> Mapping[str, Any]:
    """Return options by name, none where there are none. Refusal of what is no dict."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    raise Refusal(f"{name}={value!r} must be a dict such as {example}")


def words(typed: Sequence[object]) -> None:
    """Refuse what cannot be typed after a command, in place of a word."""
    for word in typed:
        if not isinstance(word, str) or word.startswith("-"):
            raise Refusal(f"{word} is no option: give such as 'model.width=8'; flags such as -m are for commands")
