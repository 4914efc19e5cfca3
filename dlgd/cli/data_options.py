"""Options of the data at commands that load a run, whose data set is known only when the run is found.

`data.padding.rows=31` without `data=...` replaces an option of the data set of the run; with it, one of the data set
that is named. Hydra composes the command before the run is found, and takes the words as options that are added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from dlgd.cli.typed_options import options_of
from dlgd.core.config import plain
from dlgd.core.constants import TARGET

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
    return guessing_alike(config, trained) if TARGET in typed else changed(trained, typed)


def guessing_alike(config: DictConfig, trained: DictConfig) -> DictConfig:
    """Return the configuration of another data set, with the method from whose first guesses the network of a run
    starts: from any other guess it would make nothing. A method that was typed stays."""
    method = OmegaConf.select(trained, METHOD)
    if not OmegaConf.is_dict(method) or OmegaConf.select(config, METHOD) is not None:
        return config
    if not OmegaConf.is_dict(OmegaConf.select(config, METHOD.rpartition(".")[0])):
        return config  # another problem
    copied = config.copy()
    with open_dict(copied):
        OmegaConf.update(copied, METHOD, OmegaConf.create(OmegaConf.to_container(method)))
    return copied


def changed(config: DictConfig, options: Mapping[str, Any]) -> DictConfig:
    """Return the configuration of a run with some options of its data changed; what they do not name stays."""
    copied = config.copy()
    with open_dict(copied):
        copied[GROUP] = OmegaConf.merge(OmegaConf.create(OmegaConf.to_container(config[GROUP])), dict(options))
    return copied
