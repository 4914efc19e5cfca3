"""Quality flags along tracks: which variables of a file say that a point is bad, and of which points they say so.

The meanings of a flag's values stand in its attributes `flag_meanings`, `flag_values` and `flag_masks` (CF conventions
1.11, section 3.5). A flag without them is 0 where a point is good.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal

log = logging.getLogger(__name__)

AUTO, NONE = "auto", "none"
# of NASA-SSH (PODAAC), AVISO, the geophysical data records of Jason and Sentinel-6, SWOT, and RADS
NAMED = re.compile(r"(.+_)?(quality|validation)_flag|nasa_flag|median_filter_flag|.+_qual|flags?")
OF_ANOTHER = re.compile(r"(.+)_(qual|quality_flag)")  # of the variable of that name
MEASURED = ("range_ocean",)  # whose flag is that of the height, too
UNSURE = ("flag", "flags")  # may mean anything where no attribute says what
BAD = {
    *("bad", "reject", "rejected", "invalid", "outlier", "outliers", "spurious", "spike", "spikes", "wrong"),
    *("erroneous", "error", "fail", "failed", "unusable", "edited", "degraded"),
}
GOOD = {"good", "ok", "valid", "usable", "accepted", "passed"}
NOT = {"not", "no", "non", "un"}
HALF = 0.5  # of the points: a flag that rejects more may mean the opposite


def rejected(
    dataset: xr.Dataset,
    heights: xr.DataArray,
    along: tuple[str, np.ndarray],
    asked: str | Sequence[str],
    where: Path,
    *,
    terms: Sequence[str] = (),
) -> dict[str, xr.DataArray]:
    """Bool arrays by the names of the flags: whether a flag says that a point of `heights` is bad.

    heights: as they were read. along: the dimension of the times and which of them were read. asked: AUTO, NONE, or
    the names of flags. terms: the variables that make the heights; flags of other variables, such as sig0_karin_qual
    of sig0_karin, count where they are asked for alone. Raises Refusal where the file lacks a flag that was asked for.
    """
    if asked == NONE:
        return {}
    fitting = [str(name) for name, field in dataset.variables.items() if _fits(field, heights, along[0])]
    known = [name for name in fitting if _recognized(name, dataset[name].variable)]
    known = [name for name in known if not _of_another(name, dataset, terms)]
    if asked != AUTO:
        wanted = list(asked)
        for name in wanted:
            if name not in fitting:
                choice = ", ".join(known) or ", ".join(fitting) or "none at all"
                raise Refusal(
                    f"{where} has no flag {name} of its heights: choose data.editing.flags among {choice}, or none"
                )
        known = wanted
    found = {}
    for name in known:
        field = dataset[name].isel({along[0]: along[1]})
        bad = field.drop_vars(list(field.coords)).copy(data=_bad(field.variable))
        unsure = asked == AUTO and name in UNSURE and not _meanings(field.variable)
        if unsure and _share(bad, heights) > HALF:
            log.warning(
                "%s of %s would reject %.0f %% of the points, and no flag_meanings say what it means: it is not used; "
                "data.editing.flags=[%s] uses it", name, where, 100 * _share(bad, heights), name,
            )  # fmt: skip
            continue
        found[name] = bad
    return found


def _fits(field: xr.Variable, heights: xr.DataArray, along: str) -> bool:
    """Whether a variable has the dimensions of the heights, and numbers of its own rather than a coordinate's."""
    return along in field.dims and set(field.dims) <= set(heights.dims) and field.dtype.kind in "biuf"


def _of_another(name: str, dataset: xr.Dataset, terms: Sequence[str]) -> bool:
    """Whether a flag is that of a variable of the file that is no term of the heights."""
    of = OF_ANOTHER.fullmatch(name)
    return of is not None and of[1] in dataset.variables and of[1] not in (*terms, *MEASURED)


def _recognized(name: str, field: xr.Variable) -> bool:
    meanings = _meanings(field)
    if meanings:
        of_quality = NAMED.fullmatch(name.lower()) is not None and name.lower() not in UNSURE
        return any(map(_says_bad, meanings)) or (of_quality and any(map(_says_good, meanings)))
    standard = str(field.attrs.get("standard_name", ""))
    return bool(NAMED.fullmatch(name.lower())) or standard.endswith("quality_flag")


def _meanings(field: xr.Variable) -> list[str]:
    """The words of flag_meanings, one for each value or mask."""
    return str(field.attrs.get("flag_meanings", "")).replace(",", " ").lower().split()


def _says_bad(meaning: str) -> bool:
    """Whether a meaning such as bad, data_rejected or not_valid says that a point must not be used."""
    words = [word for word in re.split(r"[_\W]+", meaning) if word]
    return any(word in (GOOD if before in NOT else BAD) for before, word in zip(["", *words], words, strict=False))


def _says_good(meaning: str) -> bool:
    words = [word for word in re.split(r"[_\W]+", meaning) if word]
    return any(word in GOOD for word in words) and not _says_bad(meaning)


def _bad(field: xr.Variable) -> np.ndarray:
    """Bool: where the flag says bad. A value that is missing says nothing.

    Where no meaning says bad, all values but 0 and those that are called good are.
    """
    values = np.asarray(field.values, float)
    known = np.isfinite(values)
    whole = np.where(known, values, 0).astype(np.int64)
    meanings = _meanings(field)
    bad = np.zeros(whole.shape, bool)
    if not any(map(_says_bad, meanings)):
        return known & (whole != 0)
    masks, stated = _numbers(field, "flag_masks"), _numbers(field, "flag_values")
    count = len(meanings)
    if len(masks) != count:
        masks = [-1] * count  # all bits
        stated = stated if len(stated) == count else list(range(count))
    elif len(stated) != count:
        stated = masks
    for meaning, mask, value in zip(meanings, masks, stated, strict=True):
        if _says_bad(meaning):
            bad |= (whole & mask) == value
    return bad & known


def _numbers(field: xr.Variable, name: str) -> list[int]:
    """The numbers of an attribute, which some programs write as a text such as 0b, 1b."""
    stated = field.attrs.get(name, ())
    if isinstance(stated, str):
        return [int(number) for number in re.findall(r"-?\d+", stated)]
    try:
        return np.atleast_1d(np.asarray(stated)).astype(np.int64).tolist()
    except (TypeError, ValueError):
        return []


def _share(bad: xr.DataArray, heights: xr.DataArray) -> float:
    """The share of the heights that a flag rejects."""
    there = heights.notnull()
    return float((bad & there).sum() / max(int(there.sum()), 1))


def option(asked: object) -> None:
    """Refuse what data.editing.flags cannot be."""
    if asked in (AUTO, NONE):
        return
    if not isinstance(asked, list | tuple) or not asked or not all(isinstance(name, str) for name in asked):
        raise Refusal(f"data.editing.flags={asked} must be {AUTO}, {NONE}, or names of flags such as [nasa_flag]")
