"""A training in this process: `dlgd.train(model="cnn", data="mnist_5k", training={"epochs": 3})`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from dlgd.cli import entry, run_log, runs
from dlgd.core import trust as trusted
from dlgd.interface import arguments, words
from dlgd.interface.composing import NOTHING, composed
from dlgd.interface.words import Choice

if TYPE_CHECKING:
    from dlgd.interface.run import Run

Place = str | os.PathLike[str]  # of a run


@dataclass(frozen=True)
class Ended:
    """How a training has ended.

    status: FINISHED or KILLED. again: what must be typed beside resume=<folder>, mostly nothing. resumes: whether there
    is a checkpoint to go on from.
    """

    folder: Path
    status: str
    again: str
    resumes: bool


def train(
    *typed: str,
    model: Choice | None = None,
    data: Choice | None = None,
    loss: Choice | None = None,
    augmentation: Choice | None = None,
    optimizer: Choice | None = None,
    scheduler: Choice | None = None,
    training: Choice | None = None,
    evaluation: Choice | None = None,
    tracking: Choice | None = None,
    experiment: str | None = None,
    seed: int | None = None,
    device: str | None = None,
    resume: Place | Run | None = None,
    init_from: Place | None = None,
    init_lr_scale: float | None = None,
    freeze: Sequence[str] | None = None,
    folder: Place | None = None,
    trust: Sequence[str] = (),
) -> Run:
    """Train a network as `python -m dlgd.train` does, in this process, and return the run.

    model, data, ...: for each group the name of a choice, "cnn"; options of the usual choice, {"epochs": 3}; or both,
    ("cnn", {"width": 8}). None: as in conf/config.yaml.
    typed: further words as at the command, such as "model.width=8" or "~evaluation.methods.randomization_100".
    experiment, seed, device, init_from, init_lr_scale, freeze: as at the command.
    resume: a run, its folder or its id in MLflow, to go on with; options given besides replace those of that run.
    folder: of the run, which must be new; None: outputs/<day>/<time>.
    trust: your own packages that runs which are loaded (resume, init_from) may call.

    All files of a run are made, and it is recorded in MLflow unless tracking="off". The table is not printed; what
    the command logs goes to the logger "dlgd".

    Ctrl-C ends the training after its step, and raises KeyboardInterrupt that says how to go on. Raises Refusal where a
    name or value is wrong, with the command's sentence:

    >>> import dlgd
    >>> dlgd.train(model="cnn", data="mnist_5k", training={"epoch": 3})
    Traceback (most recent call last):
    dlgd.core.errors.Refusal: training.epoch is no option: ... (did you mean training.epochs?)
    """
    from dlgd.interface.run import Run

    if resume is not None and not isinstance(resume, Run):
        arguments.path("resume", resume, example="a run, its folder, or its id in MLflow")
    for name, place in {"folder": folder, "init_from": init_from}.items():
        if place is not None:
            arguments.path(name, place, example="the path of a folder" + (" or file" if name != "folder" else ""))
    options = {
        "model": model, "data": data, "loss": loss, "augmentation": augmentation, "optimizer": optimizer,
        "scheduler": scheduler, "training": training, "evaluation": evaluation, "tracking": tracking,
        "experiment": experiment, "seed": seed, "device": device, "init_from": init_from,
        "init_lr_scale": init_lr_scale, "freeze": freeze, "hydra.run.dir": folder,
        "trust": arguments.packages(trust) or None,
        "resume": resume.path if isinstance(resume, Run) else resume,
    }  # fmt: skip
    return train_with(words.overrides(words.given(options), typed), device="auto" if device is None else device)


def train_with(typed: Sequence[str], *, device: str, allowed: trusted.Allowed = NOTHING) -> Run:
    """Train with what is typed after the command, and return the run.

    device: where the run predicts. allowed: what may be called besides what is typed.
    """
    from dlgd.interface.run import Run

    with composed("config", typed, allowed=allowed, takes_folder=True) as config:
        with run_log.own_log_in(entry.output_folder() / "train.log"):
            ended = run_training(config, printed=False)
        if ended.status == "KILLED":
            again = ", ".join([*map(repr, ended.again.split()), f"resume={str(ended.folder)!r}"])
            resumes = f"go on with dlgd.train({again})"
            raise KeyboardInterrupt(f"stopped; {resumes if ended.resumes else 'nothing was trained'}")
        former = runs.read_config(ended.folder)
        return Run(ended.folder, former, criterion=None, device=device, allowed=trusted.now_allowed())


def run_training(config: DictConfig, *, printed: bool) -> Ended:
    """Train with the configuration of a new run, or with that of the run to be resumed, in the folder that is in force.

    config: that of `python -m dlgd.train`. printed: whether the table of scores is printed.
    """
    from dlgd.cli.training import train
    from dlgd.training.checkpoint import last_path

    folder, resumed = entry.output_folder(), config.resume is not None
    if resumed:
        config = runs.resumed_config(folder, list(HydraConfig.get().overrides.task))
    else:
        with open_dict(config):
            config.choices = entry.choices()
        config = entry.with_evaluation(config)
    try:
        status = train(config, folder, resumed=resumed, printed=printed)
    except KeyboardInterrupt:  # before or after the training itself
        status = "KILLED"
    again = runs.typed_again(config) if status == "KILLED" else ""
    return Ended(folder, status, again, last_path(folder).exists())
