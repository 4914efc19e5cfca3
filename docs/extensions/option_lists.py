"""Docstrings explain options in lines such as "days: between two maps"; on the site these lines are a list."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

OPTION = re.compile(r"([a-z]\w*(?:, (?:[a-z]\w*|\.\.\.))*): (.+)")


def in_lists(lines: list[str]) -> list[str]:
    """Return the lines of a docstring with each paragraph that begins with an option as a list of its options."""
    found, listed, before = [], False, ""
    for line in lines:
        option = OPTION.fullmatch(line) if listed or not before.strip() else None
        if not line.strip():
            listed = False
        if option:
            if not listed and found:
                found.append("")
            listed = True
            names = ", ".join(f"``{name}``" for name in option[1].split(", "))
            found.append(f"- {names}: {option[2]}")
        else:
            found.append(f"  {line.strip()}" if listed else line)
        before = line
    return found


def setup(app: Sphinx) -> dict[str, Any]:
    """Have Sphinx call `in_lists` for each docstring."""

    def process(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
        lines[:] = in_lists(lines)

    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True}
