"""Builds objects from the configuration. What does not fit is refused in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from dlgd.core import checks
from dlgd.core.config import part, plain
from dlgd.core.constants import SPLITS
from dlgd.core.construct import construct
from dlgd.core.contract import Augmentation, DataSource, Evaluation, Loss, Method, Network, Spec, Tracker
from dlgd.core.errors import Refusal
from dlgd.core.paths import shipped
from dlgd.core.score import Score
from dlgd.scoring import descriptions, published
from dlgd.scoring.cached_method import CachedMethod
from dlgd.scoring.image_classifier import ImageClassifier
from dlgd.tracking import datasets, provenance, run_tags
from dlgd.training import checkpoint, device, fine_tuning, seeding
from dlgd.training.options import Options
from dlgd.training.schedulers import Scheduler


def _build(
    config: Any,
    group: str,
    *,
    kind: type | None = None,
    arguments: Sequence[Any] = (),
    given: Mapping[str, Any] | None = None,
) -> Any:
    """Return the object of a group, made with its options and with `arguments` and `given`, which the program knows.

    kind: the contract that it must keep; None for any object.
    """
    values = plain(config) if isinstance(config, DictConfig) else config
    found = construct(values, group, arguments=arguments, given=given)
    if kind is not None and not isinstance(found, kind):
        raise Refusal(
            f"{group}._target_={values['_target_']} makes a {type(found).__name__}, which is no {kind.__name__} as "
            "dlgd/core/contract.py describes it"
        )
    return found


def data(config: DictConfig) -> DataSource:
    """Return the data set, checked, not prepared."""
    values = part(config, "data")
    checks.part_of_file_names("data.name", values.get("name"))
    first_guess = config.data.get("first_guess")
    if OmegaConf.is_dict(first_guess) and OmegaConf.is_dict(first_guess.get("method")):  # of a classical method
        values["first_guess"]["method"] = method(first_guess.method, "data.first_guess.method")
    source = _build(values, "data", kind=DataSource)
    source.check()
    return source


def other_data(config: DictConfig, trained_on: DataSource) -> DataSource:
    """Return another data set for a trained network, scaled as at training time. Refusal where its channels differ."""
    source = data(config)
    wanted, given = trained_on.spec.input_channels, source.spec.input_channels
    if given != wanted:
        raise Refusal(
            f"data={config.data.name} gives the channels {', '.join(given)}, but the network was trained with "
            f"{', '.join(wanted)}: type the options of data with which it was trained"
        )
    source.use_statistics(trained_on.statistics)
    return source


def network(config: DictConfig, spec: Spec) -> Network:
    """Return the network for data of this spec, with weights drawn from the seed."""
    seeding.seed_everything(config.seed)
    return _build(config.model, "model", kind=Network, given={"spec": spec})


def loss(config: DictConfig, spec: Spec) -> Loss:
    """Return the loss for data of this spec."""
    return _build(config.loss, "loss", kind=Loss, given={"spec": spec})


def augmentation(config: DictConfig, spec: Spec) -> Augmentation:
    """Return the augmentation for data of this spec."""
    return _build(config.augmentation, "augmentation", kind=Augmentation, given={"spec": spec})


def load_initial_weights(config: DictConfig, net: Network, source: tuple[Path, DictConfig | None] | None) -> list[str]:
    """Load the weights of a trained network into another one, and freeze those that `freeze` names.

    source: the folder and the configuration of a run, or a checkpoint file and None; None to load nothing.
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
    """Return an optimizer for each player of the network."""
    found = {}
    checks.names("init_loaded", config.init_loaded, example="[layers.0.weight]", empty=True)
    checks.number("optimizer.lr", config.optimizer.lr, least=0)
    for name, player in net.players().items():
        groups = fine_tuning.groups(
            player, network=net, loaded=config.init_loaded, lr=config.optimizer.lr, scale=config.init_lr_scale
        )
        try:
            found[name] = _build(config.optimizer, "optimizer", arguments=(groups,))
        except (ValueError, TypeError) as error:
            if not str(config.optimizer.get("_target_")).startswith("torch."):
                raise  # an error in a person's own optimizer
            raise Refusal(f"optimizer: {error}") from error  # PyTorch's optimizers refuse options in this way
    return found


def scheduler(config: DictConfig) -> Scheduler:
    """Return the scheduler of the learning rate."""
    return _build(config.scheduler, "scheduler")


def options(config: DictConfig, spec: Spec) -> Options:
    """Return the options of the training loop, for data of this spec."""
    found = _build(config.training, "training")
    if found.adversarial > 0 and spec.kind == "generated":
        raise Refusal(
            f"training.adversarial={found.adversarial} changes the input of a network, but that of data={spec.name} is "
            "a class, from which new samples are made: type training.adversarial=0"
        )
    return found


