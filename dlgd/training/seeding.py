"""Random numbers that depend on the seed and on the step, and on nothing that happened before.

Before each step the generators are set from (seed, step). So there is no random state to save with a checkpoint, a
resumed training draws the numbers that the uninterrupted one would have drawn, and nothing that happens between two
steps (a validation, a figure) can change the training.
"""

from __future__ import annotations

import random

import numpy as np
import torch

from dlgd.core import checks

TRAINING = 0x747261696E  # "train" in ASCII; keeps these numbers apart from others drawn from the same seed and step


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch (all devices); call it before the network is built.

    Raises Refusal unless the seed is an integer from 0 to 2**32 - 1.
    """
    checks.whole_number("seed", seed, least=0, most=2**32 - 1)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  for libraries that draw from NumPy's global generator
    torch.manual_seed(seed)


def seed_step(seed: int, step: int) -> None:
    """Set PyTorch's generators for one step."""
    number = mixed(seed << 32 | step)
    # torch.manual_seed does this too, but takes 0.16 ms where there is no CUDA, a hundred times as long.
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(number)


def step_rng(seed: int, step: int) -> np.random.Generator:
    """Return a NumPy generator for a step."""
    return np.random.default_rng((TRAINING, seed, step))


def mixed(number: int) -> int:
    """Return another number of 63 bits, each of which depends on all bits of the first: SplitMix64 (Steele, Lea and
    Flood 2014, Fast splittable pseudorandom number generators, figure 17). NumPy's SeedSequence takes ten times as
    long."""
    number = (number + 0x9E3779B97F4A7C15) % 2**64
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    number = (number ^ number >> 27) * 0x94D049BB133111EB % 2**64
    return (number ^ number >> 31) >> 1
