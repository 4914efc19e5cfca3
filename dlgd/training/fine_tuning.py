"""Fine-tuning: begin with the weights of another network, freeze some of them, and let the others change slowly."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.training import checkpoint

log = logging.getLogger(__name__)


def groups(
    player: nn.Module, *, network: nn.Module, loaded: Sequence[str], lr: float, scale: float
) -> list[dict[str, Any]]:
    """Return the weights of a player that are trained, as groups of an optimizer: those that were `loaded` (names in
    the network) learn with scale * lr, the others with lr.

    Raises Refusal for a scale that is not above 0 and at most 1.
    """
    checks.number("init_lr_scale", scale, above=0, most=1, hint="freeze=<names> keeps weights as they are")
    slow = {id(weight) for name, weight in network.named_parameters() if name in loaded}
    trained = [weight for weight in player.parameters() if weight.requires_grad]
    fast_and_slow = [
        {"params": [weight for weight in trained if id(weight) not in slow], "lr": lr},
        {"params": [weight for weight in trained if id(weight) in slow], "lr": scale * lr},
    ]
    return [group for group in fast_and_slow if group["params"]]


def load_fitting(network: nn.Module, file: Path) -> tuple[str, ...]:
    """Load into a network those weights of a checkpoint that fit by name and shape, and log which do and which do not.

    Returns the names of the loaded weights. Raises Refusal where nothing fits, or what fits is not finite.
    """
    found = checkpoint.load(file)
    source = found.weights if found.averaged is None else found.averaged
    own = network.state_dict()
    fits = {name: tensor for name, tensor in source.items() if name in own and _alike(own[name], tensor)}
    weights = [name for name, _ in network.named_parameters()]
    loaded = tuple(name for name in weights if name in fits)
    if not loaded:
        raise Refusal(f"init_from: nothing in {file} fits this network: give the model's options of that run")
    checkpoint.refuse_not_finite(expected=own, found=fits, path=file)
    network.load_state_dict(fits, strict=False)
    others = [name for name in weights if name not in fits]
    log.info("Loaded from %s: %s", file, in_short(loaded, others))
    log.info("Left at random: %s", in_short(others, loaded) or "nothing")
    return loaded


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype


def freeze(network: nn.Module, names: Sequence[str]) -> None:
    """Keep the weights in the parts of these names as they are, running means of batch normalizations included.

    Raises Refusal where a name is none of the network's, or where nothing is left to be trained.
    """
    checks.names("freeze", names, example="[layers.0]", empty=True)
    for name in names:
        frozen = [weight for own, weight in network.named_parameters() if begins(own, name)]
        if not frozen:
            raise Refusal(
                f"freeze={name} is not a part of the network: choose among {', '.join(part_names(network))}, "
                "or longer names"
            )
        for weight in frozen:
            weight.requires_grad_(False)
        for own, module in network.named_modules():
            if isinstance(module, _BatchNorm) and begins(own, name):
                module.momentum = 0.0
    if not any(weight.requires_grad for weight in network.parameters()):
        raise Refusal(f"freeze={','.join(names)} leaves nothing to be trained: name fewer parts")


def begins(name: str, start: str) -> bool:
    """Return whether a dotted name lies in the part called `start`."""
    return name == start or name.startswith(f"{start}.")


def part_names(network: nn.Module) -> list[str]:
    """Return the names of the network's parts: the first words of its weights' names."""
    return list(dict.fromkeys(name.split(".")[0] for name, _ in network.named_parameters()))


def in_short(names: Iterable[str], others: Iterable[str] = ()) -> str:
    """Return the names joined, without their last words: layers.0.weight and layers.0.bias become layers.0. They stay
    whole where `others` have names of the same module."""
    divided = {name.rpartition(".")[0] for name in others}
    modules = {name: name.rpartition(".")[0] for name in names}
    return ", ".join(dict.fromkeys(name if module in divided else module or name for name, module in modules.items()))
