"""What stands beside the code says the same as the code."""

from __future__ import annotations

import re

import yaml

import dlgd
from dlgd.core.paths import ROOT


def test_the_version_is_everywhere_the_same():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    newest = re.search(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert dlgd.__version__ == cited["version"] == newest[1]
    assert cited["license"] == "MIT"


def test_hooks_are_the_linters_of_make_lint():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    programs = re.findall(r"^\t\$\(BIN\)/(\w[\w-]*(?: (?:check|format))?)", recipe[1], re.MULTILINE)
    assert [" ".join(hook["entry"].split()[:2]).partition(" -")[0] for hook in hooks] == programs
