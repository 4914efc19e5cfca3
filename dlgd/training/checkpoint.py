"""A training on disk: tensors and plain containers in one file, which is complete or absent."""

from __future__ import annotations

import copy
import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dlgd.core import trust
from dlgd.core.config import check_parts
from dlgd.core.errors import Refusal
from dlgd.core.files import written_whole
from dlgd.training import checkpoint_file


@dataclass
class State:
    """Everything a training carries from one step to the next, besides weights and optimizers."""

    step: int = 0  # optimizer steps finished
    seconds: float = 0.0  # spent so far, validations included
    validated: int = 0  # the step of the last validation
    stale: int = 0  # validations since the first criterion was at its best
    best: dict[str, float] = field(default_factory=dict)  # best score so far, by criterion
    history: list[dict[str, float]] = field(default_factory=list)  # one row per record, with its step
    unread: dict[str, list[float]] = field(default_factory=dict)  # [sum, batches] of the losses since the last record
    threads: int = 0  # on which the CPU has trained last; 0: on a GPU, or not known


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A training between two steps. There are no random states: a step draws its own from seed and step."""

    weights: dict[str, Tensor]
    averaged: dict[str, Tensor] | None  # moving average of the weights, where there is one
    optimizers: dict[str, dict[str, Any]]  # by player: the optimizer's `kind` and `state`
    state: State
    config: dict[str, Any]
    path: Path | None = None  # where it was read


def last_path(folder: Path) -> Path:
    """Return the path of a run folder's newest checkpoint: the one to resume from."""
    return folder / "checkpoints" / "last.pt"


def best_path(folder: Path, criterion: str) -> Path:
    """Return the path of a run folder's checkpoint with the best validation score of this name: the one to evaluate."""
    return folder / "checkpoints" / f"best_{criterion}.pt"


