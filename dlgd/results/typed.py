"""What was typed for a table, and what may be typed to make its runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from hydra.core.hydra_config import HydraConfig

from dlgd.core.paths import CONF

# What is typed for the table itself; whatever else is typed is what was typed to train.
OPTIONS = ("runs", "split", "scores", "methods", "against", "any_data", "higher", "neither")
PRINTED = ", other data and another budget; only the order can be compared."


def folder_name(experiment: str | None, runs: Mapping[str, Any]) -> str:
    """Of the table, in outputs/comparison/; `${compared:...}` in YAML."""
    return "runs" if experiment is None or any_given(runs) else experiment


def any_given(runs: Mapping[str, Any]) -> bool:
    """Whether something is typed after `runs`."""
    return any(value not in (None, "", []) for value in runs.values())


def listed(value: Any) -> list[str] | None:
    """The names of an option that takes several, [a, b], or one; None where it is null."""
    if value is None:
        return None
    return [str(value)] if isinstance(value, str | int) else [str(one) for one in value]


def typed(*, options: bool) -> list[str]:
    """What was typed for the table itself, or all else."""
    words = HydraConfig.get().overrides.task
    return [word for word in words if (word.lstrip("+~").partition("=")[0].split(".")[0] in OPTIONS) == options]


def command(*words: str, name: str = "train") -> str:
    """What to type."""
    return shlex.join(["python", "-m", f"dlgd.{name}", *words])


def question(experiment: str) -> str:
    """The one that the experiment's file asks in its head."""
    head = re.match(r".*?# Question: (.*?\?)", (CONF / "experiment" / f"{experiment}.yaml").read_text(), re.DOTALL)
    return experiment if head is None else re.sub(r"\s*\n# *", " ", head[1][0].upper() + head[1][1:])
