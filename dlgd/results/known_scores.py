"""The directions of scores: as runs have recorded them, or else as the evaluations in conf/evaluation and the networks
in conf/model describe them. The latter imports torch."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from dlgd.cli import own_folders
from dlgd.core.config import load, plain
from dlgd.core.errors import Refusal
from dlgd.core.score import Score
from dlgd.results.finished import FinishedRun
from dlgd.scoring.descriptions import LOSS, SECONDS, find, of_class
from dlgd.tracking import run_tags

WORDS = {True: "more", False: "less", None: "neither more nor less"}


def known_score(name: str) -> Score | None:
    """Return the description of a score; None where there is none.

    Networks are asked last, because they take longest to import.
    """
    score = find((LOSS, SECONDS, *_scores_of_group("evaluation", "scores")), name)
    return find(_scores_of_group("model", None), name) if score is None else score


@functools.cache
def _scores_of_group(group: str, key: str | None) -> tuple[Score, ...]:
    """Return the scores of all choices of a group, whose `_target_` stands below the key (None: at the top)."""
    targets: dict[str, None] = {}
    for path in sorted(file for folder in own_folders.folders() for file in (folder / group).glob("*.yaml")):
        config = plain(load(path), resolve=False)
        node: Any = config if key is None else config.get(key)
        if isinstance(node, Mapping) and "_target_" in node:  # a file may take its `_target_` from another one
            targets[node["_target_"]] = None
    return tuple(score for target in targets for score in of_class(target))


def directions(
    scores: Sequence[str], *, runs: Iterable[FinishedRun] = (), higher: Sequence[str], neither: Sequence[str]
) -> tuple[dict[str, bool | None], list[str]]:
    """Return whether more of each score is better (None: neither is), and sentences on scores without description.

    runs: the first that has recorded the direction of a score decides; the program is asked for what none has.
    higher, neither: patterns of scores without description, of which more, or neither more nor less, is better.
    Refusal where they contradict a description.
    """
    found: dict[str, bool | None] = {}
    notes = []
    texts = dict.fromkeys(run.tags.get(run_tags.SCORES_TAG, "") for run in runs)
    recorded = [run_tags.directions(text) for text in texts]
    for name in scores:
        known, option = _recorded(recorded, name), _option(name, higher, neither)
        if known is None and (score := known_score(name)) is not None:
            known = (score.higher_is_better,)
        if known is None and option is None:
            notes.append(
                f"Nothing says whether more or less of {name} is better; less is taken to be: otherwise type "
                f"higher=[{name}] or neither=[{name}]."
            )
        if known is not None and option is not None and option[1] is not known[0]:
            raise Refusal(f"{option[0]} has {name}, but {WORDS[known[0]]} of {name} is better: leave it out")
        if known is not None:
            found[name] = known[0]
        else:
            found[name] = False if option is None else option[1]
    return found, notes


def _recorded(recorded: Iterable[Mapping[str, bool | None]], name: str) -> tuple[bool | None] | None:
    """Return the direction that the first run with a description of this score has recorded; None where none has."""
    for one in recorded:
        pattern = name if name in one else next((pattern for pattern in one if fnmatchcase(name, pattern)), None)
        if pattern is not None:
            return (one[pattern],)
    return None


def _option(name: str, higher: Sequence[str], neither: Sequence[str]) -> tuple[str, bool | None] | None:
    """Return the option with a pattern for this name, and the direction that it gives."""
    for option, patterns, direction in (("neither", neither, None), ("higher", higher, True)):
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return option, direction
    return None
