"""How long a command takes to answer when there is nothing to do, against what a careless import would cost."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest


def best_of(command: list[str], tries: int = 3) -> float:
    """Seconds."""
    times = []
    for _ in range(tries):
        begun = time.perf_counter()
        subprocess.run(command, capture_output=True, check=False)
        times.append(time.perf_counter() - begun)
    return min(times)


@pytest.mark.bench
def test_help_and_refusals_answer_before_torch_could_be_imported(tmp_path):
    torch = best_of([sys.executable, "-c", "import torch, mlflow, xarray"])
    ratios = {}
    for words in (["--help"], ["model=resnt"]):
        seconds = best_of([sys.executable, "-m", "dlgd.train", *words])
        ratios[words[0]] = seconds / torch
        print(f"dlgd.train {words[0]}: {seconds:.2f} s, {seconds / torch:.2f} of importing torch, mlflow and xarray")
    assert max(ratios.values()) < 0.4


@pytest.mark.bench
def test_importing_the_package_takes_a_tenth_of_importing_torch():
    """What a notebook's first line costs; PyTorch comes with the first training."""
    nothing = best_of([sys.executable, "-c", "pass"])
    ours, torch = (best_of([sys.executable, "-c", f"import {name}"]) - nothing for name in ("dlgd", "torch"))
    print(f"import dlgd: {ours:.3f} s, {ours / torch:.3f} of importing torch")
    assert ours < 0.1 * torch
