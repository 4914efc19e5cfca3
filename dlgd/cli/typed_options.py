"""What is typed after a command, looked at before Hydra composes a configuration of it.

Hydra answers some slips with a traceback (model=null, =3) and takes others without a word (+modle.x=1, which nothing
reads). Imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, QuotedString, Sweep, Transformer
from hydra.errors import HydraException

from dlgd.cli import own_folders
from dlgd.core.checks import among, as_typed, did_you_mean
from dlgd.core.config import load, plain
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF

FLAGS_WITH_VALUES = {
    *("--config-name", "-cn", "--config-path", "-cp", "--config-dir", "-cd", "--package", "-p", "--cfg", "-c")
}
# What is read of a group whose options are not those of one constructor. A constructor's are checked by `construct`.
READ = {
    "evaluation": ("of", "by", "scores", "methods", "criteria", "classifier", "published", "printed"),
    "sweep": ("search", "metrics", "sampler", "pruner"),
}


@dataclass(frozen=True)
class Options:
    """The groups of a command with their usual choices, and its other options with their values."""

    groups: Mapping[str, str | None]
    values: Mapping[str, Any]

    def names(self) -> list[str]:
        """Return all names that can be typed."""
        return sorted({*self.groups, *self.values} - {"hydra", "init_loaded"})


def options_of(config_name: str) -> Options:
    """Return what <config_name>.yaml and the files that it extends offer."""
    file = own_folders.find(f"{config_name}.yaml") or CONF / f"{config_name}.yaml"
    content = plain(load(file), resolve=False)
    groups: dict[str, str | None] = {}
    values = {key: value for key, value in content.items() if key != "defaults"}
    for entry in content.get("defaults", []):
        if isinstance(entry, Mapping):
            groups |= {key: choice for key, choice in entry.items() if not key.startswith("override ")}
        elif entry != "_self_":
            inner = options_of(entry)
            groups, values = {**inner.groups, **groups}, {**inner.values, **values}
    return Options(groups, values)


def choices_of(group: str) -> list[str]:
    """Return the names of the files of a group, as they are typed: those of dlgd and of a person's own folders."""
    folders = [one / group for one in own_folders.folders()]
    found = (str(path.relative_to(one).with_suffix("")) for one in folders for path in one.rglob("*.yaml"))
    return list(dict.fromkeys(found))


def refuse_hidden(group: str, choice: str) -> None:
    """Refuse a choice whose file in a person's own folder is not read, because a folder before it has one of that name.

    Hydra takes the first, which is mostly that of dlgd, without a word.
    """
    found = [file for one in own_folders.folders() if (file := one / group / f"{choice}.yaml").is_file()]
    own = [file for file in found[1:] if not file.is_relative_to(CONF)]
    if own:
        raise Refusal(f"{group}={choice} is {found[0]}, which comes before {own[0]}: give your file another name")


def refuse_misformed(arguments: Sequence[str], config_name: str) -> None:
    """Refuse words that no configuration can be composed of, and added options (+) that nothing reads.

    arguments: all words after the command conf/<config_name>.yaml.
    """
    known = options_of(config_name)
    parser = OverridesParser.create()
    for word in _overrides(arguments):
        try:
            override = parser.parse_override(word)
        except HydraException as error:
            raise Refusal(_unreadable(word, str(error))) from error
        if not override.key_or_group:
            raise Refusal(f"{word} names no option: type option=value, such as seed=1")
        if not override.key_or_group.startswith("hydra"):
            _check(override, word, known)


def flags_last(arguments: Sequence[str]) -> list[str]:
    """Return the words with all flags behind them: argparse takes no word behind a flag, if there is one before it."""
    others = [word for word, before in _with_the_one_before(arguments) if _is_of_a_flag(word, before)]
    return [*_overrides(arguments), *others]


def _overrides(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the words that are no flags, nor their values."""
    return (word for word, before in _with_the_one_before(arguments) if not _is_of_a_flag(word, before))


def _with_the_one_before(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(arguments, ["", *arguments], strict=False)


def _is_of_a_flag(word: str, before: str) -> bool:
    """Return whether a word, which stands behind the one `before`, is a flag or its value."""
    return word.startswith("-") or before in FLAGS_WITH_VALUES


def _unreadable(word: str, reason: str) -> str:
    if "=" not in word:
        return (
            f"{word!r} has no value: type {word}=<value>" if word.strip() else "an empty word was typed: leave it out"
        )
    return (
        f"{word} cannot be read ({' '.join(reason.splitlines()[0].split())}): put a value with spaces, accents or "
        "signs between two kinds of quotes, such as \"output='my file.nc'\""
    )


def _check(override: Override, word: str, known: Options) -> None:
    key, is_group = override.key_or_group, own_folders.is_group(override.key_or_group)
    if override.type == OverrideType.DEL:
        if known.groups.get(key) is not None:
            raise Refusal(f"{word} removes what each run needs: choose another one, {key}=<choice>")
        if key in known.values:
            raise Refusal(f"{word} removes an option that is read: type {key}=<value>")
        return
    if override.type in (OverrideType.ADD, OverrideType.FORCE_ADD):
        _check_added(override, word, known)
    if is_group:
        for choice in _elements(override):
            _check_choice(key, choice, known)
    elif isinstance(known.values.get(key), Mapping) and not isinstance(override.value(), Mapping):
        inner = ", ".join(f"{key}.{name}" for name in known.values[key])
        raise Refusal(f"{word} is no option: type one of {inner}")


def _elements(override: Override) -> list[Any]:
    """Return the value of an override, or the values through which a multirun goes."""
    value = override.value()
    return list(override.sweep_iterator(Transformer.identity)) if isinstance(value, Sweep) else [value]


def _check_choice(group: str, choice: Any, known: Options) -> None:
    """Refuse what is no name of a choice: null, numbers, lists; and the name of a file that is not read."""
    if isinstance(choice, Mapping) or (isinstance(choice, str) and choice) or isinstance(choice, QuotedString):
        if isinstance(choice, str):
            refuse_hidden(group, choice)
        return
    if choice is None and group in known.groups and known.groups[group] is None:
        raise Refusal(f"{group}=null cannot be typed: leave it out, and there is no {group}")
    if isinstance(choice, list):
        raise Refusal(f"{group} is one choice, not a list: for a run of each, type -m {group}=<one>,<another>")
    raise Refusal(f"{group}={as_typed(choice)} is unknown: {among(str(choice), sorted(choices_of(group)))}")


def _check_added(override: Override, word: str, known: Options) -> None:
    """Refuse an added option that nothing reads."""
    first, _, rest = (override.package or override.key_or_group).partition(".")
    if first.startswith(("_", "hydra")):
        return
    names = known.names()
    if first not in names:
        raise Refusal(f"{word} adds {first}, which nothing reads{did_you_mean(first, names)}: leave it out")
    value, second = known.values.get(first), rest.partition(".")[0]
    inner = READ.get(first, tuple(value) if isinstance(value, Mapping) else ())
    if inner and second and second not in inner:
        raise Refusal(f"{word} adds {first}.{second}, which nothing reads{did_you_mean(second, inner)}: leave it out")
