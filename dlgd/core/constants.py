"""Constants and conventions: each is defined here and nowhere else."""

import math

EARTH_RADIUS_M = 6.371e6  # mean radius, IUGG (Moritz 2000, Geodetic Reference System 1980)
EARTH_RADIUS_KM = EARTH_RADIUS_M / 1e3
ATLAS_RADIUS_M = 6371229.0  # of the sphere of ECMWF's library atlas, on which SABER's block diffusion measures
KM_PER_DEGREE = math.radians(EARTH_RADIUS_KM)  # along a meridian of a sphere of the mean radius: 111.195
EARTH_RATE = 7.2921e-5  # rad/s, with respect to the stars (Gill 1982, appendix 2)
GRAVITY = 9.81  # m/s2

SECONDS_PER_DAY = 86400.0
DAYS_PER_YEAR = 365.25

SPLITS = ("train", "valid", "test")  # of a data set; the checksum of its data has a digest for each, in this order

TARGET, PARTIAL = "_target_", "_partial_"  # in a configuration: what is called, and whether now or later

# Libraries that dlgd calls, and what they call in turn.
LIBRARIES = {
    *("PIL", "alembic", "antlr4", "cloudpickle", "cmaes", "filelock", "global_land_mask", "hydra", "hydra_plugins"),
    *("joblib", "matplotlib", "mlflow", "mlxtend", "netCDF4", "numba", "numpy", "omegaconf", "optuna", "pandas"),
    *("pooch", "psutil", "requests", "rich", "scipy", "sklearn", "sqlalchemy", "submitit", "sympy", "torch", "xarray"),
    *("yaml",),
}

CF_CONVENTIONS = {"Conventions": "CF-1.11"}  # global attributes of the NetCDF files that dlgd writes
