"""One trial of a search: its configuration, its training, and the file of the best one."""

from __future__ import annotations

import copy
import json
import logging
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from dlgd.cli import entry, own_folders, run_log, runs
from dlgd.core import trust
from dlgd.core.config import load, plain
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.tuning.study import Direction, direction_of

if TYPE_CHECKING:
    from dlgd.core.contract import DataSource
    from dlgd.tuning.worker import Objective, RunningTrial

log = logging.getLogger(__name__)

# The part of a configuration that concerns classical methods.
OF_METHODS = ("seed", "device", "loss", "evaluation", "data", "baseline", "tracking")
CHOICE = re.compile(r"\w[\w-]*(/\w[\w-]*)*")  # a file in conf/<group>, or in a folder there
DATA_AT_ONCE = 2  # prepared data sets in the memory of a worker


class Composer:
    """Composes the configurations of trials from the overrides of the command and the values of a trial."""

    def __init__(self, overrides: Sequence[str]) -> None:
        self.overrides = tuple(overrides)
        self._sweep_options = {str(key) for key in load(CONF / "sweep.yaml")} - {"defaults", "hydra"}
        self._composed: dict[tuple[str, ...], tuple[DictConfig, dict[str, str]]] = {}

    def config(self, values: Mapping[str, Any]) -> tuple[DictConfig, dict[str, str]]:
        """Return the configuration of a trial as the command of a training or method gets it, and the choices of its
        groups. Refusal for values that no option takes."""
        trust.check_values(values, "the search")  # which may have been begun by somebody else
        groups = {name: value for name, value in values.items() if is_group(name)}
        for name, value in groups.items():
            if not CHOICE.fullmatch(str(value)):
                raise Refusal(f"the search has {name}={trust.shown(value)}, which is no choice of {name}")
        found, choices = self._of_groups(tuple(f"{name}={value}" for name, value in groups.items()))
        config = copy.deepcopy(found)
        for name, value in values.items():
            if name not in groups:
                try:
                    OmegaConf.update(config, name, value)
                except (OmegaConfBaseException, AttributeError, KeyError) as error:
                    words = " ".join(f"{group}={choice}" for group, choice in groups.items())
                    raise Refusal(
                        f"sweep.search has {name}, which is no option{f' beside {words}' if words else ''}: "
                        "correct its name, or say `when` it is searched"
                    ) from error
        return config, choices

    def _of_groups(self, overrides: tuple[str, ...]) -> tuple[DictConfig, dict[str, str]]:
        if overrides not in self._composed:
            if not GlobalHydra.instance().is_initialized():
                hydra.initialize_config_dir(str(own_folders.first_folder()), version_base="1.3")
            typed = [*own_folders.search_path(), *self.overrides, *overrides]
            config = hydra.compose("sweep", typed, return_hydra_config=True)
            trust.allow_packages(list(config.trust))
            trust.allow_typed(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]))
            choices = config.hydra.runtime.choices
            classical = config.get("baseline") is not None
            foreign = set(config) - set(OF_METHODS) if classical else {"baseline"}
            with open_dict(config):
                for key in {*self._sweep_options, "hydra", "table", trust.OPTION, *foreign}:
                    config.pop(key, None)
            own = {name: str(choice) for name, choice in choices.items() if name in config}
            self._composed[overrides] = config, own
        return self._composed[overrides]


def is_group(name: str) -> bool:
    """Return whether this is a group of choices, such as model, and not an option, such as model.width."""
    return "." not in name and own_folders.is_group(name)


def with_evaluation(config: DictConfig, choices: Mapping[str, str]) -> DictConfig:
    """Return the configuration with which a trial is run and recorded: with its choices and its evaluation."""
    with open_dict(config):
        config.choices = dict(choices)
    return entry.with_evaluation(config)


# --- in a worker -------------------------------------------------------------------------------------------------


def make_objective(
    overrides: Sequence[str], tags: Mapping[str, str], threads: int, *, folders: Sequence[str] = ()
) -> Objective:
    """Return the objective of a worker, which trains a network or applies a classical method.

    folders: the words that name a person's own folders of choices.
    """
    import torch

    own_folders.take(folders, "sweep")
    trust.allow_folders(own_folders.own())
    torch.set_num_threads(threads)
    composer, data = Composer(overrides), PreparedData()

    def objective(trial: RunningTrial) -> dict[str, float]:
        composed, choices = composer.config(trial.values)
        config = with_evaluation(composed, choices)
        trial.note("folder", str(trial.folder.absolute()))
        scores_of = apply_method if "baseline" in config else train_network
        trial.folder.mkdir(parents=True, exist_ok=True)
        with run_log.log_in(trial.folder / "trial.log"):
            return scores_of(trial, config, data(config), {**tags, "dlgd.trial": str(trial.number)})

    return objective


