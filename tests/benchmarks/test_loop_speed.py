"""What the loop costs besides the network: one run of it against the barest loop that trains the same weights."""

import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from tests.training.tiny_training import Convolutions, Fields, SquaredError, train

STEPS = 300


def bare_loop(network: Convolutions) -> float:
    """CPU seconds for STEPS steps (of one thread, so that other programs on the machine count little)."""
    stream, loss = Fields(size=32), SquaredError()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    began = time.process_time()
    for step in range(STEPS):
        batch = stream.batch(step)
        total, _ = loss(prediction=network(batch.input).prediction, target=batch.target, mask=batch.mask)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return time.process_time() - began


def whole_loop(network: Convolutions, folder: Path) -> float:
    """CPU seconds for STEPS steps of `fit`, with its records, but with one validation and one checkpoint only."""
    stream = Fields(size=32)
    began = time.process_time()
    train(folder, network=network, stream=stream, steps=STEPS, validate_every=STEPS, clip_norm=1.0, log_every=10)
    return time.process_time() - began


@pytest.mark.bench
def test_the_loop_adds_little_to_a_step(tmp_path):
    torch.set_num_threads(1)
    bare, whole = [], []
    for number in range(5):  # in turns, so that both meet the same machine; the first of each warms up
        bare.append(bare_loop(Convolutions(width=32)))
        whole.append(whole_loop(Convolutions(width=32), tmp_path / str(number)))
    ratio = min(whole[1:]) / min(bare[1:])
    print(f"\na bare step takes {1e3 * min(bare[1:]) / STEPS:.2f} ms; in the loop, {ratio:.3f} times that")
    assert ratio < 1.25
