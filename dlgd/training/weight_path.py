"""The path of a network's weights in a small training, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector
from torch.optim import Optimizer

from dlgd.core.contract import Batch, Loss, Network
from dlgd.training.budget import Budget
from dlgd.training.loop import set_learning_rates
from dlgd.training.schedulers import Constant, Scheduler
from dlgd.training.seeding import step_rng


def weight_path(
    network: Network,
    samples: Batch,
    loss: Loss,
    *,
    optimizer: Optimizer,
    steps: int,
    batch_size: int | None = None,
    scheduler: Scheduler | None = None,
    seed: int = 0,
) -> Tensor:
    """Train a network with one player, in memory, and return its weights before the first and after each step,
    (steps + 1, weights).

    Neither files nor records are written: for networks of few weights, whose training one wants to draw.

    samples: all training samples.
    batch_size: samples in a batch, drawn without replacement; those left over at the end of an epoch are dropped. None
        for all of them, the full gradient.
    optimizer: of the parameters of this network. steps: 0 or more.
    scheduler: of the learning rate; None for a constant one.
    """
    trained = {id(one) for group in optimizer.param_groups for one in group["params"]}
    if steps < 0 or trained != {id(one) for one in network.parameters()}:
        raise ValueError(f"{steps} steps must be 0 or more, and the optimizer that of all parameters of the network")
    count = len(samples)
    size = count if batch_size is None else batch_size
    if not 1 <= size <= count:
        raise ValueError(f"a batch must have 1 to {count} samples, not {size}")
    scheduler = Constant() if scheduler is None else scheduler
    budget = Budget(steps=steps, epochs=None, minutes=None, steps_per_epoch=count // size)
    path = [_weights(network)]
    batches = _batches(samples, size, seed)
    network.train()
    for step in range(steps):
        set_learning_rates({"network": optimizer}, scheduler.factor(budget.moment(step=step, seconds=0.0)))
        optimizer.zero_grad(set_to_none=True)
        ((_, total, _),) = network.objectives(next(batches), loss)
        total.backward()
        optimizer.step()
        path.append(_weights(network))
    return torch.stack(path)


def _weights(network: Network) -> Tensor:
    return parameters_to_vector(network.parameters()).detach().clone()


def _batches(samples: Batch, size: int, seed: int) -> Iterator[Batch]:
    """Yield batches for ever; the order of an epoch depends on the seed and the epoch."""
    epoch = 0
    while size == len(samples):
        yield samples
    while True:
        order = torch.as_tensor(step_rng(seed, epoch).permutation(len(samples)))
        for first in range(0, len(samples) - size + 1, size):
            yield chosen(samples, order[first : first + size])
        epoch += 1


def chosen(samples: Batch, places: Tensor) -> Batch:
    """Return the samples at these places, (B,) int64."""
    values = {one.name: getattr(samples, one.name) for one in fields(samples)}
    return replace(samples, **{name: value[places] for name, value in values.items() if value is not None})
