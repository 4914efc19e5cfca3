"""Fine-tuning: begin with the weights of another network, hold some of them, let the others change slowly."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.training import checkpoint

log = logging.getLogger(__name__)


def groups(
    player: nn.Module, *, network: nn.Module, given: Sequence[str], lr: float, rate: float
) -> list[dict[str, Any]]:
    """The weights of a player that are trained, as groups of an optimizer: those that were `given` (names in the
    network) learn with rate * lr, the others with lr.

    Raises Refusal for a rate that is not above 0 and at most 1.
    """
    checks.number("init_lr_scale", rate, above=0, most=1, hint="freeze=<names> holds weights")
    slow = {id(weight) for name, weight in network.named_parameters() if name in given}
    trained = [weight for weight in player.parameters() if weight.requires_grad]
    fast_and_slow = [
        {"params": [weight for weight in trained if id(weight) not in slow], "lr": lr},
        {"params": [weight for weight in trained if id(weight) in slow], "lr": rate * lr},
    ]
    return [group for group in fast_and_slow if group["params"]]


def take_over(network: nn.Module, file: Path) -> tuple[str, ...]:
    """Give a network what fits of a checkpoint, by name and shape, and say what was taken and what was not.

    Returns the names of the weights that now hold other values. Raises Refusal where nothing fits.
    """
    found = checkpoint.load(file)
    source = found.weights if found.averaged is None else found.averaged
    own = network.state_dict()
    fits = {name: tensor for name, tensor in source.items() if name in own and own[name].shape == tensor.shape}
    weights = [name for name, _ in network.named_parameters()]
    taken = tuple(name for name in weights if name in fits)
    if not taken:
        raise Refusal(f"init_from: nothing in {file} fits this network: give the model's options of that run")
    network.load_state_dict(fits, strict=False)
    log.info("Taken over from %s: %s", file, in_short(taken))
    log.info("Left as drawn: %s", in_short([name for name in weights if name not in fits]) or "nothing")
    return taken


def hold(network: nn.Module, names: Sequence[str]) -> None:
    """Keep the weights whose names begin so as they are, and the running means of batch normalizations among them.

    Raises Refusal where a name is none of the network's, or where nothing is left to be trained.
    """
    for name in names:
        chosen = [weight for own, weight in network.named_parameters() if begins(own, name)]
        if not chosen:
            raise Refusal(
                f"freeze={name} is no part of the network: choose among {', '.join(parts(network))}, or longer names"
            )
        for weight in chosen:
            weight.requires_grad_(False)
        for own, module in network.named_modules():
            if isinstance(module, _BatchNorm) and begins(own, name):
                module.momentum = 0.0
    if not any(weight.requires_grad for weight in network.parameters()):
        raise Refusal(f"freeze={','.join(names)} leaves nothing to be trained: name fewer parts")


def begins(name: str, start: str) -> bool:
    """Whether a dotted name lies in the part called `start`."""
    return name == start or name.startswith(f"{start}.")


def parts(network: nn.Module) -> list[str]:
    """The first names of the network's weights."""
    return list(dict.fromkeys(name.split(".")[0] for name, _ in network.named_parameters()))


def in_short(names: Iterable[str]) -> str:
    """Names joined, without the last word: layers.0.weight and layers.0.bias are layers.0."""
    return ", ".join(dict.fromkeys(name.rpartition(".")[0] or name for name in names))
