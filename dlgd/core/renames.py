"""Names that have changed since runs were recorded, so that present code can read these runs.

Configurations in run folders and checkpoints, and the parameters of runs in MLflow, are translated when they are read;
the files do not change. Each renamed option, class or module of the program needs a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Modules, in the paths of a `_target_`.
MODULES = {
    "dlgd.augmentation.mirrored_seas": "dlgd.problems.ssh.augmentation",
    "dlgd.baselines.classifiers": "dlgd.problems.images.methods.classifiers",
    "dlgd.baselines.ensemble": "dlgd.problems.lorenz.methods.ensemble",
    "dlgd.baselines.forecasts": "dlgd.problems.lorenz.methods.forecasts",
    "dlgd.baselines.generators": "dlgd.problems.images.methods.generators",
    "dlgd.baselines.given": "dlgd.problems.images.methods.identity",
    "dlgd.baselines.identification": "dlgd.problems.lorenz.methods.identification",
    "dlgd.baselines.interpolation": "dlgd.problems.lorenz.methods.interpolation",
    "dlgd.baselines.maps": "dlgd.problems.ssh.methods.maps",
    "dlgd.baselines.normalization": "dlgd.problems.normalization.methods",
    "dlgd.baselines.optimal_interpolation": "dlgd.problems.ssh.methods.optimal_interpolation",
    "dlgd.baselines.pca": "dlgd.problems.images.methods.pca",
    "dlgd.baselines.variational": "dlgd.problems.lorenz.methods.variational",
    "dlgd.data.digits": "dlgd.problems.images.data.digits",
    "dlgd.data.lorenz": "dlgd.problems.lorenz.data.lorenz",
    "dlgd.data.nemovar_files": "dlgd.problems.normalization.data.nemovar_files",
    "dlgd.data.normalization": "dlgd.problems.normalization.data.simulated",
    "dlgd.data.ssh": "dlgd.problems.ssh.data.simulated",
    "dlgd.data.ssh_netcdf": "dlgd.problems.ssh.data.netcdf",
    "dlgd.evaluation.assimilation": "dlgd.problems.lorenz.scores.assimilation",
    "dlgd.evaluation.classification": "dlgd.problems.images.scores.classification",
    "dlgd.evaluation.forecast": "dlgd.problems.lorenz.scores.forecast",
    "dlgd.evaluation.generation": "dlgd.problems.images.scores.generation",
    "dlgd.evaluation.identification": "dlgd.problems.lorenz.scores.identification",
    "dlgd.evaluation.normalization": "dlgd.problems.normalization.scores",
    "dlgd.evaluation.reconstruction": "dlgd.problems.images.scores.reconstruction",
    "dlgd.evaluation.ssh": "dlgd.problems.ssh.scores.evaluation",
    "dlgd.models.segments": "dlgd.models.overlapping_segments",
    "dlgd.multirun": "dlgd.cli.multirun",
}

# Classes and functions, by their present modules.
NAMES = {
    "dlgd.models.overlapping_segments.SegmentNet": "dlgd.models.overlapping_segments.OverlappingSegments",
    "dlgd.problems.images.methods.identity.Given": "dlgd.problems.images.methods.identity.Identity",
}

# Options, by their places in the configuration of a run.
OPTIONS = {
    "data.first_guess.observings": "data.first_guess.observation_draws",
    "data.noise_again": "data.resample_observations",
    "data.observe_again": "data.resample_observations",
    "data.parts": "data.splits",
    "evaluation.judge": "evaluation.classifier",
    "evaluation.methods.given": "evaluation.methods.identity",
    "init_rate": "init_lr_scale",
    "part": "split",
    "taken_over": "init_loaded",
}

# Values of options, by the present place of the option.
VALUES = {
    ("baseline", "given"): "identity",
    ("choices.baseline", "given"): "identity",
    ("choices.model", "segments"): "overlapping_segments",
    ("data.observations.pattern_per", "part"): "split",
    ("evaluation.classifier", "experiments/digits/judge.pt"): "experiments/digits/classifier.pt",
    ("model", "segments"): "overlapping_segments",
}


def updated(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a nested configuration with the present names."""
    return _updated(config, "")


def _updated(config: Mapping[str, Any], outer: str) -> dict[str, Any]:
    found = {}
    for key, value in config.items():
        old = f"{outer}{key}"
        place = option(old)
        if isinstance(value, Mapping):
            value = _updated(value, f"{place}.")
        found[key if place == old else place.rpartition(".")[2]] = _value(place, value)  # a key may have dots
    return found


def updated_params(params: Mapping[str, str]) -> dict[str, str]:
    """Return the flat parameters of a run in MLflow, {"data.parts.train": "730"}, with the present names."""
    places = ((option(key), value) for key, value in params.items())
    return {place: _value(place, value) for place, value in places}


def option(place: str) -> str:
    """Return the present place of an option, or of one within it: "data.parts.train" -> "data.splits.train"."""
    for old, new in OPTIONS.items():
        if place == old or place.startswith(f"{old}."):
            return new + place.removeprefix(old)
    return place


def target(path: str) -> str:
    """Return the present path of a `_target_`: the same path if nothing in it was renamed."""
    module, _, name = path.rpartition(".")
    moved = f"{MODULES.get(module, module)}.{name}"
    return NAMES.get(moved, moved)


def _value(place: str, value: Any) -> Any:
    if place.rpartition(".")[2] == "_target_" and isinstance(value, str) and "." in value:
        return target(value)
    return VALUES.get((place, value), value) if isinstance(value, str) else value
