"""The main file of a command, which --config-name replaces: conf/config.yaml of dlgd.train, say, by mine.yaml.

The flag stays a flag, which no record of Hydra keeps among what was typed, so that the runs of a multirun get it from
here. The file may lie in any folder of choices; Hydra finds it in --config-dir, not in hydra.searchpath. Imports
nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from dlgd.cli import own_folders
from dlgd.core.checks import among
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF

FLAG = "--config-name"

_usual = _name = ""  # the main file of this command without the flag, and with it


def take(arguments: Sequence[str], config_name: str) -> list[str]:
    """Return the arguments of a command with one flag for its main file, or none, and note which file it is.

    config_name: that of the command without the flag. Refusal where there is no such file. The folders that the
    command names must be known already; see `own_folders.take`.
    """
    global _usual, _name
    named, others = _named(arguments)
    _usual, _name = config_name, named.removesuffix(".yaml") or config_name
    if own_folders.find(f"{_name}.yaml") is None:
        own = {file.stem for folder in own_folders.own() for file in folder.glob("*.yaml")}
        raise Refusal(f"{FLAG}={_name} is unknown: {among(_name, sorted({config_name, *own}))}")
    return [*words(), *others]


def read(config_name: str) -> str:
    """Return the name of the main file of this command. config_name: the usual one."""
    return _name or config_name


def of_command(config_name: str) -> str:
    """Return the usual name of the main file that Hydra has read: it says which command this is."""
    return _usual if config_name == _name else config_name


def differs(config_name: str) -> bool:
    """Return whether a main file is another one than that of this command."""
    return "" not in (_name, config_name) and config_name != _name


def words() -> list[str]:
    """Return what must be typed for the same main file; mostly nothing."""
    file = own_folders.find(f"{_name}.yaml")
    if _name == _usual or file is None:
        return []
    folder = next(one for one in own_folders.folders() if file.is_relative_to(one))
    return _flags(_name, None if folder in (CONF, own_folders.first_folder()) else folder)


def of_multirun(config_name: str) -> list[str]:
    """Return the flags for the runs of a multirun, in the process that a launcher gives to a run; mostly none.

    config_name: that of the command without the flag.
    """
    hydra = HydraConfig.get()
    name = str(hydra.job.config_name)
    folders = [Path(one.path) for one in hydra.runtime.config_sources if one.provider == "command-line"]
    return [] if name == config_name else _flags(name, *folders[:1])


def forget() -> None:
    """Know no main file, for tests: a process has one command."""
    global _usual, _name
    _usual = _name = ""


def _flags(name: str, folder: Path | None = None) -> list[str]:
    return [*([] if folder is None else [f"{own_folders.DIR}={folder}"]), f"{FLAG}={name}"]


def _named(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Return what stands behind the flag, also abbreviated, or '', and all other words."""
    named, others, waiting = "", [], iter(arguments)
    for word in waiting:
        flag, sign, value = word.partition("=")
        if flag != "-cn" and not (len(flag) > len("--config-") and FLAG.startswith(flag)):
            others.append(word)
            continue
        named = value if sign else next(waiting, "")
        if not named:
            raise Refusal(f"{word} names no configuration: type {FLAG}=<name>")
    return named, others
