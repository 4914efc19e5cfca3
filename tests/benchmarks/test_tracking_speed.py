"""What tracking=mlflow costs a training loop, against tracking=off, side by side within one run."""

import statistics
import time

import pytest
import torch

from dlgd.tracking.mlflow import MLflow
from dlgd.tracking.off import Off

SECONDS = 3.0  # of one stretch of training; long enough to hold the tracker's usual share of sending
ROUNDS = 9


def seconds_per_step(tracker, every):
    """A small convolutional network trained for SECONDS, four scalars logged at every `every`th step."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3), torch.nn.ReLU(), torch.nn.Conv2d(16, 1, 3))
    optimizer = torch.optim.Adam(network.parameters())
    batch, target = torch.randn(4, 3, 68, 68), torch.randn(4, 1, 64, 64)
    step, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < SECONDS:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.mse_loss(network(batch), target)
        loss.backward()
        optimizer.step()
        step += 1
        if step % every == 0:
            tracker.log({"train/loss": loss.item(), "train/rate": 1e-3, "train/norm": 1.0, "train/speed": 1.0}, step)
    return (time.perf_counter() - begun) / step


def measure(tracker, every):
    tracker.start(name="speed", params={}, tags={})
    seconds = seconds_per_step(tracker, every)
    tracker.finish("FINISHED")
    return seconds


@pytest.mark.bench
@pytest.mark.parametrize(("every", "at_most"), [(1, 1.1), (10, 1.02)])  # 10: training=quick
def test_mlflow_hardly_slows_a_training_loop(tmp_path, every, at_most):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path / "run"

    def with_mlflow():
        # A flush every second, five times as often as the default: each stretch holds its share of them.
        uri = f"sqlite:///{tmp_path}/mlflow.db"
        return measure(MLflow(experiment="speed", folder=folder, uri=uri, flush_seconds=1.0), every)

    def without():
        return measure(Off(experiment="speed", folder=folder), every)

    with_mlflow()  # makes the database
    # Between two stretches without, so that what else the machine does weighs on both sides.
    rounds = [(without(), with_mlflow(), without()) for _ in range(ROUNDS)]
    torch.set_num_threads(threads)
    ratio = statistics.median(2 * on / (before + after) for before, on, after in rounds)
    same = [after / before for before, _, after in rounds]  # would all be 1 on a machine that does nothing else
    noise = statistics.stdev(same) / len(same) ** 0.5
    step_ms = 1e3 * min(before for before, _, _ in rounds)
    print(f"tracking=mlflow against off, 4 scalars every {every} steps of {step_ms:.1f} ms: {ratio:.3f} +- {noise:.3f}")
    assert ratio - noise < at_most
