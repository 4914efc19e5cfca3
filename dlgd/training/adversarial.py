"""Inputs that are changed a little so that a network errs: the fast gradient sign method, Goodfellow, Shlens and
Szegedy 2015, Explaining and harnessing adversarial examples."""

from __future__ import annotations

from dataclasses import replace

import torch

from dlgd.core.contract import Batch, Loss, Network


def fast_gradient_sign(network: Network, batch: Batch, loss: Loss, *, size: float) -> Batch:
    """Return the batch with each number of its input moved by `size` in the direction in which the loss J grows.

    input + size * sign(dJ / dinput), within the range that each channel has in this batch: pictures stay pictures. The
    network stays in its mode (in that of training, batch normalization counts the batch), and its weights get no
    gradient.

    size: in the units of the input as a network sees it, 0 or more.
    """
    if not size >= 0:
        raise ValueError(f"the size of a change must be 0 or more, not {size}")
    input = batch.input.detach().requires_grad_()
    with torch.enable_grad():
        output = network(input)
        total, _ = loss(prediction=output.prediction, target=batch.target, mask=batch.mask)
        for term in output.terms.values():
            total = total + term
        (gradient,) = torch.autograd.grad(total, input)
    axes = (0, *range(2, input.ndim))  # all but that of channels
    low, high = (find(batch.input, dim=axes, keepdim=True) for find in (torch.amin, torch.amax))
    return replace(batch, input=torch.clamp(batch.input + size * gradient.sign(), low, high))


def gradient_signs(network: Network, batch: Batch, loss: Loss, *, size: float, steps: int) -> Batch:
    """Return the batch after several smaller steps of `fast_gradient_sign`, held within `size` of the given input.

    The basic iterative method of Kurakin, Goodfellow and Bengio 2017, with steps of 2 * size / steps; a single step is
    that of `fast_gradient_sign`.

    size: as there. steps: 1 or more.
    """
    if steps < 1:
        raise ValueError(f"{steps} steps must be 1 or more")
    changed, low, high = batch, batch.input - size, batch.input + size
    for _ in range(steps):
        changed = fast_gradient_sign(network, changed, loss, size=2 * size / steps)
        changed = replace(changed, input=changed.input.clamp(low, high))
    return changed
