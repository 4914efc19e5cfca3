"""Numbers depend neither on whether code was compiled or loaded, nor on the number of threads."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlgd.core import threads
from dlgd.core.paths import ROOT

MADE = """
import hashlib, json, sys
import numpy as np
import torch
from dlgd.physics import coastline, grids
from dlgd.physics.length_scales import random_diffusion
from dlgd.physics.integrators import RK4
from dlgd.physics.lorenz import Lorenz63, Lorenz96
from dlgd.physics.normalization import exact, randomization
from dlgd.physics.separable import separable
from dlgd.problems.ssh.data.simulated_sea import SeaOptions, simulate
from tests.configs.config_files import setup
from dlgd import build

found = {}
grid = grids.mercator(36, 48)
operator = random_diffusion(grid, coastline.random_polar_continents(grid, seed=3), np.random.default_rng(0))
found["exact"], found["single precision"] = exact(operator, 1e-6), exact(operator, 1e-4)
found["randomization"] = randomization(operator, 20, np.random.default_rng(1))
found["separable"] = separable(operator)
for system in (Lorenz63(), Lorenz96()):
    for dtype in (torch.float32, torch.float64):
        snapshots = torch.empty(200, 21, system.size, dtype=dtype)
        start = 8 + torch.randn(21, system.size, generator=torch.Generator().manual_seed(0), dtype=dtype)
        system.fill(snapshots, start, 0.01, 3, RK4)
        found[f"{type(system).__name__} {dtype}"] = snapshots.numpy()
found["sea"] = simulate(SeaOptions(years=0.05, days_of_spinup=30, cells=64, size_km=500.0)).ssh.values
digests = {name: hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest() for name, values in found.items()}
for data, task in (("nemovar", None), ("mercator", None), ("ssh", None), ("lorenz63", "assimilate"),
                   ("lorenz96", "forecast")):
    tiny = build.data(setup(data, task)).tiny()
    tiny.prepare()
    digests[f"data={data}"] = tiny.checksum()
print(json.dumps(digests))
"""


def digests(tmp_path: Path, *, compiled_in: Path, count: int) -> dict[str, str]:
    """Make numbers of each kind in a new process, with a data cache of its own."""
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(compiled_in),
        "DLGD_CACHE": str(tmp_path / f"data{len(list(tmp_path.iterdir()))}"),
        "OMP_NUM_THREADS": str(count),
        "NUMBA_NUM_THREADS": str(count),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", MADE], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_compiled_or_loaded_on_one_thread_or_two(tmp_path):
    compiled_in = tmp_path / "compiled"
    compiled_in.mkdir()
    first = digests(tmp_path, compiled_in=compiled_in, count=1)  # compiles
    assert any(compiled_in.rglob("*.nbc"))
    assert digests(tmp_path, compiled_in=compiled_in, count=1) == first
    assert digests(tmp_path, compiled_in=compiled_in, count=2) == first
    again = tmp_path / "again"
    again.mkdir()
    assert digests(tmp_path, compiled_in=again, count=2) == first  # compiles in several threads


def compiled_functions() -> dict[str, tuple[ast.FunctionDef, dict[str, ast.expr]]]:
    """{"path name": (function, options of numba.njit)} of the whole program."""
    found = {}
    for path in sorted((ROOT / "dlgd").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                for one in node.decorator_list:
                    if isinstance(one, ast.Call) and ast.unparse(one.func) == "numba.njit":
                        options = {str(keyword.arg): keyword.value for keyword in one.keywords}
                        found[f"{path.relative_to(ROOT)} {node.name}"] = node, options
    return found


def test_compiled_functions_are_whole():
    """What numba optimizes once more when it is stored, gives other numbers when it is loaded."""
    found = compiled_functions()
    assert len(found) > 10
    fast = {node.name for node, options in found.values() if "fastmath" in options and "inline" not in options}
    for name, (node, options) in found.items():
        assert "parallel" not in options, f"{name}: share the work by dlgd.core.threads instead"
        called = {ast.unparse(one.func) for one in ast.walk(node) if isinstance(one, ast.Call)}
        assert not called & fast, f'{name} calls {", ".join(called & fast)}: give it inline="always"'


@pytest.mark.parametrize("count", [1, 2, 3])
def test_work_is_shared_once(count, monkeypatch):
    monkeypatch.setattr(threads, "threads", lambda: count)
    done = np.zeros(50, int)

    def work(first: int, last: int) -> None:
        done[first:last] += 1

    for size in (0, 1, 2, 50):
        done[:] = 0
        threads.share(work, size)
        assert done.sum() == size
        assert (done[:size] == 1).all()


def test_what_a_thread_raises_is_raised(monkeypatch):
    monkeypatch.setattr(threads, "threads", lambda: 2)

    def work(first: int, last: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        threads.share(work, 10)
