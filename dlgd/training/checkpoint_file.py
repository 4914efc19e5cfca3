"""The file of a checkpoint: read without running code from it, and held against what a checkpoint holds.

Whatever a file holds instead, the answer is one sentence (Refusal). Errors of any kind are caught where bytes are
decoded, and nowhere else: zipfile, torch and json raise a dozen kinds for damaged ones.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from dlgd.core.checks import fits
from dlgd.core.errors import Refusal

FORMAT = "dlgd checkpoint 1"
KEYS = ("weights", "averaged", "optimizers", "state", "config")


def read(path: Path) -> dict[str, Any]:
    """Return what is in a checkpoint, by KEYS, with tensors on the CPU; `state` and `config` are plain containers.

    Raises Refusal where the file is missing, damaged, of a later version or something else.
    """
    if not path.is_file():
        raise Refusal(f"There is no checkpoint {path}: give a run folder or file that exists.")
    try:
        with path.open("rb") as file:
            content = _loaded(file, path)
    except OSError as error:
        raise Refusal(f"{path} cannot be read ({error.strerror}): use another checkpoint.") from error
    _check_format(content, path)
    for key in ("state", "config"):
        content[key] = _from_json(content[key])
    wrong = _first_wrong(content)
    if wrong is not None:
        raise Refusal(
            f"{path} is damaged, or another program has changed it ({wrong}): use another checkpoint, such as a "
            "best_*.pt."
        )
    return content


def _loaded(file: BinaryIO, path: Path) -> Any:
    """Return what torch finds in the file, whose checksums are right."""
    try:
        with zipfile.ZipFile(file) as archive:
            # PyTorch compresses nothing; so no small file can ask for more memory than there is.
            foreign = any(one.compress_type != zipfile.ZIP_STORED for one in archive.infolist())
            damaged = None if foreign else archive.testzip()  # torch.load does not look at the checksums
    except Exception as error:  # see above
        raise Refusal(f"{path} is truncated or is not a checkpoint: use another one, such as a best_*.pt.") from error
    if damaged is not None:
        raise Refusal(f"{path} is damaged (in {damaged!r}): use another checkpoint, such as a best_*.pt.")
    try:
        if foreign:
            return None
        file.seek(0)
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # see above
        raise Refusal(_foreign(path)) from error


def _foreign(path: Path) -> str:
    return f"{path} is not a checkpoint of dlgd: give one that dlgd.train wrote."


def _check_format(content: Any, path: Path) -> None:
    """Take the format from the content. Refuse files of other programs and of later versions of dlgd."""
    if not isinstance(content, dict) or not isinstance(content.get("format"), str):
        raise Refusal(_foreign(path))
    made_by = content.pop("format")
    if not re.fullmatch(r"dlgd checkpoint \d+", made_by):
        raise Refusal(_foreign(path))
    unknown = [str(key) for key in content if key not in KEYS]
    if made_by != FORMAT or unknown:
        what = f"with {', '.join(unknown)}" if made_by == FORMAT else made_by.removeprefix("dlgd ")
        raise Refusal(f"{path} was written by a later version of dlgd ({what}): read it with that version.")
    lacking = [key for key in KEYS if key not in content]
    if lacking:
        raise Refusal(f"{path} is not a whole checkpoint (it lacks {', '.join(lacking)}): use another one.")


def _from_json(text: object) -> Any:
    """Return what a JSON text says; None where it says nothing."""
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


# --- kinds ---------------------------------------------------------------------------------------------------------


def _first_wrong(content: Mapping[str, Any]) -> str | None:
    """Return the first part of a checkpoint that is not of its kind, in words."""
    for key in ("weights", "averaged"):
        if not (_is_tensors(content[key]) or (key == "averaged" and content[key] is None)):
            return f"{key} are no tensors with names"
    optimizers = content["optimizers"]
    if not (_is_mapping(optimizers) and all(_is_optimizer(one) for one in optimizers.values())):
        return "optimizers are none"
    if not _is_mapping(content["config"]):
        return "config is no configuration"
    return _first_wrong_of_state(content["state"])


def _first_wrong_of_state(state: Any) -> str | None:
    kinds: dict[str, Callable[[Any], bool]] = {
        "step": _is_count,
        "seconds": lambda value: _is_number(value) and 0 <= value < math.inf,
        "validated": _is_count,
        "stale": _is_count,
        "best": lambda value: _is_mapping(value, of=lambda one: fits(one, float)),
        "history": lambda value: isinstance(value, list) and all(_is_mapping(row, of=_is_number) for row in value),
    }
    if not _is_mapping(state):
        return "state is none"
    added: dict[str, Callable[[Any], bool]] = {  # which old ones lack
        "unread": lambda value: _is_mapping(value, of=_is_sum),
        "threads": _is_count,
    }
    kinds |= {name: valid for name, valid in added.items() if name in state}
    for name, valid in kinds.items():
        if name not in state or not valid(state[name]):
            return f"state.{name} is {'missing' if name not in state else 'of another kind'}"
    unknown = [name for name in state if name not in kinds]
    return f"state.{unknown[0]} is unknown" if unknown else None


def _is_mapping(value: Any, of: Callable[[Any], bool] = lambda _: True) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) and of(one) for key, one in value.items())


def _is_tensors(value: Any) -> bool:
    return _is_mapping(value, of=lambda one: isinstance(one, Tensor) and one.layout == torch.strided)


def _is_optimizer(value: Any) -> bool:
    return _is_mapping(value) and isinstance(value.get("kind"), str) and isinstance(value.get("state"), dict)


def _is_count(value: Any) -> bool:
    return fits(value, int) and value >= 0


def _is_sum(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and _is_number(value[0]) and _is_count(value[1]) and value[1] > 0


def _is_number(value: Any) -> bool:  # NaN is one: a score of a validation may be undefined
    return isinstance(value, int | float) and not isinstance(value, bool)
