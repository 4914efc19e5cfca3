"""docs/problems/*.md are complete: every classical method and every score of a problem is explained there."""

from __future__ import annotations

import re
from pathlib import Path

import hydra
import pytest
import yaml

from dlgd.core.paths import CONF, ROOT

PAGES = sorted((ROOT / "docs" / "problems").glob("*.md"))


def text_of(page: Path) -> str:
    return page.read_text()


def targets(group: str, problem: str) -> dict[str, str]:
    """{choice: import path} of the classes and functions of a problem in conf/<group>."""
    found = {}
    for file in sorted((CONF / group).glob("*.yaml")):
        values = yaml.safe_load(file.read_text())
        values = values.get("scores", values) if group == "evaluation" else values
        if isinstance(values, dict) and f".problems.{problem}." in str(values.get("_target_", "")):
            found[file.stem] = values["_target_"]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_linked_both_ways_and_listed(page):
    problem = ROOT / "dlgd" / "problems" / page.stem / "README.md"
    assert f"](../../dlgd/problems/{page.stem}/README.md)" in text_of(page)
    assert f"](../../../docs/problems/{page.name})" in problem.read_text()
    assert f"\nproblems/{page.stem}\n" in (ROOT / "docs" / "problems.md").read_text()
    assert text_of(page).startswith(f"# {page.stem.capitalize()}: methods, scores, own files\n".replace("Ssh", "SSH"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_classical_method_is_explained(page):
    headings = " ".join(re.findall(r"^### .*", text_of(page), re.MULTILINE))
    explained = re.findall(r"`baseline=(\w+)`", headings)
    assert sorted(set(explained)) == sorted(targets("baseline", page.stem))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_score_is_explained(page):
    """As `name`; `name_<word>` is for a family."""
    named = [re.sub("<[^>]*>", ".+", name) for name in re.findall(r"`([a-z][\w<> ]*)`", text_of(page))]
    for target in targets("evaluation", page.stem).values():
        for score in hydra.utils.get_object(target).all_scores:
            assert any(re.fullmatch(pattern, score.name) for pattern in named), f"{score.name} of {target}"
