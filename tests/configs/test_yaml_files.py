"""Every YAML file of conf/ is short, composes, names things that exist, and gives what they want: no more, no less."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
import pytest
from omegaconf import OmegaConf

from dlgd.core.paths import CONF, ROOT
from dlgd.problems.normalization.files import formats
from tests.configs.config_files import (
    BUILDERS,
    CHOICES,
    COMMANDS,
    GROUPS,
    PRESETS,
    choices_of,
    commands_with,
    compose,
    groups_of,
    objects,
    with_choice,
)

# What the program gives a constructor, which a YAML file therefore must not.
GIVEN_BY_BUILD = {"spec", "experiment", "folder", "params"}

TARGETS = sorted(
    {
        node._target_
        for group, choice in CHOICES
        if commands_with(group)
        for _, node in objects(with_choice(group, choice))
    }
)
OURS = [target for target in TARGETS if target.startswith("dlgd.")]


def parameters(target: str) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(hydra.utils.get_object(target)).parameters)


# --- files -------------------------------------------------------------------------------------------------


def test_groups_are_found():
    assert set(GROUPS) == set(BUILDERS) | set(PRESETS)
    assert {("model", "resnet"), ("data", "nemovar"), ("experiment", "normalization/features")} <= set(CHOICES)


@pytest.mark.parametrize("path", [f"{group}/{choice}" for group, choice in CHOICES] + COMMANDS + ["base"])
def test_a_file_is_short(path):
    assert len((CONF / f"{path}.yaml").read_text().splitlines()) < 40


def test_no_file_has_another_ending():
    """Hydra would pass over a .yml without a word."""
    assert not [path for group in GROUPS for path in (CONF / group).glob("**/*.yml")]


@pytest.mark.parametrize("group", sorted(BUILDERS))
def test_every_group_can_be_chosen_by_a_command(group):
    assert commands_with(group)


@pytest.mark.parametrize("command_name", COMMANDS)
def test_every_command_composes(command_name):
    """With the defaults that it names."""
    config = compose(command_name)
    assert {"seed", "device"} <= set(config)
    for group, choice in groups_of(command_name).items():
        if choice is not None and group in BUILDERS:
            assert group in config


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_composes_at_every_command_of_its_group(group, choice):
    for command_name in commands_with(group):
        config = with_choice(group, choice, command_name)
        if group in BUILDERS:
            assert config[group], "its values stand under the group's name"


# --- constructors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_exists_and_takes_no_more_than_it_names(target):
    kinds = {parameter.kind for parameter in parameters(target).values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds, "**kwargs would swallow a misspelt key"
    assert inspect.Parameter.VAR_POSITIONAL not in kinds


@pytest.mark.parametrize("target", OURS)
def test_our_constructors_take_keywords_only(target):
    kinds = {parameter.kind for parameter in parameters(target).values()}
    assert kinds <= {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_keys_are_parameters_and_none_is_missing(group, choice):
    if not commands_with(group):
        pytest.skip("no command has this group yet")
    for path, node in objects(with_choice(group, choice)):
        keys = {str(key) for key in node if not str(key).startswith("_")}
        taken = parameters(node._target_)
        assert keys <= set(taken), path
        assert not keys & GIVEN_BY_BUILD, path
        required = {name for name, p in taken.items() if p.default is inspect.Parameter.empty}
        assert required - GIVEN_BY_BUILD <= keys, path


# --- no option that nobody reads ---------------------------------------------------------------------------


def loaded_names(tree: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def loaded_attributes(tree: ast.AST) -> set[str]:
    return {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)}


def stored_attributes(tree: ast.AST) -> set[str]:
    """Of self."""
    stored = (n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store))
    return {n.attr for n in stored if isinstance(n.value, ast.Name) and n.value.id == "self"}


def source_of(constructor: Callable[..., Any]) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(constructor)))


@functools.cache
def read_of_options(options: type) -> set[str]:
    """What is read of options that are one dataclass, in the folder of its module: as `options.days`, or of a `layout`;
    as `self.days` by the dataclass itself or a part of it; and by keys such as "dt", of those that presets have too."""
    read = set()
    for path in Path(inspect.getfile(options)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", None)
                read |= {node.attr} if owner in ("options", "layout", "typed", "self") else set()
            elif isinstance(node, ast.Subscript | ast.Tuple):
                parts = [node.slice] if isinstance(node, ast.Subscript) else node.elts
                read |= {part.value for part in parts if isinstance(part, ast.Constant)}
    return read


READ_SOMEWHERE = set().union(
    *(loaded_attributes(ast.parse(path.read_text())) for path in (ROOT / "dlgd").glob("**/*.py"))
)
CONFIGURED = sorted(
    {
        (node._target_, str(key))
        for group, choice in CHOICES
        if commands_with(group)
        for _, node in objects(with_choice(group, choice))
        for key in node
        if not str(key).startswith("_") and node._target_.startswith("dlgd.")
    }
)


@pytest.mark.parametrize(("target", "key"), CONFIGURED)
def test_every_value_is_read(target, key):
    constructor = hydra.utils.get_object(target)
    if dataclasses.is_dataclass(constructor):
        assert key in READ_SOMEWHERE
        return
    if hasattr(constructor, "Options"):
        assert key in read_of_options(constructor.Options)
        return
    body = source_of(constructor.__init__ if inspect.isclass(constructor) else constructor)
    assert key in loaded_names(body)


@pytest.mark.parametrize("target", OURS)
def test_what_a_constructor_keeps_is_read(target):
    constructor = hydra.utils.get_object(target)
    for kind in inspect.getmro(constructor) if inspect.isclass(constructor) else ():
        if kind.__module__.startswith("dlgd.") and not dataclasses.is_dataclass(kind) and "__init__" in vars(kind):
            assert stored_attributes(source_of(kind.__init__)) <= READ_SOMEWHERE


@pytest.mark.parametrize("command_name", COMMANDS)
def test_every_value_of_a_command_is_read(command_name):
    """`resume`, `split`, ...: as config.resume in the command, or in what all commands share with the interface."""
    read = set()
    rooms = {"compare": "results", "sweep": "tuning"}
    own = ROOT / "dlgd" / f"{command_name.replace('config', 'train')}.py"
    shared = [ROOT / "dlgd" / "build.py", *(ROOT / "dlgd" / "cli").glob("*.py")]
    shared += (ROOT / "dlgd" / "interface").glob("*.py")
    for path in (own, *shared, *(ROOT / "dlgd" / rooms.get(command_name, "nowhere")).glob("*.py")):
        read |= loaded_attributes(ast.parse(path.read_text()))
    given = OmegaConf.load(CONF / f"{command_name}.yaml")
    read |= set(formats.FORMATS) if command_name == "normalize" else set()  # the options of a format, by its name
    assert {str(key) for key in given} - {"defaults", "hydra"} <= read
    assert {"seed", "device", "trust"} == {str(key) for key in OmegaConf.load(CONF / "base.yaml")} - {
        "defaults",
        "hydra",
    }
    assert {"seed", "device"} <= READ_SOMEWHERE


@pytest.mark.parametrize("data", choices_of("data"))
def test_a_configuration_can_be_printed_with_its_references_resolved(data):
    """--cfg job --resolve: a reference may not become a bare list."""
    OmegaConf.resolve(compose("config", f"data={data}"))
