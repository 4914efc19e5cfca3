"""A moving average of a network's weights, often better than the last ones."""

from __future__ import annotations

import copy
from itertools import chain

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from dlgd.core.contract import Network


class MovingAverage:
    """average = decay * average + (1 - decay) * weights after every step, buffers included.

    Over the first steps the decay is (1 + step) / (10 + step) if that is smaller, so that the random
    weights of the beginning are soon forgotten (as in TensorFlow's ExponentialMovingAverage). Unlike
    PyTorch's AveragedModel it counts no steps of its own: nothing to save, nothing for a GPU to wait for.

    decay: share of the average that stays at each step, such as 0.999 for about the last 1,000 steps.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: Network, *, step: int) -> None:
        """Blend in the weights after this step (0, 1, 2, ...); whole numbers, such as counts, are copied."""
        averages, weights = [], []
        for average, weight in zip(_tensors(self.network), _tensors(network), strict=True):
            if average.is_floating_point():
                averages.append(average)
                weights.append(weight)
            else:
                average.copy_(weight)
        blend = get_ema_multi_avg_fn(min(self.decay, (1 + step) / (10 + step)))
        blend(averages, weights, None)


def _tensors(network: Network) -> chain[torch.Tensor]:
    return chain(network.parameters(), network.buffers())
