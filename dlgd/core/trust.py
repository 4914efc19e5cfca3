"""What a configuration may name. Nothing is imported or called for a `_target_` before it is held against this.

A run folder or a checkpoint may come from a stranger, and its configuration names what is to be called, with which
values. So each configuration that is read from a file goes through `loaded`, whole, before anything is built from it;
and `construct` asks `check` again for each object that it builds, wherever its configuration comes from. Allowed are

- what dlgd offers: the very `_target_`s in the files of conf/, and the modules and optimizers of PyTorch;
- what the configuration of this command names, which a person has typed or has in files of their own, and what the
  other choices in the folders of such files name (--config-dir, --config-path, hydra.searchpath);
- what is defined in the packages that the command line of this very call names, `trust=[my_package]`.

A configuration that is loaded can add to none of them.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from dlgd.core import checks, passwords
from dlgd.core.config import plain
from dlgd.core.constants import LIBRARIES, PARTIAL, TARGET
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.core.renames import updated

OPTION = "trust"
PRESETS = ("experiment", "sweep")  # groups of conf/ that offer nothing of their own; searches write files there
TORCH = ("torch.nn", "torch.optim", "torch.optim.lr_scheduler")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
LONGEST = 100  # characters of a name that are shown

_typed: set[str] = set()  # the `_target_`s in the configuration of this command
_packages: list[str] = []  # those of trust=[...]
_in_folders: set[str] = set()  # the `_target_`s in the folders of choices that this command names


# --- by the command line of this call ------------------------------------------------------------------------------


def allow_typed(config: DictConfig) -> None:
    """Allow what the configuration of this command names. Never call it with one that was loaded."""
    try:
        values = plain(config)
    except OmegaConfBaseException:  # the command itself says what is wrong with it
        values = plain(config, resolve=False)
    _typed.update(value for _, key, value in _entries(values) if key == TARGET and isinstance(value, str))


def allow_folders(folders: Sequence[Path]) -> None:
    """Allow what the files in these folders of choices name. Call it with those that a person has typed alone."""
    for folder in folders:
        _in_folders.update(_targets_in(folder))


def allow_packages(trust: object) -> None:
    """Allow what these packages or modules define.

    trust: names of a person's own packages or modules, such as [my_package]; a run that is loaded may then call
    anything that they define, with any values. Refusal for libraries, which no run needs.
    """
    if trust == []:
        return
    checks.names(OPTION, trust, example="[my_package]")
    assert isinstance(trust, Sequence)
    for name in trust:
        if not _is_path(name):
            raise Refusal(f"{OPTION} has {shown(name)}, which is no package: type such as {OPTION}=[my_package]")
        if _is_library(name):
            raise Refusal(
                f"{OPTION}=[{name}] would let a run that is loaded do anything on this machine: name packages of your "
                "own only"
            )
    _packages.extend(trust)


def typed_again(config: DictConfig) -> str:
    """Return what must be typed when a run with this configuration is loaded, " trust=[my_package]"; mostly nothing."""
    targets = [str(value) for _, key, value in _entries(plain(config, resolve=False)) if key == TARGET]
    own = sorted({one.partition(".")[0] for one in targets if not (_is_offered(one) or _is_library(one))})
    return f" {OPTION}=[{','.join(own)}]" if own else ""


def forget() -> None:
    """Allow nothing any more but what dlgd offers."""
    _typed.clear()
    _packages.clear()
    _in_folders.clear()


@dataclass(frozen=True)
class Allowed:
    """What was allowed besides what dlgd offers: a process of Python's own makes many calls, each with its own."""

    typed: frozenset[str] = frozenset()
    packages: tuple[str, ...] = ()
    in_folders: frozenset[str] = frozenset()


def now_allowed() -> Allowed:
    """Return what is allowed now besides what dlgd offers."""
    return Allowed(frozenset(_typed), tuple(_packages), frozenset(_in_folders))


def both(one: Allowed, other: Allowed) -> Allowed:
    """Return what either allows."""
    return Allowed(one.typed | other.typed, (*one.packages, *other.packages), one.in_folders | other.in_folders)


@contextmanager
def only(allowed: Allowed) -> Iterator[None]:
    """Return a context in which nothing else is allowed but what dlgd offers; what it adds is forgotten at its end."""
    before = now_allowed()
    _replace(allowed)
    try:
        yield
    finally:
        _replace(before)


def _replace(allowed: Allowed) -> None:
    forget()
    _typed.update(allowed.typed)
    _packages.extend(allowed.packages)
    _in_folders.update(allowed.in_folders)


# --- of what is loaded ---------------------------------------------------------------------------------------------


