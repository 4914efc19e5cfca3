"""The mirror image of Lorenz-63: the equations allow it, and a mirrored batch is that of mirrored samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlgd.core.errors import Refusal
from dlgd.physics.integrators import trajectory
from dlgd.physics.lorenz import MIRROR, Lorenz63
from dlgd.problems.lorenz.augmentation import MirroredLorenz63
from tests.problems.lorenz.data.lorenz_data import encoded, small


class Always:
    """Draws below one half: everything is mirrored."""

    def random(self, count):
        return np.zeros(count)


def test_the_equations_allow_it():
    start, sign = torch.tensor([3.0, -4.0, 25.0], dtype=torch.float64), torch.tensor(MIRROR, dtype=torch.float64)
    path = trajectory(Lorenz63(), start, 0.01, 300)
    torch.testing.assert_close(trajectory(Lorenz63(), sign * start, 0.01, 300), sign * path)


@pytest.mark.parametrize("task", ["assimilate", "forecast"])
def test_a_mirrored_batch_is_that_of_mirrored_samples(task):
    source = small(task=task)
    samples = source.samples("test")
    batch = encoded(source)
    mirrored = MirroredLorenz63(spec=source.spec)(batch, Always())
    (expected,) = source.encode(samples * np.array(MIRROR), halo=0, device="cpu")
    assert torch.equal(mirrored.mask, batch.mask)
    torch.testing.assert_close(mirrored.target, expected.target, rtol=0, atol=1e-6)
    # the first guess of a variable that is never observed is its mean, which has no mirror image
    same = [n for n, name in enumerate(source.spec.input_channels) if name not in ("first_guess_y", "first_guess_z")]
    torch.testing.assert_close(mirrored.input[:, same], expected.input[:, same], rtol=0, atol=1e-6)


def test_half_of_the_samples_are_mirrored():
    source = small()
    batch = encoded(source, "train")
    changed = MirroredLorenz63(spec=source.spec)(batch, np.random.default_rng(0))
    mirrored = (changed.target != batch.target).flatten(1).any(1)
    assert 8 <= int(mirrored.sum()) <= 22  # of 30
    assert torch.equal(changed.input[~mirrored], batch.input[~mirrored])


def test_other_systems_are_refused():
    with pytest.raises(Refusal, match=r"mirrored_lorenz63 is for the system of 1963.*lorenz96"):
        MirroredLorenz63(spec=small("lorenz96").spec)
