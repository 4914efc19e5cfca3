"""From the configuration to objects: the only caller of instantiate. Refuses what does not fit, in one sentence."""

from __future__ import annotations

import functools
import inspect
import math
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from dlgd.core.config import plain
from dlgd.core.contract import Augmentation, DataSource, Evaluation, Loss, Method, Network, Spec, Tracker
from dlgd.core.errors import Refusal
from dlgd.core.paths import ROOT
from dlgd.core.score import Score
from dlgd.scoring import descriptions
from dlgd.scoring.cached_method import CachedMethod
from dlgd.scoring.image_classifier import ImageClassifier
from dlgd.tracking import provenance
from dlgd.training import checkpoint, device, fine_tuning, seeding
from dlgd.training.options import Options
from dlgd.training.schedulers import Scheduler


def _make(config: Mapping[str, Any], group: str, *arguments: Any, **extra: Any) -> Any:
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
            if isinstance(kind, type) and kind in TYPES and not _fits(given, kind):
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


def loss(config: DictConfig, spec: Spec) -> Loss:
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
        if not _fits(config.optimizer.lr, float) or not _fits(config.init_lr_scale, float):
            raise Refusal(
                f"optimizer.lr={config.optimizer.lr} and init_lr_scale={config.init_lr_scale} must be finite numbers"
            )
        if not isinstance(config.optimizer.get("fused", False), bool):
            raise Refusal(f"optimizer.fused={config.optimizer.fused} must be true or false")
        groups = fine_tuning.groups(
            player, network=net, given=config.init_loaded, lr=config.optimizer.lr, rate=config.init_lr_scale
        )
        made[name] = _make(config.optimizer, "optimizer", groups)
    return made


def scheduler(config: DictConfig) -> Scheduler:
    """The learning rate over the training."""
    return _make(config.scheduler, "scheduler")


def options(config: DictConfig) -> Options:
    """Of the training loop."""
    return _make(config.training, "training")


def criteria(chosen: Options, scores: Evaluation, net: Network) -> list[Score]:
    """The scores of the validation that the checkpoints follow, each with the direction in which it is better."""
    known = descriptions.of_validation(scores, net)
    directed = [one for one in known if one.higher_is_better is not None]
    found = []
    for name in chosen.criteria:
        one = descriptions.find(known, name)
        if one is None or one.higher_is_better is None:
            reason = "which the validation does not give" if one is None else "of which neither more nor less is better"
            raise Refusal(f"training.criteria has {name}, {reason}: choose among {descriptions.names(directed)}")
        found.append(one)
    return found


def evaluation(config: DictConfig) -> Evaluation:
    """The scores and figures. Where `evaluation.classifier` names a checkpoint, that network judges what is
    generated.
    """
    classifier = config.evaluation.get("classifier")
    extra = {} if classifier is None else {"classifier": image_classifier_of(Path(classifier).expanduser())}
    return _make(config.evaluation.scores, "evaluation.scores", **extra)


def image_classifier_of(file: Path) -> ImageClassifier:
    """A trained classifier, from its checkpoint; a path that is not there is looked for in the project."""
    file = file if file.exists() else ROOT / file
    _, data, net, _ = trained(file, None, None)
    if data.spec.kind != "label":
        raise Refusal(
            f"evaluation.classifier={file} gives {data.spec.kind}s: name the checkpoint of a classifier, or null"
        )
    return ImageClassifier(net, data)


def tracker(config: DictConfig, folder: Path) -> Tracker:
    """Where the run is recorded: in the experiment named after the data set and its task."""
    return _make(config.tracking, "tracking", experiment=provenance.experiment_name(config.data), folder=folder)


def run_device(config: DictConfig) -> torch.device:
    """Where networks are trained and used."""
    return device.choose(config.device)


def method(config: DictConfig, group: str = "baseline") -> Method:
    """A classical method; its answers are kept in the cache of the data."""
    return CachedMethod(_make(config, group), plain(config))


def comparison(config: DictConfig) -> list[Method]:
    """The methods that each network is compared with."""
    methods = config.evaluation.get("methods")
    if methods is None:
        return []
    if not OmegaConf.is_dict(methods):
        raise Refusal(f"evaluation.methods={methods} must name methods, each with its options")
    return [method(one, f"evaluation.methods.{name}") for name, one in methods.items() if one is not None]


def fitted(methods: list[Method], data: DataSource) -> list[Method]:
    """The methods, those that learn having learnt from the training split."""
    for one in methods:
        if one.learns:
            one.fit(data.samples("train"))
    return methods


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
        criteria: list[str] = list(config.training.criteria)
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
    return provenance.flatten(plain(config)) | dict(choices), provenance.tags(device=where) | {
        "data_checksum": checksum
    }
