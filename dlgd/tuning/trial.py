"""One trial of a search: its configuration, and what is done with it. `dlgd.sweep` is the command."""

from __future__ import annotations

import copy
import json
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from dlgd.cli import entry, runs
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.tuning.study import direction_of

if TYPE_CHECKING:
    from dlgd.core.contract import DataSource
    from dlgd.tuning.worker import Objective, Task

log = logging.getLogger(__name__)

# What a configuration keeps where a classical method is tuned: nothing of networks.
OF_METHODS = ("seed", "device", "loss", "evaluation", "data", "baseline", "tracking")
DATA_AT_ONCE = 2  # prepared data sets that a worker holds


class Composer:
    """Configurations of trials: what was typed, with the values of a trial."""

    def __init__(self, typed: Sequence[str]) -> None:
        self.typed = tuple(typed)
        own = OmegaConf.load(CONF / "sweep.yaml")
        self._own = {str(key) for key in own} - {"defaults", "hydra"}
        self._composed: dict[tuple[str, ...], tuple[DictConfig, dict[str, str]]] = {}

    def config(self, values: Mapping[str, Any]) -> tuple[DictConfig, dict[str, str]]:
        """That of a trial as the command of a training or method would get it, and the choices of its groups. Raises
        Refusal for values that no option takes."""
        chosen = {name: value for name, value in values.items() if is_group(name)}
        found, choices = self._of_groups(tuple(f"{name}={value}" for name, value in chosen.items()))
        config = copy.deepcopy(found)
        for name, value in values.items():
            if name not in chosen:
                try:
                    OmegaConf.update(config, name, value)
                except (OmegaConfBaseException, AttributeError, KeyError) as error:
                    words = " ".join(f"{group}={choice}" for group, choice in chosen.items())
                    raise Refusal(
                        f"sweep.search has {name}, which is no option{f' beside {words}' if words else ''}: "
                        "correct its name, or say `when` it is searched"
                    ) from error
        return config, choices

    def _of_groups(self, overrides: tuple[str, ...]) -> tuple[DictConfig, dict[str, str]]:
        if overrides not in self._composed:
            if not GlobalHydra.instance().is_initialized():
                hydra.initialize_config_dir(str(CONF), version_base="1.3")
            config = hydra.compose("sweep", [*self.typed, *overrides], return_hydra_config=True)
            chosen = config.hydra.runtime.choices
            tuned = config.get("baseline") is not None
            foreign = {*self._own, "hydra", "table", *(set(config) - set(OF_METHODS) if tuned else ["baseline"])}
            with open_dict(config):
                for key in foreign:
                    config.pop(key, None)
            self._composed[overrides] = config, {name: str(choice) for name, choice in chosen.items() if name in config}
        return self._composed[overrides]


def is_group(name: str) -> bool:
    """Whether this is a group of choices, such as model, and not a value, such as model.width."""
    return "." not in name and (CONF / name).is_dir()


def with_evaluation(config: DictConfig, choices: Mapping[str, str]) -> DictConfig:
    """A configuration of a trial as it is trained and recorded with."""
    with open_dict(config):
        config.choices = dict(choices)
    return entry.with_evaluation(config)


# --- what a worker does ------------------------------------------------------------------------------------------


def make_objective(typed: Sequence[str], tags: Mapping[str, str], threads: int) -> Objective:
    """Called in a worker: trains networks, or applies classical methods, to the same prepared data."""
    import torch

    torch.set_num_threads(threads)
    composer, data = Composer(typed), PreparedData()

    def objective(task: Task) -> dict[str, float]:
        composed, choices = composer.config(task.values)
        config = with_evaluation(composed, choices)
        task.note("folder", str(task.folder.absolute()))
        try_one = tuned if "baseline" in config else trained
        return try_one(task, config, data(config), tags | {"dlgd.trial": str(task.number)})

    return objective


