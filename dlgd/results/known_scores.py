"""The directions of scores, as the evaluations in conf/evaluation and the networks in conf/model describe them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from dlgd.core.config import load, plain
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.core.score import Score
from dlgd.scoring.descriptions import LOSS, SECONDS, find, of_class

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
    for path in sorted((CONF / group).glob("*.yaml")):
        config = plain(load(path), resolve=False)
        node: Any = config if key is None else config.get(key)
        if isinstance(node, Mapping) and "_target_" in node:  # a file may take its `_target_` from another one
            targets[node["_target_"]] = None
    return tuple(score for target in targets for score in of_class(target))


def directions(
    scores: Sequence[str], *, higher: Sequence[str], neither: Sequence[str]
) -> tuple[dict[str, bool | None], list[str]]:
    """Return whether more of each score is better (None: neither is), and sentences on scores without description.

    higher, neither: patterns of scores without description, of which more, or neither more nor less, is better.
    Refusal where they contradict a description.
    """
    found: dict[str, bool | None] = {}
    notes = []
    for name in scores:
        score, option = known_score(name), _option(name, higher, neither)
        if score is None and option is None:
            notes.append(
                f"Nothing says whether more or less of {name} is better; less is taken to be: otherwise type "
                f"higher=[{name}] or neither=[{name}]."
            )
        if score is not None and option is not None and option[1] is not score.higher_is_better:
            raise Refusal(
                f"{option[0]} has {name}, but {WORDS[score.higher_is_better]} of {name} is better: leave it out"
            )
        if score is not None:
            found[name] = score.higher_is_better
        else:
            found[name] = False if option is None else option[1]
    return found, notes


def _option(name: str, higher: Sequence[str], neither: Sequence[str]) -> tuple[str, bool | None] | None:
    """Return the option with a pattern for this name, and the direction that it gives."""
    for option, patterns, direction in (("neither", neither, None), ("higher", higher, True)):
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return option, direction
    return None
