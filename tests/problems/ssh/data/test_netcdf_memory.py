"""The memory that data=ssh_netcdf takes for a year of maps of an ocean basin."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from dlgd.core.paths import ROOT

A_YEAR = """
import resource, sys
from tests.problems.ssh.data.sea_files import source
data = source(sys.argv[1], patch=64, margin=15, days=9)
data.prepare()
stream = data.stream(halo=8, batch_size=4, seed=0, device="cpu")
stream.batch(0)
for batch in data.encode(data.samples("valid").isel(sample=slice(0, 8)), halo=8, device="cpu"):
    assert batch.target.shape[1:] == (9, 240, 240)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.slow
def test_a_year_of_240_by_240_cells_takes_less_than_four_gib(tmp_path):
    rng, shape = np.random.default_rng(0), (366, 240, 240)
    ssh = rng.normal(0, 0.3, shape).astype(np.float32)
    axes = {
        "time": np.datetime64("2012-10-01", "ns") + np.arange(366) * np.timedelta64(1, "D"),
        "lat": 32 + 0.05 * np.arange(240),
        "lon": -66 + 0.05 * np.arange(240),
    }
    observations = np.where(rng.random(shape, dtype=np.float32) < 0.05, ssh, np.nan)
    maps = {"ssh": (tuple(axes), ssh), "nadir_obs": (tuple(axes), observations)}
    xr.Dataset(maps, axes).to_netcdf(tmp_path / "natl_gf_w_5nadirs.nc")
    command = [sys.executable, "-c", A_YEAR, str(tmp_path / "natl_gf_w_5nadirs.nc")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 4.0, f"{done.stdout} GiB"
