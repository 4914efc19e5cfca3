"""Files on which the NetCDF library hangs or crashes are refused, and cost nothing but the time of waiting."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray as xr

from dlgd.core import cache, netcdf, netcdf_trial
from dlgd.core.errors import Refusal

# 8 kB of HDF5 with some bytes changed, on which HDF5 1.14 goes on for ever
HANGING = Path(__file__).parent / "hanging.nc"

STRANGE = """
import json, os, sys, time
print("ready", flush=True)
for line in sys.stdin:
    path = json.loads(line)[1]
    if path.endswith("crash.nc"):
        os._exit(11)
    print("opened", flush=True)
"""


@pytest.fixture(autouse=True)
def a_helper_of_its_own(monkeypatch):
    netcdf_trial._stop()
    monkeypatch.setattr(netcdf_trial, "OPENS_WITHIN", 2)
    yield
    netcdf_trial._stop()


@pytest.fixture
def healthy(tmp_path) -> Path:
    xr.Dataset({"a": ("x", [1.0, 2.0])}).to_netcdf(tmp_path / "healthy.nc")
    return tmp_path / "healthy.nc"


@pytest.mark.timeout(60)
def test_a_file_that_hangs_is_refused(healthy):
    with pytest.raises(Refusal) as refused:
        netcdf.read(HANGING)
    assert str(HANGING) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert netcdf.read(healthy).a.values.tolist() == [1, 2], "what comes after is read"


@pytest.mark.timeout(60)
def test_one_in_a_cache_is_made_again(tmp_path):
    path = tmp_path / "sample.nc"
    path.write_bytes(HANGING.read_bytes())
    assert cache.get(path, lambda: xr.Dataset({"a": ("x", [3.0])})).a.values.tolist() == [3]
    assert cache.read(path) is not None


def test_a_crash_is_survived(monkeypatch, healthy, tmp_path):
    monkeypatch.setattr(netcdf_trial, "_HELPER", STRANGE)
    assert netcdf_trial.survived(healthy)
    assert not netcdf_trial.survived(tmp_path / "crash.nc")
    assert netcdf_trial.survived(healthy), "a new helper"
    with pytest.raises(Refusal, match="hangs or crashes on it: make it again"):
        netcdf.refuse_damaged(tmp_path / "crash.nc")


def test_without_a_helper_files_are_read(monkeypatch, healthy):
    monkeypatch.setattr(netcdf_trial, "_HELPER", "raise SystemExit(1)")
    assert netcdf_trial.survived(healthy)
    assert netcdf.read(healthy).a.values.tolist() == [1, 2]


def test_one_helper_serves_all_files_and_ends_with_its_process(healthy):
    netcdf.read(healthy)
    first = netcdf_trial._helper
    netcdf.read(healthy)
    assert netcdf_trial._helper is first
    program = (
        "import sys; from pathlib import Path; from dlgd.core import netcdf, netcdf_trial\n"
        "netcdf.read(Path(sys.argv[1])); print(netcdf_trial._helper[1].pid)"
    )
    done = subprocess.run([sys.executable, "-c", program, healthy], capture_output=True, text=True, check=True)
    assert _is_gone(int(done.stdout))
    killed = subprocess.Popen(
        [sys.executable, "-c", program + "\nsys.stdout.flush(); import time; time.sleep(60)", healthy],
        stdout=subprocess.PIPE,
        text=True,
    )
    helper = int(killed.stdout.readline())
    killed.kill()
    killed.wait()
    killed.stdout.close()
    assert _is_gone(helper), "also after kill -9"


def _is_gone(number: int) -> bool:
    """Whether a process ends within some seconds."""
    for _ in range(100):
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return True
        if (Path("/proc") / str(number) / "stat").read_text().split()[2] == "Z":  # whose parent does not wait for it
            return True
        time.sleep(0.1)
    return False
