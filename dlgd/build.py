"""From the configuration to objects. Refuses what does not fit, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from dlgd.core import checks
from dlgd.core.config import plain
from dlgd.core.construct import construct
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


def _make(config: Mapping[str, Any], group: str, *arguments: Any, **given: Any) -> Any:
    """The object of one group, called with what only the program knows, too."""
    values = plain(config) if isinstance(config, DictConfig) else config
    return construct(values, group, arguments=arguments, given=given)


def data(config: DictConfig) -> DataSource:
    """The data set, checked, not prepared."""
    chosen = plain(config.data)
    given = config.data.get("first_guess")
    if OmegaConf.is_dict(given) and OmegaConf.is_dict(given.get("method")):  # a classical method's maps
        chosen["first_guess"]["method"] = method(given.method, "data.first_guess.method")
    source = _make(chosen, "data")
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
    """Load the weights of a run (its folder and configuration) or of a checkpoint file, and freeze those of `freeze`.

    Returns the names of the loaded weights.
    """
    loaded: tuple[str, ...] = ()
    if source is not None:
        path, former = source
        file = path if former is None else checkpoint.best_path(path, former.training.criteria[0])
        loaded = fine_tuning.load_fitting(net, file)
    fine_tuning.freeze(net, config.freeze)
    return list(loaded)


def optimizers(config: DictConfig, net: Network) -> dict[str, torch.optim.Optimizer]:
    """One optimizer for each player of the network."""
    made = {}
    checks.number("optimizer.lr", config.optimizer.lr, least=0)
    for name, player in net.players().items():
        groups = fine_tuning.groups(
            player, network=net, loaded=config.init_loaded, lr=config.optimizer.lr, scale=config.init_lr_scale
        )
        try:
            made[name] = _make(config.optimizer, "optimizer", groups)
        except (ValueError, TypeError) as error:
            if not str(config.optimizer.get("_target_")).startswith("torch."):
                raise  # of a person's own
            raise Refusal(f"optimizer: {error}") from error  # PyTorch checks the options of its optimizers so
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
    extra = {}
    if classifier is not None:
        checks.of_kind("evaluation.classifier", classifier, str)
        extra["classifier"] = image_classifier_of(Path(classifier).expanduser())
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


def method(config: DictConfig, group: str = "baseline") -> CachedMethod:
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


def fitted(methods: Sequence[Method], data: DataSource) -> Sequence[Method]:
    """Fit the methods that learn to the training split. Returns all methods."""
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
