"""Runs grouped into the rows of a table: the runs of one row differ in their seed alone.

A row is named by the settings in which it differs from others, as they are typed: "model=resnet optimizer.lr=0.001".
Where these would be many, the name leaves out the values that most rows have.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlgd.core.settings_without_effect import changes_no_score
from dlgd.results.finished import FinishedRun
from dlgd.tracking.parents import STUDY_TAG

KINDS = ("model", "baseline")  # the setting that names the network or the classical method of a run
NO_ROW = ("seed", "split")  # settings that change scores and still make no row of their own
NO_SEED = "-"  # for the seed of a run that has none
EARLIER = "resumed, begun with"  # in the name of a row, before the options that its runs had in their first steps
MANY = 3  # settings in a name; a longer name leaves out the usual values

Place = tuple[str, str, str]  # values in one place are compared with one another: see `_place`


@dataclass
class Group:
    """The runs of a row: the newest of each seed, and how many older ones they replace."""

    settings: Mapping[str, str]  # those in which the row differs from others
    kind: str  # one of KINDS, or empty
    choice: str  # the network or the method, such as resnet
    earlier: Mapping[str, str]  # options that its runs had before they were resumed with others
    name: str = ""
    runs: dict[str, FinishedRun] = field(default_factory=dict)  # by seed, in the order of seeds
    replaced: int = 0


def groups(runs: Sequence[FinishedRun]) -> tuple[list[Group], str]:
    """Return the rows of the runs, in alphabetical order, and the settings that their names leave out.

    runs: the newest first.
    """
    settings = [_settings(run) for run in runs]
    values = _values(settings)
    found: dict[tuple[Any, ...], Group] = {}
    for run, own in zip(runs, settings, strict=True):
        distinct = {key: own[key] for key in sorted(own, key=_rank) if len(values[_place(key, own)]) > 1}
        kind = _kind(own)
        choice = own.get(kind, "")
        key = (kind, choice, *distinct.items(), EARLIER, *run.earlier.items())
        group = found.setdefault(key, Group(distinct, kind, choice, run.earlier))
        seed = run.params.get("seed", NO_SEED)
        group.replaced += seed in group.runs
        group.runs.setdefault(seed, run)
    for group in found.values():
        group.runs = dict(sorted(group.runs.items(), key=lambda pair: (len(pair[0]), pair[0])))
    left_out = _name(list(found.values()))
    for group in found.values():
        studies = {run.tags.get(STUDY_TAG) for run in group.runs.values()} - {None}
        if not group.kind and studies:  # its run has the scores of the best trial
            group.name = f"sweep {' '.join(sorted(map(str, studies)))}"
    return sorted(found.values(), key=lambda group: group.name), left_out


def _name(groups: Sequence[Group]) -> str:
    """Give each row its name. Returns the settings that rows have unless their names say otherwise, or ""."""
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
    twice = Counter(short.values())  # two short names may be equal: a row may lack a setting that is usual in others
    for group in groups:
        if twice[short[id(group)]] == 1:
            group.name = short[id(group)]
    return ", ".join(
        f"{key}={as_typed(value)}" for (key, *_), value in sorted(usual.items(), key=lambda pair: _rank(pair[0][0]))
    )


def _words(group: Group, settings: Mapping[str, str], several: bool) -> str:
    """Return the settings as a name, with the network or method where there are several."""
    own = {group.kind: group.choice} if group.kind and (several or not settings) else {}
    name = _typed({**own, **settings}) or "all runs"
    return f"{name} ({EARLIER} {_typed(group.earlier)})" if group.earlier else name


def _typed(settings: Mapping[str, str]) -> str:
    return " ".join(f"{key}={as_typed(value)}" for key, value in settings.items())


def as_typed(value: str) -> str:
    """Return a recorded value as one types it: None is null."""
    return "null" if value == "None" else value


def _settings(run: FinishedRun) -> dict[str, str]:
    """Return the settings in which two rows may differ."""
    return {key: v for key, v in run.params.items() if key not in NO_ROW and not changes_no_score(key)}


def _kind(settings: Mapping[str, str]) -> str:
    return next((kind for kind in KINDS if kind in settings), "")


def _place(key: str, settings: Mapping[str, str]) -> Place:
    """Return the place of a setting: values of model.layers are compared only among networks of one choice of model."""
    return key, _kind(settings), settings.get(key.partition(".")[0], "") if "." in key else ""


def _at(key: str, group: Group) -> Place:
    """Return the place of a setting of a row."""
    return _place(key, next(iter(group.runs.values())).params)


def _values(settings: Sequence[Mapping[str, str]]) -> Mapping[Place, set[str | None]]:
    """Return the values in each place. None is among them where runs lack the setting, being older than it."""
    keys = {key for one in settings for key in one}
    found: dict[Place, set[str | None]] = defaultdict(set)
    for one in settings:
        for key in keys:
            found[_place(key, one)].add(one.get(key))
    return found


def _rank(key: str) -> tuple[bool, bool, str]:
    """Return a key to sort settings: networks and methods first, then the other choices, then their options."""
    return key not in KINDS, "." in key, key
