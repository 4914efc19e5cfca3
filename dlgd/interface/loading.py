"""A run that was made before, found: `dlgd.load("outputs/2026-01-31/12-00-00")`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from omegaconf import DictConfig, OmegaConf

from dlgd.cli import runs
from dlgd.core import passwords, trust
from dlgd.core.checks import among
from dlgd.core.errors import Refusal
from dlgd.interface import arguments
from dlgd.interface.composing import in_sentences
from dlgd.interface.run import Run

DEVICES = ("auto", "cpu", "cuda")  # of which the last may have a number: cuda:1


def load(
    run: str | os.PathLike[str],
    *,
    criterion: str | None = None,
    device: str = "auto",
    trust: Sequence[str] = (),
    tracking_uri: str | None = None,
) -> Run:
    """Return a run that was made before.

    run: a run folder, the id of a run in MLflow, or a checkpoint file (.pt).
    criterion: which best checkpoint, a name in its training.criteria; None is the first of them.
    device: where the network predicts: "auto" is the GPU where there is one, else the CPU; or "cpu", "cuda".
    trust: your own packages which this run may call, such as ["my_package"]; see docs/trust.md.
    tracking_uri: the MLflow in which an id is looked up; None as in a training.

    Raises Refusal where there is no such run, or where it names what is not to be trusted:

    >>> import dlgd
    >>> dlgd.load("outputs/yesterday")
    Traceback (most recent call last):
    dlgd.core.errors.Refusal: there is no run folder outputs/yesterday: give one such as ...
    """
    where = arguments.path("run", run, example="a run folder, a checkpoint file, or the id of a run in MLflow")
    uri = arguments.text("tracking_uri", tracking_uri, example="the address of an MLflow, or None")
    _refuse_device(device)
    with in_sentences("evaluate"), _only_packages(trust):
        passwords.refuse_typed([f"run={where}", f"tracking.uri={uri}"])
        tracking = OmegaConf.create({"tracking": {"uri": uri}})
        one = found(where, tracking, criterion=criterion, device=device)
        _refuse_criterion(one, criterion)
        one.path = one.path.absolute()  # the process may go to another folder
        return one


def found(run: object, where: DictConfig, *, criterion: str | None, device: str) -> Run:
    """Return the run that `run` names, which may call what is allowed now; `where` has the option tracking.uri."""
    path, former = runs.find_trained(run, where)
    return Run(path, former, criterion=criterion, device=device, allowed=trust.now_allowed())


@contextmanager
def _only_packages(packages: Sequence[str]) -> Iterator[None]:
    with trust.only(trust.Allowed()):
        trust.allow_packages(arguments.packages(packages))
        yield


def _refuse_device(device: object) -> None:
    """Refuse a name that is no device; whether it is there is asked when it is needed, by PyTorch."""
    name, _, number = device.partition(":") if isinstance(device, str) else ("", "", "")
    if name not in DEVICES or (":" in str(device) and not number.isdigit()):
        raise Refusal(f"device={device} is unknown: {among(str(device), DEVICES)}, or such as cuda:1")


def _refuse_criterion(run: Run, criterion: str | None) -> None:
    """Refuse a criterion by which the run has no checkpoint, before it is needed."""
    if criterion is None:
        return
    if run.folder is None:
        raise Refusal(f"criterion={criterion} selects one of a run's checkpoints, but {run.path} is a checkpoint")
    criteria = [str(one) for one in (run.config.get("training") or {}).get("criteria") or ()]
    if criterion not in criteria:
        raise Refusal(f"criterion={criterion} was not among those of the run: {among(str(criterion), criteria)}")
