"""The loss as a function of a network's weights, on a plane that one can draw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from dlgd.core.contract import Batch, Loss, Network


def losses_at(network: Network, batches: Sequence[Batch], loss: Loss, weights: Iterable[Tensor]) -> np.ndarray:
    """Return the loss, a mean over all samples, for each of n vectors of weights (weights,): (n,).

    The network is in eval mode meanwhile; its own weights and its mode are as before at the end. Raises ValueError for
    a vector of another length, and where there are no samples.
    """
    batches = list(batches)
    if not sum(map(len, batches)):
        raise ValueError("a loss needs samples")
    own, mode = parameters_to_vector(network.parameters()).detach().clone(), network.training
    network.eval()
    try:
        with torch.no_grad():
            return np.array([_mean_loss(network, batches, loss, row) for row in weights])
    finally:
        vector_to_parameters(own, network.parameters())
        network.train(mode)


def _mean_loss(network: Network, batches: Sequence[Batch], loss: Loss, weights: Tensor) -> float:
    wanted = sum(parameter.numel() for parameter in network.parameters())
    if weights.shape != (wanted,):
        raise ValueError(f"{type(network).__name__} has {wanted} weights, not {tuple(weights.shape)}")
    vector_to_parameters(weights, network.parameters())
    total = 0.0
    for batch in batches:
        output = network(batch.input)
        value, _ = loss(prediction=output.prediction, target=batch.target, mask=batch.mask)
        total += float(sum(output.terms.values(), value)) * len(batch)
    return total / sum(map(len, batches))


def loss_on_plane(
    network: Network,
    batches: Sequence[Batch],
    loss: Loss,
    *,
    origin: Tensor,
    directions: Tensor,
    first: np.ndarray,
    second: np.ndarray,
) -> np.ndarray:
    """Return the loss at origin + a * directions[0] + b * directions[1], for a in `first` and b in `second`:
    (len(second), len(first)), as contour plots take it.

    origin: (weights,). directions: (2, weights).
    """
    b, a = np.meshgrid(second, first, indexing="ij")
    places = torch.as_tensor(np.stack([a.ravel(), b.ravel()], axis=1)).to(directions)
    losses = losses_at(network, batches, loss, (origin + place @ directions for place in places))  # one at a time
    return losses.reshape(a.shape)


def main_directions(path: Tensor) -> tuple[Tensor, np.ndarray]:
    """Return the plane that holds most of a path of weights (n, weights) around its last row.

    That is the two first principal directions of the rows minus the last one (Li et al. 2018, Visualizing the loss
    landscape of neural nets, section 7): (2, weights), of length 1; and the share of the path's squared length along
    each of the two. Raises ValueError for a path that spans no plane.
    """
    if len(path) < 3 or path.shape[1] < 2 or torch.equal(path, path[-1:].expand_as(path)):
        raise ValueError("a plane needs a path of three places or more, which are not all the same, and two weights")
    _, lengths, directions = torch.linalg.svd((path - path[-1]).double(), full_matrices=False)
    shares = lengths**2 / (lengths**2).sum()
    return directions[:2].to(path), shares[:2].numpy()


def in_plane(path: Tensor, *, origin: Tensor, directions: Tensor) -> np.ndarray:
    """Return the coordinates (n, 2) of weights (n, weights) on a plane of orthonormal directions (2, weights)."""
    return ((path - origin) @ directions.T).numpy()
