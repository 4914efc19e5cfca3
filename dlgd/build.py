"""From the configuration to objects: the only caller of instantiate. Refuses what does not fit, in one sentence."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import math
import time
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import torch
import xarray as xr
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from dlgd.core import cache
from dlgd.core.contract import Augmentation, Coder, DataSource, Evaluation, Method, Misfit, Network, Spec, Tracker
from dlgd.core.errors import Refusal
from dlgd.core.paths import ROOT, cache_folder
from dlgd.scoring.image_classifier import Judge
from dlgd.tracking import provenance
from dlgd.training import checkpoint, device, fine_tuning, seeding
from dlgd.training.options import Options
from dlgd.training.schedulers import Scheduler


def _make(config: DictConfig, group: str, *arguments: Any, **extra: Any) -> Any:
    """Instantiate one group with what only the program knows; a constructor's complaint becomes a refusal."""
    try:
        # partial first: Hydra would turn the extra arguments into configurations
        make = hydra.utils.instantiate(config, _partial_=True, _convert_="all")
    except InstantiationException as error:
        raise Refusal(f"{group}._target_={config.get('_target_')} cannot be found: {error}") from error
    _check_types(make, group)
    try:
        return make(*arguments, **extra)
    except Refusal:
        raise
    except ValueError as error:
        raise Refusal(str(error)) from error
    except TypeError as error:
        given = ", ".join(str(key) for key in config if not str(key).startswith("_"))
        raise Refusal(f"{group} was given {given}, which does not fit {config.get('_target_')}: {error}") from error


TYPES = {int: "a whole number", float: "a finite number", str: "a name", bool: "true or false"}


def _check_types(make: functools.partial, group: str) -> None:
    """Refuse 2.5 or "many" where the constructor's annotation says int; whatever else it says is its own business."""
    try:
        hints = typing.get_type_hints(make.func.__init__ if inspect.isclass(make.func) else make.func)
    except NameError:  # an annotation that only a type checker can read
        return
    for key, value in make.keywords.items():
        kind, values = hints.get(key), {key: value}
        if typing.get_origin(kind) is Mapping:
            if not isinstance(value, Mapping):
                raise Refusal(f"{group}.{key}={value} must be names with values, such as {group}.{key}.name=value")
            kind, values = typing.get_args(kind)[1], {f"{key}.{name}": inner for name, inner in value.items()}
        for name, given in values.items():
            if kind in TYPES and not _fits(given, kind):
                raise Refusal(f"{group}.{name}={given} must be {TYPES[kind]}")


