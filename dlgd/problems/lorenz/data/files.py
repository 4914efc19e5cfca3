"""Windows as samples, xarray Datasets in physical units with

    observations (sample, time, variable)   of assimilation: NaN where nothing is observed
    given (sample, history, variable)       of forecasts: the known steps
    state (sample, time, variable)          the truth; of forecasts (sample, lead, variable), the steps that follow

and the attributes system, its parameters (see `dlgd.physics.systems`), task, dt, name, preset, noise_variance, burn_in
(time units that scores leave out), every option, and, where first states were drawn, background_mean (a number for each
variable) and background_variance. `own_files.py` reads a user's own ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dlgd.physics.integrators import Dynamics, substeps_of
from dlgd.physics.systems import attributes_of
from dlgd.problems.lorenz.data.options import LorenzOptions, WindowOptions
from dlgd.problems.lorenz.data.presets import Preset

LONG_NAMES = {"observations": "observed values", "given": "known values", "state": "true values"}
# Attributes that had another name, or another word for a value, when series were first cached and runs first recorded.
FIRST_NAMES = {"resample_observations": "noise_again"}
FIRST_WORDS = {("observations_pattern_per", "split"): "part"}
# Options that came later, with the values that stand for what was before.
LATER = {"observations_noise_on": "known"}


def dimensions(name: str, *, forecast: bool) -> tuple[str, str, str]:
    """Return the dimensions of one of the variables above."""
    axis = "time" if not forecast else "history" if name == "given" else "lead"
    return "sample", axis, "variable"


def dataset(
    fields: Mapping[str, np.ndarray], *, names: Sequence[str], dt: float, forecast: bool, attrs: Mapping[str, Any]
) -> xr.Dataset:
    """Return the samples of arrays (sample, steps, variable)."""
    variables = {
        key: (dimensions(key, forecast=forecast), values, {"long_name": LONG_NAMES[key], "units": "1"})
        for key, values in fields.items()
    }
    samples = xr.Dataset(variables, attrs=dict(attrs))
    sizes = samples.sizes
    coordinates = {"sample": np.arange(sizes["sample"]), "variable": list(names)}
    if "time" in sizes:
        coordinates["time"] = dt * np.arange(sizes["time"])
    if forecast:  # where the later steps are not known, as many are asked for as the data ask
        coordinates["lead"] = np.arange(1, sizes.get("lead", attrs["leads"]) + 1)
    return samples.assign_coords(coordinates)


def attributes(typed: LorenzOptions, options: Mapping[str, Any], preset: Preset, dynamics: Dynamics) -> dict[str, Any]:
    """Return the attributes of samples. options: those that a preset gives, too, with its values in place of None."""
    plain = {key: value for key, value in options.items() if key not in ("observations", "samples")}
    plain |= {f"observations_{key}": value for key, value in options["observations"].items()}
    plain |= {f"samples_{split}": count for split, count in options["samples"].items()}
    own = {"name": typed.name, "task": typed.task, "preset": typed.preset, "burn_in": preset.burn_in}
    own |= {"history": typed.history, "rollout": typed.rollout, "leads": typed.leads}
    own |= {"noise_variance": options["observations"]["noise_variance"]}
    own |= more_observings(typed)
    found = attributes_of(dynamics) | own | plain | preset.recipe.attributes(dynamics)
    return {key: _netcdf_attribute(value) for key, value in found.items()}


def more_observings(typed: WindowOptions) -> dict[str, str]:
    """Return the attribute that tells further observings as JSON; none where there are none."""
    more = {name: dict(changes) for name, changes in typed.more_observings.items()}
    return {"more_observings": json.dumps(more, default=list)} if more else {}


def as_first_named(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes as the name of the cache's folder and the checksum have them: cached series and runs of
    before are found again by their first names."""
    old = {key: value for key, value in attributes.items() if key not in LATER or value != LATER[key]}
    found = {FIRST_NAMES.get(key, key): value for key, value in old.items()}
    return found | {key: word for (key, value), word in FIRST_WORDS.items() if found.get(key) == value}


def cache_key(attributes: Mapping[str, Any], dynamics: Dynamics) -> dict[str, Any]:
    """Return what the folder of the cached series is named after. Where a step is taken in several, so does the key
    say, because such series were integrated in single long steps once."""
    substeps = substeps_of(dynamics, attributes["dt"])
    series = {key: value for key, value in attributes.items() if key != "more_observings"}  # of the training alone
    return as_first_named(series) | {"format": 1} | ({"substeps": substeps} if substeps > 1 else {})


def _netcdf_attribute(value: Any) -> Any:
    """Return the value as NetCDF can hold it: text, a number or a list of numbers."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, list) and value and isinstance(value[0], str):
        return ",".join(value)
    return value
