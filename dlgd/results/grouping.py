"""Finished runs put into the rows of a table: runs of one row differ in their seed alone.

A row is named by the settings in which it differs from others, as they are typed: "model=resnet optimizer.lr=0.001".
Where that would be many, a name leaves out what most rows have.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlgd.core.settings_without_effect import changes_no_score
from dlgd.results.finished import FinishedRun

KINDS = ("model", "baseline")  # the setting that says what answered: a network or a classical method
NO_ROW = ("seed", "split")  # what tells no row from another, besides what changes no score
NO_SEED = "-"
MANY = 3  # settings in a name, from which on it leaves out the usual ones

Place = tuple[str, str, str]  # where a value may differ from another: see `_place`


@dataclass
class Group:
    """A row's runs: the newest of each seed, and how many older ones they replace."""

    settings: Mapping[str, str]  # in which it differs from other rows
    kind: str  # one of KINDS, or nothing
    choice: str  # of its kind: resnet
    name: str = ""
    runs: dict[str, FinishedRun] = field(default_factory=dict)  # by seed, in order of seeds
    replaced: int = 0


def groups(runs: Sequence[FinishedRun]) -> tuple[list[Group], str]:
    """The rows of the runs, which come newest first, in alphabetical order; and what their names leave out."""
    settings = [_settings(run) for run in runs]
    values = _values(settings)
    found: dict[tuple[Any, ...], Group] = {}
    for run, own in zip(runs, settings, strict=True):
        telling = {key: own[key] for key in sorted(own, key=_rank) if len(values[_place(key, own)]) > 1}
        kind = _kind(own)
        choice = own.get(kind, "")
        group = found.setdefault((kind, choice, *telling.items()), Group(telling, kind, choice))
        seed = run.params.get("seed", NO_SEED)
        group.replaced += seed in group.runs
        group.runs.setdefault(seed, run)
    for group in found.values():
        group.runs = dict(sorted(group.runs.items(), key=lambda pair: (len(pair[0]), pair[0])))
    left_out = _name(list(found.values()))
    return sorted(found.values(), key=lambda group: group.name), left_out


def _name(groups: Sequence[Group]) -> str:
    """Give each its name. Returns the settings of a row whose name does not say otherwise, or nothing."""
    several = len({group.choice for group in groups}) > 1
    for group in groups:
        group.name = _words(group, group.settings, several)
    if max(len(group.settings) for group in groups) <= MANY:
        return ""
    counts: dict[Place, Counter[str]] = defaultdict(Counter)
    for group in groups:
        for key, value in group.settings.items():
            counts[_at(key, group)][value] += 1
    usual = {
        place: max(sorted(counter), key=counter.__getitem__)
        for place, counter in counts.items()
        if 2 * max(counter.values()) > counter.total() and place[0] not in KINDS
    }
    short = {
        id(group): _words(group, {k: v for k, v in group.settings.items() if usual.get(_at(k, group)) != v}, several)
        for group in groups
    }
    twice = Counter(short.values())  # a row may lack a setting that is usual in others
    for group in groups:
        if twice[short[id(group)]] == 1:
            group.name = short[id(group)]
    return ", ".join(
        f"{key}={typed(value)}" for (key, *_), value in sorted(usual.items(), key=lambda pair: _rank(pair[0][0]))
    )


def _words(group: Group, settings: Mapping[str, str], several: bool) -> str:
    """A name says what answered, unless all did."""
    if group.kind and (several or not settings):
        settings = {group.kind: group.choice} | settings
    return " ".join(f"{key}={typed(value)}" for key, value in settings.items()) or "all runs"


def typed(value: str) -> str:
    """A recorded value as one types it: None is null."""
    return "null" if value == "None" else value


def _settings(run: FinishedRun) -> dict[str, str]:
    """Those that can tell a row from another."""
    return {key: v for key, v in run.params.items() if key not in NO_ROW and not changes_no_score(key)}


def _kind(settings: Mapping[str, str]) -> str:
    return next((kind for kind in KINDS if kind in settings), "")


def _place(key: str, settings: Mapping[str, str]) -> Place:
    """Values of model.layers are compared among networks of the same choice of model only."""
    return key, _kind(settings), settings.get(key.partition(".")[0], "") if "." in key else ""


def _at(key: str, group: Group) -> Place:
    """The place of a setting of a row."""
    return _place(key, next(iter(group.runs.values())).params)


def _values(settings: Sequence[Mapping[str, str]]) -> Mapping[Place, set[str | None]]:
    """The values in each place. None is among them where runs lack the setting: it was added to the program later."""
    keys = {key for one in settings for key in one}
    found: dict[Place, set[str | None]] = defaultdict(set)
    for one in settings:
        for key in keys:
            found[_place(key, one)].add(one.get(key))
    return found


def _rank(key: str) -> tuple[bool, bool, str]:
    """Networks and methods first, then the other choices, then their options."""
    return key not in KINDS, "." in key, key
