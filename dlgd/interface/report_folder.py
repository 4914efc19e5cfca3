"""The folder of an evaluation, which holds no files but those of evaluations: nothing of a person is replaced."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlgd.cli import run_folder, runs
from dlgd.core.errors import Refusal
from dlgd.core.files import make_writable, write_text
from dlgd.interface import arguments

log = logging.getLogger(__name__)

MARK = ".dlgd_evaluation"  # in a folder that an evaluation has made or found without files of these names
WRITTEN = ("scores.json", "scores.md", "predictions.nc", "figures")


def checked(folder: object) -> Path:
    """Return the folder of an evaluation. Refusal of one in which files would be replaced that no evaluation wrote."""
    text = arguments.path("folder", folder, example="the path of a folder, or None")
    run_folder.refuse_sources(text, "folder")
    path = Path(text).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise Refusal(f"folder={text} is a file: give the path of a folder")
    if (path / runs.CONFIG).exists() or (path / runs.LAST).exists():
        raise Refusal(f"folder={text} is the folder of a run: give another one, such as {path / 'evaluation'}")
    if (path / MARK).exists():
        return path
    theirs = next((name for name in WRITTEN if (path / name).exists()), None)
    if theirs is not None:
        raise Refusal(
            f"folder={text} has {theirs} already, which would be replaced, and nothing says that an evaluation wrote "
            "it: give another folder"
        )
    return path


def prepare(folder: Path) -> None:
    """Make the folder, and check that files can be written in it."""
    make_writable(folder)


def mark(folder: Path, question: str = "") -> None:
    """Mark a folder as that of an evaluation, whose files the next one may replace. question: see `for_question`."""
    write_text(folder / MARK, f"dlgd replaces its files here when it evaluates again\n{question}\n")


def digest(question: Mapping[str, Any]) -> str:
    """Return a short text that tells evaluations apart: what is scored, on which samples, with which options."""
    return hashlib.sha256(json.dumps(question, sort_keys=True, default=str).encode()).hexdigest()[:16]


def for_question(folder: Path, question: str) -> Path:
    """Return the folder, or one beside it with a number if it holds the answer to another question.

    question: the digest of this evaluation; folders of before say nothing, and are replaced as then.
    """
    for number in itertools.count(2):
        mark = folder / MARK
        former = mark.read_text().splitlines()[1:2] if mark.is_file() else []
        if former in ([], [""], [question]):
            return folder
        beside = folder.with_name(f"{folder.name if number == 2 else folder.name.rpartition('-')[0]}-{number}")
        log.info("%s holds an evaluation with other options: this one is written beside it, in %s", folder, beside.name)
        folder = beside
    raise AssertionError("numbers do not end")
