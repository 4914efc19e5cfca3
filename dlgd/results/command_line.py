"""The options of a comparison as they were typed, and the commands that make its runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from hydra.core.hydra_config import HydraConfig

from dlgd.cli import own_folders

# Options of the table itself; all others are those with which its runs were trained.
OPTIONS = ("runs", "split", "scores", "methods", "against", "any_data", "higher", "neither")
PRINTED = ", with other data and another budget; only the order can be compared."


def folder_name(experiment: str | None, runs: Mapping[str, Any]) -> str:
    """Return the name of the table's folder in outputs/comparison/; `${compared:...}` in YAML."""
    return "runs" if experiment is None or any_given(runs) else experiment


def any_given(runs: Mapping[str, Any]) -> bool:
    """Return whether an option of `runs` was typed, such as runs.tag=..."""
    return any(value not in (None, "", []) for value in runs.values())


def listed(value: Any) -> list[str] | None:
    """Return the names in an option that takes one name or a list, [a, b]; None where it is null."""
    if value is None:
        return None
    return [str(value)] if isinstance(value, str | int) else [str(one) for one in value]


def training_overrides() -> list[str]:
    """Return what was typed beside the options of the table: the overrides with which its runs were trained."""
    overrides = HydraConfig.get().overrides.task
    return [one for one in overrides if one.lstrip("+~").partition("=")[0].split(".")[0] not in OPTIONS]


def command(*words: str, name: str = "train") -> str:
    """Return the command `python -m dlgd.<name>` with these words, after those that name a person's own folders."""
    return shlex.join(["python", "-m", f"dlgd.{name}", *own_folders.words(), *words])


def question(experiment: str) -> str:
    """Return the question at the head of an experiment's file, or the experiment's name if there is none."""
    file = own_folders.find(f"experiment/{experiment}.yaml")
    text = "" if file is None else file.read_text(encoding="utf-8")
    head = re.match(r".*?# Question: (.*?\?)", text, re.DOTALL)
    return experiment if head is None else re.sub(r"\s*\n# *", " ", head[1][0].upper() + head[1][1:])