class PreparedData:
    """Data sets by their options, each prepared once; the last few stay in memory."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, DataSource] = OrderedDict()

    def __call__(self, config: DictConfig) -> DataSource:
        from dlgd import build

        key = json.dumps(plain(config.data), sort_keys=True)
        if key not in self._sources:
            source = build.data(config)
            source.prepare()
            self._sources[key] = source
        self._sources.move_to_end(key)
        while len(self._sources) > DATA_AT_ONCE:
            self._sources.popitem(last=False)
        return self._sources[key]


def train_network(
    trial: RunningTrial, config: DictConfig, data: DataSource, tags: Mapping[str, str]
) -> dict[str, float]:
    """Train a network. Returns the scores of the validation that was best by the first of training.criteria.

    The test split is not used.
    """
    from dlgd.cli.training import SearchTrial, train
    from dlgd.training.running_loss import NonFinite
    from dlgd.tuning.worker import Diverged

    best: dict[str, float] = {}

    def should_stop(scores: Mapping[str, float], improved: bool) -> bool:
        if improved:
            best.update(scores)
        return trial.report(scores)

    try:
        status = train(
            config,
            trial.folder,
            resumed=False,
            trial=SearchTrial(
                data=data, should_stop=should_stop, is_pruned=lambda: trial.stopped, name=trial.name, tags=tags
            ),
        )
    except NonFinite as error:
        raise Diverged(str(error)) from error
    if status == "KILLED" and not trial.stopped:
        raise KeyboardInterrupt
    return best


def apply_method(
    trial: RunningTrial, config: DictConfig, data: DataSource, tags: Mapping[str, str]
) -> dict[str, float]:
    """Apply a classical method to the validation split. Returns its scores."""
    from dlgd import build
    from dlgd.core.files import make_writable
    from dlgd.scoring import descriptions, score

    evaluation = build.evaluation(config)
    method = build.method(config.baseline).inner  # without its cache: no other trial needs the same answers
    tracker = build.tracker(config, trial.folder)
    make_writable(trial.folder)
    runs.write_config(config, trial.folder)
    scores_given = descriptions.of_report(evaluation, [method])
    params, own_tags = build.params_and_tags(
        config, config.choices, device_name="cpu", source=data, splits=["train", "valid"], scores=scores_given
    )
    tracker.start(name=trial.name, params=params, tags=own_tags | dict(tags))
    with tracker.recorded(), run_log.recorded(tracker):
        rows, _ = score.score(build.fitted([method], data), data.samples("valid"), evaluation)
        scores = {name: value for name, value in rows[0].items() if name != "method"}
        tracker.log({f"valid/{name}": value for name, value in scores.items()}, 0)
    return scores


# --- before the search -------------------------------------------------------------------------------------------


def check(
    composer: Composer, corners: Sequence[Mapping[str, Any]], metrics: Mapping[str, Direction | None], folder: Path
) -> dict[str, Direction]:
    """Build the objects of each combination of choices, without data, to refuse what does not fit.

    Returns the direction of each metric.
    """
    from dlgd import build
    from dlgd.cli.training import assemble
    from dlgd.scoring import descriptions

    directions: dict[str, Direction] = {}
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
        for name, requested in metrics.items():
            score = descriptions.find(described, name)
            if score is None:
                raise Refusal(
                    f"sweep.metrics has {name}, which the validation does not give: choose among "
                    f"{descriptions.names(described)}"
                )
            directions[name] = direction_of(score, requested)
    return directions


# --- after the search --------------------------------------------------------------------------------------------


def differences(config: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a nested configuration that differ from a default; None where only the default has one."""
    found: dict[str, Any] = dict.fromkeys(key for key in default if key not in config)
    for key, value in config.items():
        if isinstance(value, Mapping) and isinstance(default.get(key), Mapping):
            inner = differences(value, default[key])
            if inner:
                found[key] = inner
        elif key not in default or default[key] != value:
            found[key] = value
    return found


def experiment_file(composer: Composer, values: Mapping[str, Any], head: Sequence[str]) -> str:
    """Return the text of an experiment file with the configuration of a trial."""
    config, choices = composer.config(values)
    overrides = [f"{group}={choice}" for group, choice in choices.items() if group != "tracking"]
    usual = hydra.compose("config", [*own_folders.search_path(), *overrides])
    ours, default = (plain(one, resolve=False) for one in (config, usual))
    for key in ("tracking", "device", trust.OPTION):  # these do not belong to an experiment
        for one in (ours, default):
            one.pop(key, None)
    changed = differences(ours, default)
    lines = ["# @package _global_", *(f"# {line}" for line in head), "defaults:", "  - _self_"]
    lines += [f"  - override /{one.replace('=', ': ', 1)}" for one in overrides]
    return "\n".join(lines) + "\n\n" + (OmegaConf.to_yaml(OmegaConf.create(changed)) if changed else "")


def method_file(composer: Composer, values: Mapping[str, Any], head: Sequence[str]) -> str:
    """Return the text of a file in conf/baseline with the options of a classical method."""
    config, _ = composer.config(values)
    return "".join(f"# {line}\n" for line in head) + OmegaConf.to_yaml(config.baseline)
