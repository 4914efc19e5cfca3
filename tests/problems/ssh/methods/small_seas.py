"""Small seas with observations, as the samples of data sets of sea surface height, and the Gaussian posterior by dense
matrices."""

import numpy as np
import xarray as xr
from scipy.special import gamma, kv

START = np.datetime64("2001-03-01", "ns")
MEAN, STD = 0.3, 0.25  # m


def dates(days):
    return START + (np.asarray(days, dtype=float) * 86400e9).astype("timedelta64[ns]")


def samples(ssh, observations, *, lat, lon, first=0, tracks=None, margin=0, **attrs):
    """Days first, first + 1, ... of truth (sample, lat, lon); observations of `margin` more days on either side."""
    days = first + np.arange(len(ssh))
    dataset = xr.Dataset(
        {
            "ssh": (("sample", "lat", "lon"), ssh.astype(np.float32)),
            "observations": (("day", "lat", "lon"), observations.astype(np.float32)),
        },
        coords={
            "time": ("sample", dates(days)),
            "day": dates(np.arange(days[0] - margin, days[-1] + margin + 1)),
            "lat": lat,
            "lon": lon,
        },
        attrs={"name": "ssh", "mean": MEAN, "std": STD, "noise_std": 0.05} | attrs,
    )
    if tracks is None:
        return dataset
    days, lats, lons, values, satellite = tracks
    return dataset.assign(
        track_ssh=("point", values), track_time=("point", dates(days)), track_lat=("point", lats),
        track_lon=("point", lons), track_satellite=("point", satellite),
    )  # fmt: skip


def random_samples(*, days=9, ny=8, nx=10, points=40, seed=0, spacing=0.5, **attrs):
    """Without any physics: white truth and observations, and points of a table here and there."""
    rng = np.random.default_rng(seed)
    lat, lon = 30 + spacing * np.arange(ny), -60 + spacing * np.arange(nx)
    ssh = rng.normal(MEAN, STD, (days, ny, nx))
    observations = np.where(rng.random((days + 4, ny, nx)) < 0.05, rng.normal(MEAN, STD, (days + 4, ny, nx)), np.nan)
    tracks = (
        rng.uniform(-2, days + 1, points), rng.uniform(lat[0] - 1, lat[-1] + 1, points),
        rng.uniform(lon[0] - 1, lon[-1] + 1, points), rng.normal(MEAN, STD, points), np.zeros(points, dtype=int),
    )  # fmt: skip
    return samples(ssh, observations, lat=lat, lon=lon, tracks=tracks, margin=2, **attrs)


def shape(kind, distance):
    """Of one factor of the covariance; Matern's by its Bessel function."""
    if kind == "gaussian":
        return np.exp(-(distance**2))
    nu = {"matern12": 0.5, "matern32": 1.5, "matern52": 2.5}[kind]
    scaled = np.maximum((2 * nu) ** 0.5 * distance, 1e-10)
    return np.where(distance < 1e-9, 1.0, 2 ** (1 - nu) / gamma(nu) * scaled**nu * kv(nu, scaled))


def correlation(kind, a, b):
    """Of points (n, 3) and (m, 3), (t, y, x) in correlation lengths."""
    difference = a[:, None] - b
    return shape(kind, np.abs(difference[..., 0])) * shape(kind, np.hypot(difference[..., 1], difference[..., 2]))


def observed(dataset, *, maps):
    """Points (n, 3) in days since START and degrees, and values (n,)."""
    if maps:
        found = dataset.observations.values
        day, row, column = np.nonzero(np.isfinite(found))
        places = (dataset.day.values[day], dataset.lat.values[row], dataset.lon.values[column])
        values = found[day, row, column].astype(float)
    else:
        places = (dataset.track_time.values, dataset.track_lat.values, dataset.track_lon.values)
        values = dataset.track_ssh.values
    return np.stack(((places[0] - START) / np.timedelta64(1, "D"), *places[1:]), -1), values


def dense(dataset, kind, lengths, noise, std, *, maps=False):
    """Posterior mean and standard deviation (sample, lat, lon); lengths (Lt, Ly, Lx)."""
    points, values = observed(dataset, maps=maps)
    days = (dataset.time.values - START) / np.timedelta64(1, "D")
    grid = np.stack(np.meshgrid(days, dataset.lat.values, dataset.lon.values, indexing="ij"), -1).reshape(-1, 3)
    points, grid = points / lengths, grid / lengths
    gain = np.linalg.solve(
        correlation(kind, points, points) + (noise / std) ** 2 * np.eye(len(points)), correlation(kind, points, grid)
    ).T
    mean = dataset.attrs["mean"] + gain @ (values - dataset.attrs["mean"])
    variance = std**2 * (1 - (gain * correlation(kind, grid, points)).sum(1))
    shape = tuple(dataset.sizes[name] for name in ("sample", "lat", "lon"))
    return mean.reshape(shape), np.sqrt(variance).reshape(shape)
