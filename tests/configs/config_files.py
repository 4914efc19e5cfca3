"""What lies in conf/, found by listing: commands, groups and choices; and how a choice is composed and built."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from dlgd import build
from dlgd.cli import entry, runs
from dlgd.core.contract import Augmentation, DataSource, Evaluation, Loss, Method, Network, Spec, Tracker
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.training.options import Options
from dlgd.training.schedulers import Scheduler

COMMANDS = sorted(path.stem for path in CONF.glob("*.yaml") if path.stem != "base")
GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir())


def choices_of(group: str) -> list[str]:
    """The names that may be typed after <group>=, such as resnet, or normalization/features."""
    folder = CONF / group
    return sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.glob("**/*.yaml"))


CHOICES = [(group, choice) for group in GROUPS for choice in choices_of(group)]


@functools.cache
def groups_of(command_name: str) -> dict[str, str | None]:
    """The groups in the defaults of conf/<command>.yaml, with their default choices."""
    defaults = OmegaConf.load(CONF / f"{command_name}.yaml").get("defaults", [])
    return {key: value for entry in defaults if not isinstance(entry, str) for key, value in entry.items()}


def commands_with(group: str) -> list[str]:
    """The commands at which a choice of the group can be typed."""
    return [name for name in COMMANDS if group in groups_of(name)]


def compose(command_name: str, *overrides: str) -> DictConfig:
    """The configuration as the command gets it; a copy, that one may change."""
    config = copy.deepcopy(_composed(command_name, overrides))
    OmegaConf.set_struct(config, False)
    return config


@functools.cache
def _composed(command_name: str, overrides: tuple[str, ...]) -> DictConfig:
    OmegaConf.register_new_resolver("run_folder", runs.run_folder, replace=True)
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose(command_name, overrides=list(overrides))


def with_choice(group: str, choice: str, command_name: str | None = None) -> DictConfig:
    """The configuration of a command that has the group, with data for which its values mean something."""
    for companions in ([], ["data=mnist_5k"], ["data=lorenz63"]):
        config = compose(command_name or commands_with(group)[0], f"{group}={choice}", *companions)
        with contextlib.suppress(InterpolationResolutionError):
            OmegaConf.to_container(config, resolve=True)
            return entry.with_evaluation(config) if "evaluation" in config else config
    raise AssertionError(f"no data are known that go with {group}={choice}")


def objects(node: Any, path: str = "") -> Iterator[tuple[str, DictConfig]]:
    """Every part of a configuration that has a _target_, with its path."""
    if isinstance(node, DictConfig):
        if "_target_" in node:
            yield path, node
        for key in node:
            yield from objects(node._get_node(key), f"{path}.{key}" if path else str(key))


def scalars(node: DictConfig, path: str = "") -> Iterator[str]:
    """Paths of all values that are neither mappings nor lists nor _target_."""
    for key in node:
        inner = f"{path}.{key}" if path else str(key)
        value = node._get_node(key)
        if isinstance(value, DictConfig):
            yield from scalars(value, inner)
        elif not OmegaConf.is_list(value) and not str(key).startswith("_"):
            yield inner


# --- data and what they are asked ----------------------------------------------------------------------------


def tasks_of(data: str) -> list[str | None]:
    """What may be typed after data.task=; None alone where there is no such choice."""
    return sorted(compose("config", f"data={data}").evaluation.get("of", {})) or [None]


# every data set, asked everything it can be asked: ("nemovar", None), ("mnist", "classify"), ...
SETUPS = [(data, task) for data in choices_of("data") for task in tasks_of(data)]


def setup(data: str, task: str | None, **chosen: str) -> DictConfig:
    """The configuration of a training on these data, with their own loss unless another is chosen: model="ae", ..."""
    config = compose("config", f"data={data}")
    if task is not None:
        config.data.task = task
    for group, choice in chosen.items():
        config[group] = with_choice(group, choice)[group]
    return entry.with_evaluation(config)


def tiny(config: DictConfig) -> DataSource:
    """The small version of its data set, prepared."""
    return _tiny(config.data.name, config.data.get("task"))


@functools.cache
def _tiny(name: str, task: str | None) -> DataSource:
    source = build.data(setup(name, task)).tiny()
    source.prepare()
    return source


def spec(config: DictConfig) -> Spec:
    """Of its data set."""
    return tiny(config).spec


def at_home(group: str, choice: str, only: str | None = None) -> DictConfig:
    """The configuration of a choice with data that it fits, of one data set if `only` says which."""
    if group not in FITTED:
        return with_choice(group, choice)
    return setup(*_home(group, choice, only), **{group: choice})


@functools.cache
def _home(group: str, choice: str, only: str | None) -> tuple[str, str | None]:
    for data, task in SETUPS:
        if only not in (None, data):
            continue
        with contextlib.suppress(Refusal):
            BUILDERS[group][0](setup(data, task, **{group: choice}), Path())
            return data, task
    raise AssertionError(f"{group}={choice} fits no data")


FITTED = ("augmentation", "loss", "model")  # groups of which not every choice fits all data


def network(config: DictConfig) -> Network:
    """That of the configuration for its own data set, narrow where it has a width."""
    if "width" in config.model:
        config = OmegaConf.merge(config, {"model": {"width": 8}})
    return build.network(config, spec(config))


def options(config: DictConfig) -> Options:
    """Whose criteria the validation of the configuration gives."""
    made = build.options(config, spec(config))
    build.criteria(made, build.evaluation(config), network(config))
    return made


# How each group is built, and what must come out. A new group needs a line here.
BUILDERS: dict[str, tuple[Callable[[DictConfig, Path], Any], type]] = {
    "augmentation": (lambda config, _: build.augmentation(config, spec(config)), Augmentation),
    "baseline": (lambda config, _: build.method(config.baseline), Method),
    "data": (lambda config, _: build.data(config), DataSource),
    "evaluation": (lambda config, _: (build.comparison(config), build.evaluation(config))[1], Evaluation),
    "loss": (lambda config, _: build.loss(config, spec(config)), Loss),
    "model": (lambda config, _: build.network(config, spec(config)), Network),
    "optimizer": (lambda config, _: build.optimizers(config, network(config)), dict),
    "scheduler": (lambda config, _: build.scheduler(config), Scheduler),
    "tracking": (lambda config, folder: build.tracker(config, folder), Tracker),
    "training": (lambda config, _: options(config), Options),
}
PRESETS = ("experiment", "sweep")  # groups that build nothing of their own
