"""Options below a group that a multirun goes through: -m model=cnn,vgg model.dropout=0.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException

from dlgd.cli import own_folders
from dlgd.core.config import load, plain

MULTIRUN = ("-m", "--multirun", "hydra.mode=MULTIRUN")


def for_each_run(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a multirun, where options of a group that it goes through are swept too, over one value:
    model.dropout=0.1 becomes model.dropout=choice(0.1) beside model=cnn,vgg.

    Hydra composes a configuration for the multirun itself, without what is swept: with the default network, which
    nobody asked for and which may lack the option. Each run has its own network and the same value as before. All other
    arguments, and those of a single run, are returned as they are.
    """
    if not set(arguments) & set(MULTIRUN):
        return list(arguments)
    parsed = {text: override for text in arguments if (override := _parsed(text)) is not None}
    swept = {key for one in parsed.values() if one.is_sweep_override() and (key := one.get_key_element())}
    swept |= {key for one in parsed.values() if one.key_or_group == "experiment" for key in _swept_by(one)}
    return [_over_one_value(text, parsed[text], swept) if text in parsed else text for text in arguments]


def has_values(override: Override) -> bool:
    """Return whether this goes through several values."""
    value = override.value()
    return override.is_sweep_override() and not (isinstance(value, ChoiceSweep) and len(value.list) == 1)


def _parsed(text: str) -> Override | None:
    """Return an override; None for a flag, and for what Hydra will refuse itself."""
    if text.startswith("-"):
        return None
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException:
        return None


def _swept_by(experiment: Override) -> list[str]:
    """Return what the file of an experiment goes through."""
    file = own_folders.find(f"experiment/{experiment.value()}.yaml")
    if experiment.is_sweep_override() or file is None:
        return []
    node: object = plain(load(file), resolve=False)
    for key in ("hydra", "sweeper", "params"):
        node = node.get(key) if isinstance(node, Mapping) else None
    return [str(key) for key in node] if isinstance(node, Mapping) else []


def _over_one_value(text: str, override: Override, swept: set[str]) -> str:
    key, sign, value = text.partition("=")
    group, dot, _ = (override.key_or_group or "").partition(".")
    if not (dot and group in swept and sign and value) or override.is_sweep_override() or override.is_delete():
        return text
    return f"{key}=choice({value})"
