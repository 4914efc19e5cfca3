"""Random numbers that depend on the seed and on the step, and on nothing that happened before.

Before each step the generators are set anew from (seed, step). So there is no random state to save with a
checkpoint, a resumed training draws the numbers that the uninterrupted one would have drawn, and nothing
that happens between two steps (a validation, a figure) can change the training.
"""

from __future__ import annotations

import random

import numpy as np
import torch

from dlgd.settings import Refusal

TRAINING = 0x747261696E  # "train" in ASCII; keeps these numbers apart from others drawn from the same seed and step


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch (all devices); call it before the network is built.

    Raises Refusal unless the seed is an integer from 0 to 2**32 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise Refusal(f"seed is {seed!r}: give a whole number from 0 to {2**32 - 1}.")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  for libraries that draw from NumPy's global generator
    torch.manual_seed(seed)


def seed_step(seed: int, step: int) -> np.random.Generator:
    """Set PyTorch's generators for one step, and give a NumPy generator for the same step."""
    rng = np.random.default_rng((TRAINING, seed, step))
    number = int(rng.integers(2**63))
    # torch.manual_seed does this too, but takes 0.16 ms where there is no CUDA, a hundred times as long.
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(number)
    return rng
