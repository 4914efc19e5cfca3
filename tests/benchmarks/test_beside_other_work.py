"""Training beside busy processes: threads of OpenMP that wait briefly and then sleep, as the commands let them, against
the usual ones."""

import os
import subprocess
import sys
import time

import pytest

from dlgd.core.threads import SPINS, cores

STEPS = """
import time, torch
from torch import nn
torch.manual_seed(0)
layers = [nn.Conv2d(16 if n else 4, 16, 3, padding=1) for n in range(10)]
network = nn.Sequential(*[part for layer in layers for part in (layer, nn.ELU())])
x = torch.randn(4, 4, 64, 64)
def step():
    network.zero_grad(); network(x).square().mean().backward()
for _ in range(5): step()
began, count = time.perf_counter(), 0
while time.perf_counter() - began < 8: step(); count += 1
print(count)
"""


def steps(**environment: str) -> int:
    """Steps in eight seconds, with as many threads as there are cores."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", STEPS], env=kept | environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.bench
@pytest.mark.skipif(cores() < 2, reason="one core has no threads that wait for one another")
def test_waiting_briefly_pays_beside_busy_processes():
    settings = {"usual": {}, "brief": {"GOMP_SPINCOUNT": SPINS}}
    quiet = {name: steps(**setting) for name, setting in settings.items()}
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * cores())]
    try:
        time.sleep(1)
        beside = {name: steps(**setting) for name, setting in settings.items()}
    finally:
        for process in busy:
            process.kill()
            process.wait()
    print(
        f"\nwaiting briefly: {quiet['brief'] / quiet['usual']:.2f} times the steps on a quiet machine, "
        f"{beside['brief'] / beside['usual']:.2f} times beside two busy processes a core"
    )
    assert beside["brief"] > beside["usual"]