class PreparedData:
    """Data sets by their options, each prepared once; the last few are held."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, DataSource] = OrderedDict()

    def __call__(self, config: DictConfig) -> DataSource:
        from dlgd import build

        key = json.dumps(OmegaConf.to_container(config.data, resolve=True), sort_keys=True)
        if key not in self._held:
            source = build.data(config)
            source.prepare()
            self._held[key] = source
        self._held.move_to_end(key)
        while len(self._held) > DATA_AT_ONCE:
            self._held.popitem(last=False)
        return self._held[key]


def trained(task: Task, config: DictConfig, data: DataSource, tags: Mapping[str, str]) -> dict[str, float]:
    """Train a network; the scores of the validation that was best by the first of training.criteria, whose weights
    are kept. The test split is not touched."""
    from dlgd.cli.training import SearchTrial, train
    from dlgd.training.running_loss import NonFinite
    from dlgd.tuning.worker import Diverged

    best: dict[str, float] = {}

    def should_stop(scores: Mapping[str, float], improved: bool) -> bool:
        if improved:
            best.update(scores)
        return task.report(scores)

    try:
        status = train(
            config, task.folder, resumed=False, trial=SearchTrial(data=data, should_stop=should_stop, tags=tags)
        )
    except NonFinite as error:
        raise Diverged(str(error)) from error
    if status == "KILLED" and not task.stopped:
        raise KeyboardInterrupt
    return best


def tuned(task: Task, config: DictConfig, data: DataSource, tags: Mapping[str, str]) -> dict[str, float]:
    """Apply a classical method to the validation split; its scores."""
    from dlgd import build
    from dlgd.core.files import make_writable
    from dlgd.scoring import score

    evaluation = build.evaluation(config)
    method = build.method(config.baseline).inner  # whose answers are not kept: no other trial asks for the same
    tracker = build.tracker(config, task.folder)
    make_writable(task.folder)
    runs.write_config(config, task.folder)
    params, own_tags = build.record(config, config.choices, "cpu", data.checksum())
    tracker.start(name=f"{method.name}-{config.data.name}", params=params, tags=own_tags | dict(tags))
    with tracker.recorded():
        rows, _ = score.score(build.fitted([method], data), data.samples("valid"), evaluation)
        scores = {name: value for name, value in rows[0].items() if name != "method"}
        tracker.log({f"valid/{name}": value for name, value in scores.items()}, 0)
    return scores


# --- before the search -------------------------------------------------------------------------------------------


def check(
    composer: Composer, corners: Sequence[Mapping[str, Any]], metrics: Mapping[str, str | None], folder: Path
) -> dict[str, str]:
    """Build what each combination of choices is made of, without data. Raises Refusal for what does not fit.

    Returns the direction of each metric.
    """
    from dlgd import build
    from dlgd.cli.training import assemble
    from dlgd.scoring import descriptions

    directions: dict[str, str] = {}
    for values in corners:
        composed, choices = composer.config(values)
        config = with_evaluation(composed, choices)
        data = build.data(config)
        build.tracker(config, folder)
        if "baseline" in config:
            described = descriptions.of_report(build.evaluation(config), [build.method(config.baseline)])
        else:
            build.run_device(config)
            config.device = "cpu"
            setup = assemble(config, data, resumed=False)
            described = descriptions.of_validation(setup.evaluation, setup.network)
        for name, typed in metrics.items():
            score = descriptions.find(described, name)
            if score is None:
                raise Refusal(
                    f"sweep.metrics has {name}, which the validation does not give: choose among "
                    f"{descriptions.names(described)}"
                )
            directions[name] = direction_of(score, typed)
    return directions


# --- after the search --------------------------------------------------------------------------------------------


def differences(config: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a nested configuration that another one has otherwise or lacks; null where only that has one."""
    found: dict[str, Any] = dict.fromkeys(key for key in default if key not in config)
    for key, value in config.items():
        if isinstance(value, Mapping) and isinstance(default.get(key), Mapping):
            inner = differences(value, default[key])
            if inner:
                found[key] = inner
        elif key not in default or default[key] != value:
            found[key] = value
    return found


def experiment(composer: Composer, values: Mapping[str, Any], head: Sequence[str]) -> str:
    """The text of an experiment file with the configuration of a trial."""
    config, choices = composer.config(values)
    chosen = [f"{group}={choice}" for group, choice in choices.items() if group != "tracking"]
    ours, default = (OmegaConf.to_container(one) for one in (config, hydra.compose("config", chosen)))
    for key in ("tracking", "device"):  # which are not of the question
        del ours[key], default[key]
    changed = differences(ours, default)
    lines = ["# @package _global_", *(f"# {line}" for line in head), "defaults:", "  - _self_"]
    lines += [f"  - override /{one.replace('=', ': ', 1)}" for one in chosen]
    return "\n".join(lines) + "\n\n" + (OmegaConf.to_yaml(OmegaConf.create(changed)) if changed else "")


def choice_of_method(composer: Composer, values: Mapping[str, Any], head: Sequence[str]) -> str:
    """The text of a file in conf/baseline with the options of a classical method."""
    config, _ = composer.config(values)
    return "".join(f"# {line}\n" for line in head) + OmegaConf.to_yaml(config.baseline)
