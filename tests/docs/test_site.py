"""The documentation site: what its pages take from conf/ and docstrings, and that it is complete."""

from __future__ import annotations

import importlib
import re
import sys

import pytest

from dlgd.core.paths import CONF, ROOT
from tests.docs import test_pages

pytest.importorskip("sphinx", reason="make docs installs what the site needs")
sys.path.append(str(ROOT / "docs" / "extensions"))
option_pages = importlib.import_module("option_pages")

GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name not in ("experiment", "sweep"))
PAGES = ROOT / "docs" / "reference" / "options"


def test_every_group_has_a_page():
    assert sorted(page.stem for page in PAGES.glob("*.md")) == GROUPS
    listed = (ROOT / "docs" / "reference" / "options.md").read_text()
    assert all(f"options/{group}\n" in listed for group in GROUPS)


def test_every_command_is_listed():
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()
    for file in CONF.glob("*.yaml"):
        if file.stem != "base":
            assert f"```{{command}} {file.stem}\n" in page


@pytest.mark.parametrize("group", GROUPS)
def test_options_are_explained(group):
    """Nearly all: comments in YAML and docstrings are found, nested options too."""
    for file in (CONF / group).glob("*.yaml"):
        for line in option_pages.choice_in_markdown(file, group).splitlines():
            if line.startswith(f"| `{group}."):
                assert line.split(" | ")[2].strip(" |"), f"{file.name}: {line}"


def test_what_a_docstring_says():
    text = """A network.

    width, depth: sizes
        of layers.
    activation: of them. seed: of the weights.
    Other text: is no option here.
    """
    found = option_pages.of_docstring(text, {"width", "activation", "seed"})
    assert found["seed"].startswith("of the weights.")
    assert found["width"] == found["depth"] == "sizes of layers."
    assert found["activation"] == "of them."


def test_nested_options_and_comments(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("# Head.\ndefaults:\n  - a: b\n_target_: dlgd.X\nsea: # of it\n  cells: 8 # on a side\nlast: 1.0\n")
    assert dict(option_pages.commented(file)) == {"sea.cells": ("8", "on a side"), "last": ("1.0", "")}
    assert list(option_pages.leading_comment(file)) == ["Head."]


def formulas(page: str) -> list[str]:
    """Those in blocks and in lines of text, not in code."""
    in_blocks = re.findall(r"^```math\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page, flags=re.MULTILINE | re.DOTALL)
    return in_blocks + re.findall(r"\$([^$\n]+)\$", text)


@pytest.mark.parametrize("path", test_pages.PAGES, ids=test_pages.name_of)
def test_formulas_have_no_command_that_the_site_does_not_know(path):
    """Such a command would be written out, with its backslash."""
    convert = pytest.importorskip("latex2mathml.converter").convert
    for formula in formulas(path.read_text()):
        assert not re.findall(r">(\\[a-zA-Z]+)<", convert(formula)), formula
