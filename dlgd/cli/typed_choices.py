"""A choice that is typed beside an experiment counts before what the experiment sets in its group: training=debug.

Hydra puts the file of an experiment, its options included, after the files of all choices, so that
`experiment=ssh/correction training=debug` would train for the experiment's 60 minutes. What the file of the choice
gives is therefore typed, too. This holds for the group `training` alone: what an experiment sets of its data or of a
network belongs to these. In a multirun each run has its own command, so that nothing is done in that of all. Imports
nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from dlgd.cli import own_folders
from dlgd.cli.swept_groups import MULTIRUN
from dlgd.core import checks
from dlgd.core.config import load, plain

GROUP, EXPERIMENT = "training", "experiment"


def before_experiment(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command with the options that the file of a typed training=... gives behind it, if an
    experiment is typed, too. Options that are typed one by one count before both."""
    if set(arguments) & set(MULTIRUN):
        return list(arguments)
    parsed = [_parsed(text) for text in arguments]
    typed = {one.key_or_group: str(one.value()) for one in parsed if one is not None and not one.is_sweep_override()}
    file = own_folders.find(f"{GROUP}/{typed.get(GROUP)}.yaml")
    if EXPERIMENT not in typed or file is None:
        return list(arguments)
    given = plain(load(file), resolve=False)
    words = [f"{GROUP}.{name}={checks.as_typed(value)}" for name, value in given.items() if _is_option(name, value)]
    words = [word for word in words if word.partition("=")[0] not in typed]
    place = max(number for number, one in enumerate(parsed) if one is not None and one.key_or_group == GROUP) + 1
    return [*arguments[:place], *words, *arguments[place:]]


def _is_option(name: str, value: object) -> bool:
    """Return whether this is a number, a word or null that one can type: no list, and no reference to another option,
    such as the criteria of a task."""
    return not (name == "defaults" or name.startswith("_") or isinstance(value, Mapping | list) or "${" in str(value))


def _parsed(text: str) -> Override | None:
    """Return an override; None for a flag, and for what Hydra will refuse itself."""
    try:
        return None if text.startswith("-") else OverridesParser.create().parse_override(text)
    except HydraException:
        return None