def capture(
    *,
    network: nn.Module,
    average: nn.Module | None,
    optimizers: Mapping[str, Optimizer],
    state: State,
    config: Mapping[str, Any],
) -> Checkpoint:
    """Return the training as it stands. Nothing is copied: save it before the next step."""
    return Checkpoint(
        weights=dict(network.state_dict()),
        averaged=None if average is None else dict(average.state_dict()),
        # Not the learning rates and other options: a resumed training takes them from its own config.
        optimizers={
            player: {"kind": type(optimizer).__name__, "state": optimizer.state_dict()["state"]}
            for player, optimizer in optimizers.items()
        },
        state=state,
        config=dict(config),
    )


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write the file beside its place, then move it there, so that an interruption leaves the former one.

    Raises Refusal where it cannot be written; the former file is then untouched.
    """
    content = {f.name: getattr(checkpoint, f.name) for f in fields(checkpoint) if f.name != "path"}
    content |= {
        "format": checkpoint_file.FORMAT,
        "state": json.dumps(asdict(checkpoint.state)),
        "config": json.dumps(checkpoint.config),
    }
    in_memory = io.BytesIO()  # torch.save hides the reason when a disk is full
    torch.save(content, in_memory)
    try:
        with written_whole(path) as partial:
            partial.write_bytes(in_memory.getbuffer())
    except OSError as error:
        before, then = (" and is as it was before", ", and resume from it") if path.exists() else ("", "")
        raise Refusal(
            f"{path} could not be written ({error.strerror}){before}: free some space or choose another folder{then}."
        ) from error


def load(path: Path) -> Checkpoint:
    """Read a checkpoint, with its tensors on the CPU, without running any code from it.

    Raises Refusal where the file is missing, damaged, of a later version or something else, or where its configuration
    names what is not to be trusted. Weights in half precision, of a file that is to be small, become float32.
    """
    content = checkpoint_file.read(path)
    check_parts(content["config"], path)
    content["weights"] = {
        name: tensor.float() if tensor.dtype == torch.float16 else tensor for name, tensor in content["weights"].items()
    }
    content |= {"state": State(**content["state"]), "config": trust.loaded(content["config"], path)}
    return Checkpoint(**content, path=path)


def restore(network: nn.Module, checkpoint: Checkpoint, *, averaged: bool = True) -> None:
    """Give a network the weights that were validated: the moving average where there is one, else the last.

    With averaged=False, always the last. Raises Refusal where the checkpoint is another network's, or has weights that
    are not finite.
    """
    weights = checkpoint.averaged if averaged and checkpoint.averaged is not None else checkpoint.weights
    expected = network.state_dict()
    wrong = _first_difference(expected=expected, found=weights)
    if wrong is not None:
        raise Refusal(
            f"{checkpoint.path or 'The checkpoint'} is of another network ({wrong}): "
            "give the model and data options that it was trained with."
        )
    refuse_not_finite(expected=expected, found=weights, path=checkpoint.path)
    network.load_state_dict(weights)


def refuse_not_finite(*, expected: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path | None) -> None:
    """Refuse weights with NaN or infinite values where those of a new network, `expected`, have none.

    dlgd saves no such weights; a file that was changed, or that another program wrote, may have them.
    """
    for name, tensor in found.items():
        if not torch.isfinite(tensor).all() and torch.isfinite(expected[name]).all():
            others = [] if path is None else sorted(one.name for one in path.parent.glob("best_*.pt") if one != path)
            instead = f"such as {others[0]} beside it" if others else "such as a best_*.pt"
            raise Refusal(
                f"{path or 'The checkpoint'} has weights that are not finite ({name}), of a training that diverged or "
                f"a file that is damaged: use another one, {instead}, in a new run with init_from=<that file>, and a "
                "smaller optimizer.lr if it diverges again."
            )


def restore_optimizers(optimizers: Mapping[str, Optimizer], checkpoint: Checkpoint) -> None:
    """Give the optimizers their moments back; learning rates and other options stay as they are now.

    Raises Refusal where the checkpoint was made with other optimizers, or for other weights.
    """
    now = {player: type(optimizer).__name__ for player, optimizer in optimizers.items()}
    then = {player: saved["kind"] for player, saved in checkpoint.optimizers.items()}
    if now != then:
        raise Refusal(
            f"{checkpoint.path or 'The checkpoint'} was trained with {_named(then)} but is resumed with {_named(now)}: "
            f"choose the former optimizer."
        )
    for player, optimizer in optimizers.items():
        # A copy, because an optimizer goes on writing into the tensors that it is given.
        state = copy.deepcopy(checkpoint.optimizers[player]["state"])
        wrong = _first_misfit(optimizer, state)
        if wrong is not None:
            raise Refusal(
                f"{checkpoint.path or 'The checkpoint'} has a state of the optimizer ({player}) that does not fit its "
                f"weights ({wrong}): resume with the model and `freeze` of that run, or begin a new one with init_from."
            )
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _named(kinds: Mapping[str, str]) -> str:
    return " and ".join(f"{kind} ({player})" for player, kind in kinds.items())


def _first_difference(*, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str | None:
    """Return the first difference in words, or None where names and shapes are the same."""
    for name, tensor in expected.items():
        if name not in found:
            return f"it lacks {name}"
        if found[name].shape != tensor.shape:
            return f"its {name} is {tuple(found[name].shape)}, not {tuple(tensor.shape)}"
        if found[name].dtype != tensor.dtype:
            return f"its {name} is {_short(found[name].dtype)}, not {_short(tensor.dtype)}"
    for name in found:
        if name not in expected:
            return f"its {name} is unknown here"
    return None


def _short(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")


# What the optimizers of conf/optimizer keep of a weight: numbers, and tensors of its shape.
MOMENTS: dict[type[Optimizer], tuple[str, ...]] = {
    torch.optim.Adam: ("step", "exp_avg", "exp_avg_sq"),
    torch.optim.AdamW: ("step", "exp_avg", "exp_avg_sq"),
    torch.optim.SGD: (),
}


def _first_misfit(optimizer: Optimizer, state: Mapping[Any, Any]) -> str | None:
    """Return the first part of an optimizer's state that does not fit its weights, in words.

    What an optimizer keeps of a weight is known of those in MOMENTS; that of others is only held to be a mapping.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    needed = MOMENTS.get(type(optimizer))
    for number, kept in state.items():
        if needed is not None and (not isinstance(number, int) or not 0 <= number < len(weights)):
            return f"it is of weight {number}, of {len(weights)}"
        if not isinstance(kept, Mapping):
            return f"that of weight {number} is no mapping"
        if needed is None:
            continue
        lacking = [name for name in needed if not isinstance(kept.get(name), Tensor)]
        if lacking:
            return f"weight {number} lacks {lacking[0]}"
        for name, value in kept.items():
            shapes = [()] if name == "step" else [weights[number].shape]
            if isinstance(value, Tensor) and (value.shape not in shapes or value.is_complex()):
                return f"{name} of weight {number} is {tuple(value.shape)}, not {tuple(shapes[0])}"
        if "step" in needed and not 0 <= float(kept["step"]) < math.inf:
            return f"step of weight {number} is {float(kept['step']):g}"
    return None
