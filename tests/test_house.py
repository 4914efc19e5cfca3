"""The house keeps its own rules."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest
from packaging.requirements import Requirement

from dlgd.core.paths import ROOT

MODULES = sorted((ROOT / "dlgd").rglob("*.py"))


def test_init_files_are_empty():
    filled = [path for path in MODULES if path.name == "__init__.py" and path.read_text().strip()]
    assert filled == [ROOT / "dlgd" / "__init__.py"], "cycles start in __init__.py files"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_short_and_have_a_subject(path):
    """What is longer says why: in the docstring of the module, or in that of the function."""
    assert path.stem not in ("utils", "tools", "common", "helpers", "misc")
    tree = ast.parse(path.read_text())
    assert len(path.read_text().splitlines()) <= 300 or says_why(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= 60 or says_why(node), node.name


def says_why(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Such as: The file is long, so that ..."""
    return re.search(r"\bis long(er)?\b", ast.get_docstring(node) or "") is not None


def test_the_engine_names_no_data_set():
    """It asks the data for their facts: a name would make an exception of those that come later."""
    data_sets = {path.stem for path in (ROOT / "conf" / "data").glob("*.yaml")}
    for path in MODULES:
        # physics knows the equations of systems by the names that data sets have too
        if not {"problems", "physics"} & set(path.relative_to(ROOT).parts):
            constants = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
            assert not constants & data_sets, path


def test_every_dependency_is_pinned_within_its_range():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [one for extra in project["optional-dependencies"].values() for one in extra]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    pins = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins.items()}
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pins[requirement.name.lower()]), requirement


def test_experiments_are_listed():
    table = (ROOT / "experiments" / "README.md").read_text()
    for path in (ROOT / "experiments").rglob("*.yaml"):
        name = path.relative_to(ROOT / "experiments").with_suffix("")
        assert str(name) in table, f"experiments/README.md has no row for {name}"
        assert path.read_text().startswith("# @package _global_\n# Question:"), f"{name} asks no question"
