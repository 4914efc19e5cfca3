"""Days of a made sea, with tracks over it, for the tests of its scores and figures."""

import numpy as np
import xarray as xr

from dlgd.problems.ssh.scores.evaluation import SshEvaluation

DAYS, ROWS, COLUMNS = 12, 20, 24


def evaluation(**options):
    """With the options of conf/evaluation/ssh.yaml."""
    usual = {"box": None, "spectra": True, "spectral_box": None, "segment_km": 300.0, "animation": False}
    return SshEvaluation(**(usual | options))


def made(land=False, days=DAYS):
    """Waves and noise, observed on every third column; stamped at noon, the observations at midnight; with land, its
    truth is NaN."""
    rng = np.random.default_rng(0)
    time = np.datetime64("2012-10-22T12", "ns") + np.arange(days) * np.timedelta64(1, "D")
    lat, lon = 33 + 0.25 * np.arange(ROWS), -65 + 0.25 * np.arange(COLUMNS)
    phase = np.arange(days)[:, None, None] * 0.4 + lon * 1.5 + lat[:, None]
    ssh = 0.3 + 0.2 * np.sin(phase) + 0.05 * rng.normal(size=(days, ROWS, COLUMNS))
    if land:
        ssh[:, :6, :8] = np.nan
    observations = ssh + rng.normal(0, 0.02, ssh.shape)
    observations[:, :, np.arange(COLUMNS) % 3 > 0] = np.nan
    variables = {
        "ssh": (("sample", "lat", "lon"), ssh.astype(np.float32)),
        "observations": (("day", "lat", "lon"), observations.astype(np.float32)),
    }
    coordinates = {"time": ("sample", time), "day": time - np.timedelta64(12, "h"), "lat": lat, "lon": lon}
    attributes = {"name": "ssh", "noise_std": 0.02, "mean": 0.3, "std": 0.15}
    return xr.Dataset(variables, coordinates, attributes)


def guess(samples, scale=0.04, seed=1):
    """The truth with errors; 7 on land, where it shall not count."""
    truth = samples.ssh.values.astype(np.float64)
    return np.where(np.isnan(truth), 7.0, truth + np.random.default_rng(seed).normal(0, scale, truth.shape))
