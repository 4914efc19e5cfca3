"""What the pages say can be typed, opened and found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from dlgd.cli import data_options
from dlgd.core.paths import CONF, ROOT
from tests.configs.config_files import GROUPS, choices_of, compose

PROBLEMS = sorted((ROOT / "dlgd" / "problems").glob("*/README.md"))
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "examples/my_project/README.md")),
    *PROBLEMS,
    *(path for folder in ("docs", "experiments", "sweeps") for path in sorted((ROOT / folder).rglob("*.md"))),
]
# Pages that speak of files which only they themselves or their own tests write or install.
WRITTEN = tuple(
    ROOT / name
    for name in ("docs/add_a_problem.md", "docs/tutorials/sweep_in_mlflow.md", "examples/my_project/README.md")
)
CHECKED = [path for path in PAGES if path not in WRITTEN]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _without_blocks(page: str) -> str:
    return re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)


# --- what can be opened --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_to_files(path):
    for link in re.findall(r"\]\((\S+?)\)", path.read_text()):
        assert link.startswith(("http", "#")) or (path.parent / link.split("#")[0]).exists(), link


@pytest.mark.parametrize("path", CHECKED, ids=name_of)
def test_paths_and_targets_of_make_are_there(path):
    page = path.read_text()
    for file in re.findall(r"`((?:dlgd|conf|docs|experiments|sweeps|tests)/[\w/.-]+)`", page):
        assert (ROOT / file).exists() or (ROOT / f"{file}.yaml").exists() or "mine" in file, file
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", page, re.MULTILINE)) <= targets


@pytest.mark.parametrize("path", PROBLEMS, ids=name_of)
def test_a_problem_s_map_of_files_is_complete(path):
    """And names no file that is not there."""
    listed = path.read_text().split("\n## Files\n")[1].split("\n\nThe ")[0]
    named = re.findall(r"`([\w/]+\.py)`", listed)
    there = [str(file.relative_to(path.parent)) for file in path.parent.rglob("*.py") if file.name != "__init__.py"]
    assert sorted(named) == sorted(there)


def test_every_problem_has_a_page():
    folders = [file.parent for file in (ROOT / "dlgd" / "problems").glob("*/__init__.py")]
    assert sorted(folders) == [path.parent for path in PROBLEMS]


# --- what can be typed ---------------------------------------------------------------------------------------


def commands(page: str) -> list[tuple[str, tuple[str, ...]]]:
    """(command, what is typed after it) of all commands of a page; each of several values at least once.

    What stands for something of the reader's, <run> or ..., is `yours`; a choice of a group is left out then.
    """
    page = re.sub(r"(<[^>\n]*>|\.\.\.)(?=\S*[\s`])", "yours", page)
    found = []
    for command, typed in re.findall(r"python -m dlgd\.(\w+)(?![.\w])([^`\n]*)", page):
        words = [word for word in typed.split("#")[0].split() if re.match(r"\+?[a-z][^=]*=", word)]
        overrides = [word for word in words if not re.fullmatch(rf"({'|'.join(GROUPS)})=.*yours", word)]
        choices = [
            [f"{one.get_key_element()}={value}" for value in one.sweep_string_iterator()]
            if one.is_sweep_override()
            else [one.input_line]
            for one in OverridesParser.create().parse_overrides(overrides)
        ]
        most = max(map(len, choices), default=1)
        found += [(command, tuple(values[n % len(values)] for values in choices)) for n in range(most)]
    return found


@pytest.mark.parametrize("path", CHECKED, ids=name_of)
def test_commands_compose(path):
    """Each name, each option and each choice is there. A lone choice is composed with those of conf/."""
    for command, typed in commands(path.read_text()):
        group, _, choice = typed[0].partition("=") if len(typed) == 1 else ("", "", "")
        if group in GROUPS:
            assert choice in choices_of(group), typed
            continue
        main_file = {"train": "config"}.get(command, command)
        compose(main_file, *data_options.take(list(typed), main_file))


def test_commands_are_found():
    page = "`python -m dlgd.train -m model=cnn,resnet seed=1`:\n```\npython -m dlgd.evaluate run=<a run> loss=mse # x=1"
    assert commands(page) == [
        ("train", ("model=cnn", "seed=1")),
        ("train", ("model=resnet", "seed=1")),
        ("evaluate", ("run=yours", "loss=mse")),
    ]


def _keys() -> set[str]:
    """Every option of every choice as it is typed, such as data.observations.every."""
    keys: set[str] = set()

    def add(node: object, prefix: str) -> None:
        for key, value in node.items() if isinstance(node, dict) else ():
            keys.add(f"{prefix}{key}")
            add(value, f"{prefix}{key}.")

    for file in [
        *CONF.glob("*.yaml"),
        *(CONF / f"{group}/{one}.yaml" for group in GROUPS for one in choices_of(group)),
    ]:
        node = OmegaConf.to_container(OmegaConf.load(file))
        at_top = file.parent == CONF or file.read_text().startswith("# @package _global_")
        add(node, "" if at_top else f"{file.parent.name}.")
        if file.parent.name == "evaluation":  # of one task of several
            add(node, f"evaluation.of.{file.stem}.")
    return keys | set(GROUPS)


KEYS = _keys()


@pytest.mark.parametrize("path", CHECKED, ids=name_of)
def test_options_in_the_text_exist(path):
    """`data.days=9` and the like; of groups, the choice too."""
    for key, value in re.findall(r"`([a-z][\w.]*)=([^`\s]*)[^`]*`", _without_blocks(path.read_text())):
        assert key in KEYS or key in ("storage", "hydra/launcher"), f"{key}={value}"
        if key in GROUPS and re.fullmatch(r"[a-z][\w/]*", value) and value != "mine":
            assert value in choices_of(key), f"{key}={value}"
