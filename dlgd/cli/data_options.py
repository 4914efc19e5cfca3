"""Options of the data at commands that load a run, whose data set is known only when the run is found.

`data.padding.rows=31` without `data=...` replaces an option of the data set of the run; with it, one of the data set
that is named. Hydra composes the command before the run is found, and takes the words as options that are added.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from dlgd.cli.typed_options import options_of
from dlgd.core import checks
from dlgd.core.config import plain
from dlgd.core.constants import TARGET
from dlgd.core.construct import locate
from dlgd.core.errors import Refusal

log = logging.getLogger(__name__)

GROUP = "data"
METHOD = "data.first_guess.method"


def take(arguments: Sequence[str], config_name: str) -> list[str]:
    """Return the arguments of a command, with its options of data as Hydra takes them.

    config_name: the main file of the command is <config_name>.yaml; if it names a usual data set, nothing changes.
    """
    if options_of(config_name).groups.get(GROUP, "none") is not None:
        return list(arguments)
    return [f"++{word.lstrip('+')}" if word.lstrip("+").startswith(f"{GROUP}.") else word for word in arguments]


def of_command(config: DictConfig, trained: DictConfig) -> DictConfig | None:
    """Return the configuration with the data set that a command names, or with that of the run and the options that
    were typed; None where the command says nothing of data.

    config: that of the command. trained: that of the run.
    """
    typed = plain(config[GROUP]) if config.get(GROUP) is not None else {}
    if not typed:
        return None
    return seeing_alike(config, trained) if TARGET in typed else changed(trained, typed)


def seeing_alike(config: DictConfig, trained: DictConfig) -> DictConfig:
    """Return the configuration of another data set, with what the network of a run sees: the options that the data set
    names in `of_the_input`, and the method of the first guesses. From any other input it would make nothing.

    A method that was typed stays. Logs what is no longer as the command has it.
    """
    seen = _of_the_input(config, trained)
    found = {name: value for name, value in seen.items() if name in config[GROUP] and config[GROUP][name] != value}
    if found:
        words = ", ".join(f"{GROUP}.{name}={value}" for name, value in found.items())
        log.info("As the network was trained: %s", words)
    method = OmegaConf.select(trained, METHOD)
    guesses = METHOD.rpartition(".")[0]  # none in another problem
    guessed = OmegaConf.is_dict(method) and OmegaConf.is_dict(OmegaConf.select(config, guesses))
    copied = config.copy()
    with open_dict(copied):
        copied[GROUP].update(found)
        if guessed and OmegaConf.select(config, METHOD) is None:
            OmegaConf.update(copied, METHOD, OmegaConf.create(OmegaConf.to_container(method)))
    return copied


def _of_the_input(config: DictConfig, trained: DictConfig) -> dict[str, Any]:
    """The options that say what the network of a run sees, by those names that the data set of `config` has for them.

    Runs from before an option was there do not give it: they were trained with what is its default.
    """
    if TARGET not in config[GROUP]:
        return {}
    source = locate(str(config[GROUP][TARGET]), f"{GROUP}.{TARGET}")
    names = getattr(source, "of_the_input", ())
    defaults = {name: one.default for name, one in inspect.signature(source).parameters.items() if name in names}
    given = {name: trained[GROUP].get(name, defaults.get(name, inspect.Parameter.empty)) for name in names}
    return {name: value for name, value in given.items() if value is not inspect.Parameter.empty}


def changed(config: DictConfig, options: Mapping[str, Any]) -> DictConfig:
    """Return the configuration of a run with some options of its data changed; what they do not name stays.

    Refusal of an option that says what the network of the run sees: not all of them change the number of channels, so
    that it would answer, and wrongly.
    """
    for name, value in _of_the_input(config, config).items():
        if name in options and options[name] != value:
            typed, known = checks.as_typed(options[name]), checks.as_typed(value)
            raise Refusal(
                f"{GROUP}.{name}={typed} says what a network sees, and the network was trained with "
                f"{GROUP}.{name}={known}: leave the option out"
            )
    copied = config.copy()
    with open_dict(copied):
        copied[GROUP] = OmegaConf.merge(OmegaConf.create(OmegaConf.to_container(config[GROUP])), dict(options))
    return copied
