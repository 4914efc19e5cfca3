"""Which of a set's pictures are for training and which for validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Sizes of the training and the validation split, out of the 60,000 training pictures of MNIST and Fashion-MNIST; the
# official 10,000 test pictures are always the test split. The courses drew their pictures at random: only the sizes can
# be repeated.
PRESETS = {
    "honest": (55_000, 5_000),
    "courses_6000": (6_000, 12_000),
    "courses_48000": (48_000, 12_000),
    "courses_9600": (9_600, 2_400),
}


def stratified(labels: np.ndarray, sizes: Sequence[int], seed: int) -> list[np.ndarray]:
    """Return random disjoint splits of the sizes, as places in `labels` (sample,).

    Each split has the classes in the proportions of the whole, to a sample or two.
    """
    assert sum(sizes) <= len(labels)
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(labels))
    # how far along its own class a sample stands, from 0 to 1: in this order, every stretch is a fair mix
    along = np.empty(len(labels))
    for number in np.unique(labels):
        own = np.flatnonzero(labels[shuffled] == number)
        along[own] = (np.arange(len(own)) + 0.5) / len(own)
    mixed = shuffled[np.argsort(along, kind="stable")]
    ends = np.cumsum(sizes)
    return [mixed[end - size : end] for size, end in zip(sizes, ends, strict=True)]