def criteria(training: Options, scores: Evaluation, net: Network) -> list[Score]:
    """Return the scores of the validation that the checkpoints follow."""
    known = descriptions.of_validation(scores, net)
    directed = [one for one in known if one.higher_is_better is not None]
    found = []
    for name in training.criteria:
        one = descriptions.find(known, name)
        if one is None or one.higher_is_better is None:
            reason = "which the validation does not give" if one is None else "of which neither more nor less is better"
            raise Refusal(f"training.criteria has {name}, {reason}: choose among {descriptions.names(directed)}")
        found.append(one)
    return found


def evaluation(config: DictConfig, *, samples_of_data: bool = True) -> Evaluation:
    """Return the evaluation. `evaluation.classifier` may name the checkpoint of a network that classifies images.

    samples_of_data: whether the samples to be scored are a split of the data of this configuration, and no other file:
        published rows stand only beside samples of the data that they were made with, see `published.standing`.
    """
    classifier = config.evaluation.get("classifier")
    given = {}
    if classifier is not None:
        checks.of_kind("evaluation.classifier", classifier, str)
        given["classifier"] = image_classifier_of(Path(classifier).expanduser())
    values = part(config, "evaluation.scores")
    which = config.evaluation.get("published", published.OWN)  # also read where there are no rows to choose from
    rows = published.standing(values.get("published") or (), config, which=which, samples_of_data=samples_of_data)
    if values.get("published"):
        values["published"] = rows
    return _build(values, "evaluation.scores", kind=Evaluation, given=given)


def image_classifier_of(file: Path) -> ImageClassifier:
    """Return a trained classifier from its checkpoint, which may be one of experiments/."""
    file = shipped(file)
    _, data, net, _ = trained(file, None, None)
    if data.spec.kind != "label":
        raise Refusal(
            f"evaluation.classifier={file} gives {data.spec.kind}s: name the checkpoint of a classifier, or null"
        )
    return ImageClassifier(net, data)


def tracker(config: DictConfig, folder: Path) -> Tracker:
    """Return the tracker of a run, whose experiment is named after the data set and its task."""
    given = {"experiment": provenance.experiment_name(config.data), "folder": folder}
    return _build(config.tracking, "tracking", kind=Tracker, given=given)


def run_device(config: DictConfig) -> torch.device:
    """Return the device on which networks are trained and used."""
    return device.choose(config.device)


def method(config: DictConfig, group: str = "baseline") -> CachedMethod:
    """Return a classical method, whose answers are cached beside the data."""
    return CachedMethod(_build(config, group, kind=Method), plain(config))


def comparison(config: DictConfig) -> list[Method]:
    """Return the methods with which networks are compared."""
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
    """Return the configuration, data set, network and checkpoint of a run.

    run: its folder, or a checkpoint file.
    config: the configuration of the folder; None for a checkpoint file, which has its own.
    criterion: one of the folder's training.criteria; None for the first.
    """
    if config is None:
        if criterion is not None:
            raise Refusal(f"criterion={criterion} selects one of a run's checkpoints, but run={run} is a checkpoint")
        loaded = checkpoint.load(run)
        config = OmegaConf.create(loaded.config)
    else:
        criteria: list[str] = list(config.training.criteria)
        criterion = criteria[0] if criterion is None else criterion
        if criterion not in criteria:
            raise Refusal(f"criterion={criterion} was not among those of the run: choose one of {', '.join(criteria)}")
        loaded = checkpoint.load(checkpoint.best_path(run, criterion))
    source = data(config)
    net = network(config, source.spec)
    checkpoint.restore(net, loaded)
    source.use_statistics(loaded.config.get("statistics", {}))
    return config, source, net, loaded


def params_and_tags(
    config: DictConfig,
    choices: Mapping[str, str],
    *,
    device_name: str,
    source: DataSource | None,
    splits: Sequence[str] = SPLITS,
    scores: Iterable[Score] = (),
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the parameters and tags of a run for the tracker.

    choices: of the config groups. source: the prepared data; None for a run that makes none. splits: those that the run
    uses. scores: all that the run may record.
    """
    tags = provenance.tags(device=device_name) | run_tags.scores_tag(scores)
    if source is not None:
        checksum = source.checksum()
        tags |= {"data_checksum": checksum} | datasets.tag(plain(config.data), source.spec, checksum, splits)
    return provenance.flatten(plain(config)) | dict(choices), tags
