"""Whether more of a score is better, as the evaluations in conf/evaluation and the networks in conf/model say it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from omegaconf import OmegaConf

from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.core.score import Score
from dlgd.scoring.descriptions import LOSS, SECONDS, find, of_class

WORDS = {True: "more", False: "less", None: "neither more nor less"}


def known_score(name: str) -> Score | None:
    """The description of a score: of every run, of an evaluation, or, as networks take longer to import, of these."""
    score = find((LOSS, SECONDS, *_chosen("evaluation", "scores")), name)
    return find(_chosen("model", None), name) if score is None else score


@functools.cache
def _chosen(group: str, key: str | None) -> tuple[Score, ...]:
    """Of all that can be chosen in a group; its `_target_` stands below the key."""
    targets: dict[str, None] = {}
    for path in sorted((CONF / group).glob("*.yaml")):
        config: Any = OmegaConf.to_container(OmegaConf.load(path))
        chosen = config if key is None else config.get(key)
        if isinstance(chosen, Mapping) and "_target_" in chosen:  # else it is another file's
            targets[chosen["_target_"]] = None
    return tuple(score for target in targets for score in of_class(target))


def directions(
    scores: Sequence[str], *, higher: Sequence[str], neither: Sequence[str]
) -> tuple[dict[str, bool | None], list[str]]:
    """Of each score whether more is better (None: neither is), and sentences on those of which nobody says it.

    higher, neither: patterns that say it of scores that are not known. Refusal where they contradict a known one.
    """
    found: dict[str, bool | None] = {}
    notes = []
    for name in scores:
        score, typed = known_score(name), _typed(name, higher, neither)
        if score is None and typed is None:
            notes.append(
                f"Less is taken to be better of {name}, of which nobody says it: type higher=[{name}] or "
                f"neither=[{name}]."
            )
        if score is not None and typed is not None and typed[1] is not score.higher_is_better:
            raise Refusal(
                f"{typed[0]} has {name}, but {WORDS[score.higher_is_better]} of {name} is better: leave it out"
            )
        if score is not None:
            found[name] = score.higher_is_better
        else:
            found[name] = False if typed is None else typed[1]
    return found, notes


def _typed(name: str, higher: Sequence[str], neither: Sequence[str]) -> tuple[str, bool | None] | None:
    """The option that has the name, and the direction that it gives."""
    for option, patterns, direction in (("neither", neither, None), ("higher", higher, True)):
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return option, direction
    return None