def loaded(values: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """Return a configuration that was read from a file, with present names, as plain values and without passwords.

    source: the file, for the refusal of what is not allowed in it, used or not: see `check_values`.
    """
    found = updated(values)
    check_values(found, source)
    found.pop(OPTION, None)
    return passwords.stripped(found)


def check_values(values: Mapping[str, Any], source: object) -> None:
    """Refuse values from a file with a `_target_` that is not allowed, with a reference or with control characters.

    References such as ${oc.env:HOME} would be resolved and written, and run folders hold none; control characters could
    make a terminal show something else.
    """
    for place, key, value in _entries(values):
        for text in (key, value):
            if isinstance(text, str) and "${" in text:
                raise Refusal(
                    f"{source} has a reference at {shown(place)}, and references are not followed in runs that are "
                    "loaded: write the value itself there"
                )
            if isinstance(text, str) and CONTROL.search(text):
                raise Refusal(f"{source} has control characters at {shown(place)}, which no run has: do not use it")
        name = str(key).rpartition(".")[2]
        if name == TARGET:
            check(value, f"{source}: {shown(place)}")
        elif name in ("_args_", "_convert_", "_recursive_"):
            raise Refusal(f"{source} has {shown(place)}, but of Hydra's own keys only {TARGET} and {PARTIAL} are known")


# --- of all that is built --------------------------------------------------------------------------------------------


def check(target: object, option: str) -> None:
    """Refuse a `_target_` that is not allowed, before anything is imported.

    option: where it stands, such as model._target_.
    """
    if isinstance(target, str) and (_is_named(target) or _is_of_packages(target)):
        return
    what = f"{option}={shown(target)}"
    if not isinstance(target, str) or not _is_path(target):
        raise Refusal(f"{what} must be the import path of a class or function, such as my_module.MyClass")
    if target.partition(".")[0] == "dlgd":
        raise Refusal(f"{what} is none of the choices in conf/ of this version of dlgd: nothing was called")
    if _is_library(target):
        raise Refusal(f"{what} is nothing that a run needs, and was not called: do not use files of whoever made this")
    package = target.partition(".")[0]
    raise Refusal(
        f"{what} is not of dlgd and was not called: if it is your own code, or you have read it, type "
        f"{OPTION}=[{package}], which lets this run call anything in {package} with any values"
    )


def check_found(found: object, target: str, option: str) -> None:
    """Refuse an object that is allowed by `trust` alone but is only imported there: my_package.os.system."""
    if _is_named(target):
        return
    home = getattr(found, "__module__", None)
    if not isinstance(home, str) or not _is_of_packages(f"{home}."):
        raise Refusal(
            f"{option}={shown(target)} is not defined in what {OPTION}=[{','.join(_packages)}] names and was not called"
        )


def shown(name: object) -> str:
    """Return a name from a file as it can be printed: in one line, not too long."""
    text = str(name)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


@functools.cache
def offered() -> frozenset[str]:
    """Return each `_target_` in the files of conf/ that offer something."""
    return frozenset(_targets_in(CONF))


def _content(file: Path) -> object:
    """Return what a file of choices says; nothing where it cannot be read, which Hydra says if it is chosen."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast
    try:
        return yaml.load(file.read_text(encoding="utf-8"), loader)
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


def _targets_in(folder: Path) -> set[str]:
    """Return each `_target_` in the groups of a folder of choices."""
    groups = [path for path in folder.iterdir() if path.is_dir() and path.name not in PRESETS]
    files = [file for group in groups for file in group.glob("**/*.yaml")]
    entries = (entry for file in files for entry in _entries(_content(file)))
    return {value for _, key, value in entries if key == TARGET and isinstance(value, str)}


def _is_named(target: str) -> bool:
    return target in _typed or target in _in_folders or _is_offered(target)


def _is_offered(target: str) -> bool:
    return target in offered() or (target.startswith("torch.") and _is_of_torch(target))


def _is_of_torch(target: str) -> bool:
    """Return whether it is a module, an optimizer or a scheduler of PyTorch by its own name, such as torch.nn.ReLU."""
    place, _, name = target.rpartition(".")
    if place not in TORCH:
        return False
    from torch import nn, optim

    found = vars({"torch.nn": nn, "torch.optim": optim}.get(place, optim.lr_scheduler)).get(name)
    kinds = (nn.Module, optim.Optimizer, optim.lr_scheduler.LRScheduler)
    return inspect.isclass(found) and issubclass(found, kinds)


def _is_of_packages(target: str) -> bool:
    return any(target.startswith(f"{package}.") for package in _packages)


def _is_path(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _is_library(name: str) -> bool:
    """Return whether a package is of Python, of dlgd, or one that dlgd calls."""
    first = name.partition(".")[0]
    return first in LIBRARIES or first in sys.stdlib_module_names or first in ("dlgd", "__main__")


def _entries(values: object) -> Iterator[tuple[str, Any, Any]]:
    """Yield (place, key, value) of all that is in nested values, in lists too, however deep."""
    waiting = [("", values)]
    while waiting:
        outer, node = waiting.pop()
        pairs = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list | tuple) else ()
        for key, value in pairs:
            place = f"{outer}.{key}" if outer else str(key)
            yield place, key, value
            waiting.append((place, value))
