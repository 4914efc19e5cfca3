"""Folders with a person's own choices beside those of dlgd: --config-dir, --config-path and hydra.searchpath.

What is typed is brought into one form, `hydra.searchpath=[...]` with absolute paths. Unlike flags, Hydra keeps such an
option and dlgd gives it to the runs of a multirun and to the trials of a search. The files of dlgd come first, as they
do in Hydra; a folder of --config-path comes before them. Imports nothing heavy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from dlgd.core.config import load, plain
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF

SEARCHPATH = "hydra.searchpath"
DIR, PATH = "--config-dir", "--config-path"
BARE = re.compile(r"[\w:/.@-]+")  # what needs no quotes in a list of Hydra

_found: list[str] = []  # the search path of this command, in the form of Hydra
_first: Path = CONF  # the folder of its main file


def take(arguments: Sequence[str], config_name: str) -> list[str]:
    """Return the arguments of a command with the folders that they name in one form, and note these folders.

    config_name: the main file of the command is <config_name>.yaml. Refusal for a folder that does not exist.
    """
    global _first
    _found.clear()
    _first = CONF
    named, typed, others = [], None, []
    for flag, text in _flags(arguments):
        if flag == DIR:
            named.append(_as_found(text, DIR))
        elif flag == PATH:
            _first = Path(_as_found(text, PATH).removeprefix("file://"))
        elif text.startswith(f"{SEARCHPATH}=") and (value := _listed(text)) is not None:
            typed = [_as_found(one, SEARCHPATH) for one in value]
        else:
            others.append(text)
    if typed is None and _first != CONF:
        typed = _of_main_file(_first / f"{config_name}.yaml")
    found = [*named, *(typed or ())]
    found += [f"file://{CONF}"] if _first != CONF and f"file://{CONF}" not in found else []
    _found.extend(dict.fromkeys(found))
    first = next((n for n, word in enumerate(others) if "=" in word and not word.startswith("-")), 0)
    return [*others[:first], *words(), *others[first:]]  # Python's parser takes options that stand together only


@contextmanager
def kept() -> Iterator[None]:
    """Return a context after which the folders are those of before; within it, none but that of dlgd, until `take`."""
    global _first
    before = list(_found), _first
    forget()
    try:
        yield
    finally:
        _found[:], _first = before


def words() -> list[str]:
    """Return what must be typed in a command that finds the same files as this one; mostly nothing."""
    first = [] if _first == CONF else [f"{PATH}={_first}"]
    return [*first, f"{SEARCHPATH}=[{','.join(map(_quoted, _found))}]"] if _found else first


def of_multirun() -> list[str]:
    """Return the flag for the runs of a multirun, in the process that a launcher gives to a run; mostly nothing.

    The search path is among the options of Hydra that they get anyway.
    """
    main = [one.path for one in HydraConfig.get().runtime.config_sources if one.provider == "main"]
    return [f"{PATH}={path}" for path in main if Path(path) != CONF]


def first_folder() -> Path:
    """Return the folder of the main file of this command: that of dlgd, or of --config-path."""
    return _first


def search_path() -> list[str]:
    """Return the option of Hydra that names the folders of this command, for what composes further configurations."""
    return [one for one in words() if one.startswith(SEARCHPATH)]


def folders() -> list[Path]:
    """Return all folders with choices, in the order in which a file is looked for."""
    return list(dict.fromkeys([_first, *own(), CONF]))


def own() -> list[Path]:
    """Return the folders with choices that the command names, without those of dlgd."""
    named = [path for one in _found if (path := _path_of(one)) is not None]
    return [one for one in dict.fromkeys([_first, *named]) if one != CONF]


def find(name: str) -> Path | None:
    """Return the first file of this name, such as experiment/mine.yaml; None where there is none."""
    return next((file for folder in folders() if (file := folder / name).is_file()), None)


def is_group(name: str) -> bool:
    """Return whether this is a group of choices, such as model, and not an option."""
    return name != "" and any((folder / name).is_dir() for folder in folders())


def forget() -> None:
    """Know no folders any more but that of dlgd, for tests: a process has one command."""
    take((), "")


# --- what is typed -------------------------------------------------------------------------------------------------


def _flags(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (flag, its value) of the flags that name folders, also abbreviated, and ("", word) of all other words."""
    waiting = iter(arguments)
    for word in waiting:
        flag, sign, value = word.partition("=")
        name = _name_of(flag)
        if name is None:
            yield "", word
            continue
        value = value if sign else next(waiting, "")
        if not value:
            raise Refusal(f"{word} names no folder: type {name}=<folder>")
        yield name, value


def _name_of(flag: str) -> str | None:
    """Return the whole name of a flag that names folders; None for anything else."""
    if len(flag) > len("--config-"):
        return next((name for name in (DIR, PATH) if name.startswith(flag)), None)
    return {"-cd": DIR, "-cp": PATH}.get(flag)


def _listed(text: str) -> list[str] | None:
    """Return the texts in hydra.searchpath=[...]; None for what Hydra will refuse itself."""
    try:
        value: Any = OverridesParser.create().parse_override(text).value()
    except HydraException:
        return None
    return [str(one) for one in value] if isinstance(value, list) else None


def _of_main_file(file: Path) -> list[str]:
    """Return the search path that the main file of --config-path gives."""
    node: object = plain(load(file), resolve=False) if file.is_file() else None
    for key in SEARCHPATH.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    return [_as_found(str(one), f"{SEARCHPATH} of {file}") for one in node] if isinstance(node, list) else []


def _as_found(text: str, option: str) -> str:
    """Return one folder in the form of Hydra. Refusal where it does not exist."""
    scheme, sign, rest = text.partition("://")
    if sign and scheme != "file":
        place = _path_of(text)
        if scheme == "pkg" and (place is None or not (place / "__init__.py").is_file()):
            reason = (
                "Python finds no such package"
                if place is None
                else f"{place} has no __init__.py, not even an empty one"
            )
            raise Refusal(f"{option} names {text}, but {reason}")
        return text
    path = Path(os.path.abspath(Path(rest if sign else text).expanduser()))
    if not path.is_dir():
        raise Refusal(f"{option} names {text}, but there is no such folder")
    return f"file://{path}"


def _path_of(one: str) -> Path | None:
    """Return the folder of an entry of the search path; None where it is none, as in an archive."""
    scheme, _, rest = one.partition("://")
    if scheme == "file":
        return Path(rest)
    if scheme != "pkg":
        return None
    try:
        spec = find_spec(rest.replace("/", "."))
    except (ModuleNotFoundError, ValueError):
        return None
    return next(map(Path, (None if spec is None else spec.submodule_search_locations) or ()), None)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return text if BARE.fullmatch(text) else f"'{escaped}'"