def _fits(value: object, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def data(config: DictConfig) -> DataSource:
    """The data set, checked, not prepared."""
    given, chosen = config.data.get("first_guess"), config.data
    extra: dict[str, Any] = {}
    if OmegaConf.is_dict(given) and OmegaConf.is_dict(given.get("method")):  # a classical method's maps
        guesser = method(given.method, "data.first_guess.method")
        extra["first_guess"] = {**given, "method": guesser}
        chosen = {key: value for key, value in config.data.items() if key != "first_guess"}
    source = _make(chosen, "data", **extra)
    source.check()
    return source


def network(config: DictConfig, spec: Spec) -> Network:
    """The network for data of this spec, with weights drawn from the seed."""
    seeding.seed_everything(config.seed)
    return _make(config.model, "model", spec=spec)


def misfit(config: DictConfig, spec: Spec) -> Misfit:
    """The loss for data of this spec."""
    return _make(config.loss, "loss", spec=spec)


def augmentation(config: DictConfig, spec: Spec) -> Augmentation:
    """The augmentation for data of this spec."""
    return _make(config.augmentation, "augmentation", spec=spec)


def begin(config: DictConfig, net: Network, source: tuple[Path, DictConfig | None] | None) -> list[str]:
    """Give a network the weights of a run (its folder and configuration) or checkpoint file, hold those of `freeze`.

    Returns the names of the weights that were given.
    """
    given: tuple[str, ...] = ()
    if source is not None:
        path, former = source
        file = path if former is None else checkpoint.best_path(path, former.training.criteria[0])
        given = fine_tuning.take_over(net, file)
    fine_tuning.hold(net, config.freeze)
    return list(given)


def optimizers(config: DictConfig, net: Network) -> dict[str, torch.optim.Optimizer]:
    """One optimizer for each player of the network."""
    made = {}
    for name, player in net.players().items():
        if not _fits(config.optimizer.lr, float) or not _fits(config.init_rate, float):
            raise Refusal(f"optimizer.lr={config.optimizer.lr} and init_rate={config.init_rate} must be finite numbers")
        if not isinstance(config.optimizer.get("fused", False), bool):
            raise Refusal(f"optimizer.fused={config.optimizer.fused} must be true or false")
        groups = fine_tuning.groups(
            player, network=net, given=config.taken_over, lr=config.optimizer.lr, rate=config.init_rate
        )
        made[name] = _make(config.optimizer, "optimizer", groups)
    return made


def scheduler(config: DictConfig) -> Scheduler:
    """The learning rate over the training."""
    return _make(config.scheduler, "scheduler")


def options(config: DictConfig, scores: Evaluation, net: Network) -> Options:
    """Of the training loop; its criteria must be among the scores of the validation."""
    chosen: Options = _make(config.training, "training")
    known = ("loss", *scores.names, *net.score_names)
    for name in chosen.criteria:
        if name not in known:
            raise Refusal(
                f"training.criteria has {name}, which the validation does not give: choose among {', '.join(known)}"
            )
    return chosen


def evaluation(config: DictConfig) -> Evaluation:
    """The scores and figures. Where `evaluation.judge` names a checkpoint, that network judges what is generated."""
    judge = config.evaluation.get("judge")
    extra = {} if judge is None else {"judge": judge_of(Path(judge).expanduser())}
    return _make(config.evaluation.scores, "evaluation.scores", **extra)


def judge_of(file: Path) -> Judge:
    """A trained classifier, from its checkpoint; a path that is not there is looked for in the project."""
    file = file if file.exists() else ROOT / file
    _, data, net, _ = trained(file, None, None)
    if data.spec.kind != "label":
        raise Refusal(f"evaluation.judge={file} gives {data.spec.kind}s: name the checkpoint of a classifier, or null")
    return Judge(net, data)


def tracker(config: DictConfig, folder: Path) -> Tracker:
    """Where the run is recorded: in the experiment named after the data set and its task."""
    return _make(config.tracking, "tracking", experiment=provenance.experiment_name(config.data), folder=folder)


def run_device(config: DictConfig) -> torch.device:
    """Where networks are trained and used."""
    return device.choose(config.device)


def method(config: DictConfig, group: str = "baseline") -> Method:
    """A classical method; its answers are kept in the cache of the data."""
    return Kept(_make(config, group), OmegaConf.to_container(config, resolve=True))


def comparison(config: DictConfig) -> list[Method]:
    """The methods that each network is compared with."""
    methods = config.evaluation.get("methods")
    if methods is None:
        return []
    if not OmegaConf.is_dict(methods):
        raise Refusal(f"evaluation.methods={methods} must name methods, each with its options")
    return [method(one, f"evaluation.methods.{name}") for name, one in methods.items() if one is not None]


def fitted(methods: list[Method], data: DataSource) -> list[Method]:
    """The methods, those that learn having learnt from the training part."""
    for one in methods:
        if one.learns:
            one.fit(data.samples("train"))
    return methods


class Kept(Method):
    """A method whose answers for the same samples are computed once and kept, with the seconds they took."""

    def __init__(self, inner: Method, config: Mapping[str, Any]) -> None:
        self.inner, self.name, self.learns = inner, inner.name, inner.learns
        self._config = json.dumps(config, sort_keys=True)
        self._learnt = ""

    def fit(self, train: xr.Dataset) -> None:
        """Pass on."""
        self.inner.fit(train)
        self._learnt = cache.digest(train) if self.inner.learns else ""

    def scores(self, samples: xr.Dataset) -> dict[str, float]:
        """Of the method."""
        return self.inner.scores(samples)

    def coder(self) -> Coder | None:
        """Of the method."""
        return self.inner.coder()

    def ranks(self, samples: xr.Dataset) -> np.ndarray | None:
        """Of the method; not kept."""
        return self.inner.ranks(samples)

    def error_std(self, samples: xr.Dataset) -> np.ndarray | None:
        """Of the method, or what it answered before; that it has none is found anew each time."""
        if type(self.inner).error_std is Method.error_std:  # no need to look at the samples
            return None
        folder, key = self._place(samples)
        kept = cache.read(folder / f"{key}-error.nc")
        if kept is None:
            std = self.inner.error_std(samples)
            if std is None:
                return None
            kept = cache.get(folder / f"{key}-error.nc", lambda: _as_dataset(std, method=self._config))
        return kept.answer.values

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Of the method, or what it answered before."""

        def make() -> xr.Dataset:
            start = time.perf_counter()
            answer = self.inner.predict(samples)
            seconds = self.inner.seconds_per_sample
            if seconds is None:
                seconds = (time.perf_counter() - start) / samples.sizes["sample"]
            return _as_dataset(answer, seconds_per_sample=seconds, method=self._config)

        folder, key = self._place(samples)
        kept = cache.get(folder / f"{key}.nc", make)
        self.seconds_per_sample = float(kept.attrs["seconds_per_sample"])
        return kept.answer.values

    def _place(self, samples: xr.Dataset) -> tuple[Path, str]:
        """The folder of answers, and the name of those for these samples."""
        attributes = sorted(map(str, samples.attrs.items()))  # a grid's topology is among them
        given = samples.drop_vars([name for name, field in samples.items() if field.attrs.get("derived")])
        text = f"{self._config}{self._learnt}{attributes}{cache.digest(given)}"
        return cache.folder_for(cache_folder(), "answers", {"format": 1}), hashlib.sha256(text.encode()).hexdigest()[
            :16
        ]


def _as_dataset(answer: np.ndarray, **attributes: Any) -> xr.Dataset:
    """An answer to be kept, of any shape."""
    dims = [f"axis_{number}" for number in range(answer.ndim)]
    return xr.Dataset({"answer": (dims, answer)}, attrs=attributes)


def trained(
    run: Path, config: DictConfig | None, criterion: str | None
) -> tuple[DictConfig, DataSource, Network, checkpoint.Checkpoint]:
    """Configuration, data source, network and checkpoint of a run folder, whose `config` it is, or of a checkpoint file
    alone. `criterion` is one of a folder's training.criteria (null: the first)."""
    if config is None:
        if criterion is not None:
            raise Refusal(f"criterion={criterion} chooses among a run's checkpoints, but run={run} is one")
        kept = checkpoint.load(run)
        config = OmegaConf.create(kept.config)
    else:
        criteria = list(config.training.criteria)
        criterion = criteria[0] if criterion is None else criterion
        if criterion not in criteria:
            raise Refusal(f"criterion={criterion} was not among those of the run: choose one of {', '.join(criteria)}")
        kept = checkpoint.load(checkpoint.best_path(run, criterion))
    source = data(config)
    net = network(config, source.spec)
    checkpoint.restore(net, kept)
    source.use_statistics(kept.config.get("statistics", {}))
    return config, source, net, kept


def record(
    config: DictConfig, choices: Mapping[str, str], where: str, checksum: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Parameters and tags of a run for the tracker."""
    plain = OmegaConf.to_container(config, resolve=True)
    return provenance.flatten(plain) | dict(choices), provenance.tags(device=where) | {"data_checksum": checksum}
