"""Checks of options: a value of wrong type or range is refused in one sentence that names the option as it is typed."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NoReturn

from dlgd.core.errors import Refusal

KINDS = {int: "a whole number", float: "a finite number", str: "a name", bool: "true or false"}


def fits(value: Any, kind: type) -> bool:
    """Return whether a value is of one of KINDS: 3 is a float too; true, NaN and infinity are no numbers."""
    if kind in (int, float) and isinstance(value, bool):
        return False
    if kind is float and isinstance(value, Real) and not isinstance(value, Integral):  # those are finite, however large
        return math.isfinite(value)
    return isinstance(value, Integral if kind in (int, float) else kind)


def of_kind(option: str, value: Any, kind: type) -> None:
    """Refuse a value that is not of this kind, one of KINDS."""
    if not fits(value, kind):
        _refuse(option, value, KINDS[kind])


def path(option: str, value: Any) -> Path:
    """Return a path that was typed, ~ replaced by the home folder. Refuse all but texts that can be one."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        _refuse(option, value, "the path of a file or folder")
    return Path(value).expanduser()


def part_of_file_names(option: str, value: Any) -> None:
    """Refuse all but letters, digits and, after one of them, the signs _ - . + in a name that files are named after."""
    if not isinstance(value, str) or not re.fullmatch(r"\w[\w.+-]*", value):
        _refuse(option, value, "a name of letters, digits and the signs _ - . +, which files are named after")


# --- numbers; a hint says why, or what else can be typed -------------------------------------------------------------


def whole_number(
    option: str, value: Any, *, least: int | None = None, most: int | None = None, null: bool = False, hint: str = ""
) -> None:
    """Refuse all but whole numbers in a range, and null if that is allowed."""
    if value is None and null:
        return
    limits = _Range(least=least, most=most)
    if not (fits(value, int) and limits.hold(value)):
        _refuse(option, value, f"a whole number{limits.words()}", null=null, hint=hint)


def even_number(option: str, value: Any, *, least: int) -> None:
    """Refuse all but even whole numbers in a range."""
    limits = _Range(least=least)
    if not (fits(value, int) and limits.hold(value) and value % 2 == 0):
        _refuse(option, value, f"an even number{limits.words()}")


def odd_number(option: str, value: Any, *, least: int, hint: str = "") -> None:
    """Refuse all but odd whole numbers in a range."""
    limits = _Range(least=least)
    if not (fits(value, int) and limits.hold(value) and value % 2 == 1):
        _refuse(option, value, f"an odd number{limits.words()}", hint=hint)


def number(
    option: str,
    value: Any,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    null: bool = False,
    hint: str = "",
) -> None:
    """Refuse all but finite numbers in a range, and null if that is allowed."""
    if value is None and null:
        return
    limits = _Range(least=least, most=most, above=above, below=below)
    if not (fits(value, float) and limits.hold(value)):
        _refuse(option, value, f"a number{limits.words()}", null=null, hint=hint)


@dataclass(frozen=True, kw_only=True)
class _Range:
    """The limits of a number."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def hold(self, value: Any) -> bool:
        """Return whether the number is within the limits."""
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def words(self) -> str:
        """Return such as " from 0 to 1", " of at least 1", " above 0 and below 1"; empty where there are no limits."""
        if self.least is not None and self.most is not None:
            return f" from {_written(self.least)} to {_written(self.most)}"
        ends = {"of at least": self.least, "above": self.above, "at most": self.most, "below": self.below}
        words = " and ".join(f"{word} {_written(end)}" for word, end in ends.items() if end is not None)
        return f" {words}" if words else ""


def _written(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


# --- lists ---------------------------------------------------------------------------------------------------------


def whole_numbers(option: str, values: Any, *, least: int, example: str, empty: bool = False) -> None:
    """Refuse all but a list of whole numbers in a range, at least one of them unless it may be empty."""
    limits = _Range(least=least)
    if not _is_list_of(values, lambda value: fits(value, int) and limits.hold(value), empty=empty):
        _refuse(option, values, f"a list of whole numbers{limits.words()}, such as {example}")


def numbers(
    option: str,
    values: Any,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    example: str,
) -> None:
    """Refuse all but a list of at least one number in a range."""
    limits = _Range(least=least, most=most, above=above)
    if not _is_list_of(values, lambda value: fits(value, float) and limits.hold(value)):
        _refuse(option, values, f"a list of numbers{limits.words()}, such as {example}")


def names(option: str, values: Any, *, example: str, empty: bool = False) -> None:
    """Refuse all but a list of names, at least one of them unless it may be empty."""
    if not _is_list_of(values, lambda value: fits(value, str), empty=empty):
        _refuse(option, values, f"a list of names, such as {example}")


def _is_list_of(values: Any, valid: Callable[[Any], bool], *, empty: bool = False) -> bool:
    is_list = isinstance(values, Sequence) and not isinstance(values, str)
    return is_list and (empty or len(values) > 0) and all(map(valid, values))


def _refuse(option: str, value: Any, wanted: str, *, null: bool = False, hint: str = "") -> NoReturn:
    sentence = f"{option}={as_typed(value)} must be {wanted}{', or null' if null else ''}"
    raise Refusal(f"{sentence}: {hint}" if hint else sentence)


def as_typed(value: Any) -> Any:
    """Return a value as it is typed, if it is null, true or false; else the value itself."""
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else value


# --- choices -------------------------------------------------------------------------------------------------------


def choice(option: str, value: Any, known: Iterable[str]) -> None:
    """Refuse all but the known names."""
    known = tuple(known)
    if value not in known:
        raise Refusal(f"{option}={as_typed(value)} is unknown: {among(str(value), known)}")


def among(typed: str, known: Iterable[str]) -> str:
    """Return what can be typed and what was probably meant: "choose one of cnn, unet (did you mean cnn?)"."""
    known = tuple(known)
    return f"choose one of {', '.join(known)}{did_you_mean(typed, known)}" if known else "there is none"


def did_you_mean(typed: str, known: Iterable[str]) -> str:
    """Return such as " (did you mean cnn?)"; empty where no known name is similar."""
    near = difflib.get_close_matches(typed, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
