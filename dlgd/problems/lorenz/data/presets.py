"""Presets of data=lorenz63 and data=lorenz96: where a series comes from, and the values of the options left null.

`none` is our own, for honest comparisons; the others repeat a course, a code or a paper:

    dlgd2021    course "Deep Learning for Geophysical Dynamics" 2021, lecture 5: its 4DVarNet script
    dlgd2021_long   the run of that script, 120 times as long: many windows with the errors of its integrator, to learn
                from. The test windows lie where those of the course do, the others after them
    forecast    the same course, forecasting Lorenz-63
    measured    our own, to identify: all steps that methods learn from have noise
    starter     4dvarnet-starter, configuration base_lorenz: windows share their observations. As their slices are
                closed, a step at the edge of two splits belongs to one of them only here
    dinae2020   Fablet et al. 2021, Lorenz-96, notebooks of DinAE_4DVarNN_torch; its windows had a step more, which was
                dropped here, so that other windows are drawn; the last of its training windows are for validation
    sakov2012   twin experiment of Sakov et al. 2012 with Lorenz-63, as DAPPER has it
    ramgraber2022   twin experiment of Ramgraber et al. 2022 with Lorenz-63 in steps of 0.05, as DAPPER has it
    sakov2008   twin experiment of Sakov and Oke 2008 with Lorenz-96, as DAPPER has it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dlgd.core import checks
from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.problems.lorenz.data.series import Drawn, OneRun, Recipe, Solver, Stretches, Twin

FORECASTS = ("forecast", "identify")
TASKS = ("assimilate", *FORECASTS)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A recipe, and the options that differ from those of `none`.

    tasks: those that it serves, its own first. without: options that have no meaning here.
    """

    recipe: Recipe
    options: Mapping[str, Any]
    tasks: tuple[str, ...] = ("assimilate",)
    without: tuple[str, ...] = ("stride", "gap")
    burn_in: float = 0.0  # time units that scores leave out


def _counts(train: int, valid: int, test: int) -> dict[str, int]:
    return {"train": train, "valid": valid, "test": test}


ALL_63 = {
    "dt": 0.01,
    "window": 200,
    "stride": 200,
    "gap": 1000,
    "samples": _counts(2000, 200, 500),
    "observations": {
        "components": ["x"],
        "every": 8,
        "pattern": "regular",
        "share": 0.125,
        "pattern_per": "window",
        "phase": "fixed",
        "hidden_edges": 10,
        "noise_variance": 2.0,
        "noise_per": "window",
        "noise_on": "known",
    },
    "resample_observations": True,
    "seed": 0,
}
ALL_96 = ALL_63 | {
    "dt": 0.05,
    "gap": 400,
    "samples": _counts(500, 50, 100),
    "observations": ALL_63["observations"]
    | {"components": "all", "every": 4, "pattern": "random_components", "share": 0.5, "hidden_edges": 0},
}
EVERYTHING_SEEN = {"components": "all", "pattern": "regular", "hidden_edges": [1, 0]}

PRESETS: dict[str, dict[str, Preset]] = {
    "lorenz63": {
        "none": Preset(recipe=OneRun(), options=ALL_63, tasks=TASKS, without=()),
        "dlgd2021": Preset(
            recipe=Drawn(Solver("RK45", 20_000, beyond=1.0), train=(0, 12_000), test=(15_000, 20_000)),
            options={"dt": 0.01, "samples": _counts(9500, 500, 2000), "resample_observations": False, "seed": 100},
        ),
        "dlgd2021_long": Preset(
            recipe=Stretches(
                Solver("RK45", 2_500_000),
                {"train": (20_000, 2_430_000), "valid": (2_430_400, 2_500_000), "test": (15_000, 20_000)},
            ),
            options={"dt": 0.01, "stride": 50, "samples": _counts(48_000, 1000, 97), "resample_observations": False},
            without=("gap",),
        ),
        "forecast": Preset(
            recipe=Drawn(Solver("odeint", 19_999), train=(3000, 15_000), test=(17_500, 19_999), shuffled=True),
            options={"dt": 0.01, "samples": _counts(7500, 2500, 2000), "resample_observations": False},
            tasks=FORECASTS,
        ),
        "measured": Preset(
            recipe=OneRun(),
            options={"dt": 0.01, "observations": {"noise_variance": 1.0, "noise_on": "all"}},
            tasks=("identify", "forecast"),
            without=(),
        ),
        "starter": Preset(
            recipe=Stretches(
                Solver("RK45", 20_000, begin=0.01),
                {"train": (0, 9000), "valid": (9000, 12_000), "test": (15_000, 20_000)},
            ),
            options={
                "dt": 0.01,
                "stride": 1,
                "samples": _counts(8801, 2801, 4801),
                "observations": {"phase": "free", "hidden_edges": 0, "noise_per": "series"},
                "resample_observations": False,
            },
            without=("gap",),
        ),
        "sakov2012": Preset(
            recipe=Twin(mean=(1.509, -1.531, 25.46), variance=2.0),
            options={
                "dt": 0.01,
                "window": 1001 * 25 + 1,  # from step 0 to the last of 1001 analyses
                "samples": _counts(4, 2, 20),
                "observations": EVERYTHING_SEEN | {"every": 25, "noise_variance": 2.0},
                "resample_observations": False,
            },
            burn_in=16.0,
        ),
        "ramgraber2022": Preset(
            recipe=Twin(mean=(0.0,), variance=1.0),
            options={
                "dt": 0.05,
                "window": 1001 * 2 + 1,
                "samples": _counts(20, 5, 20),
                "observations": EVERYTHING_SEEN | {"every": 2, "noise_variance": 4.0},
                "resample_observations": False,
            },
            burn_in=16.0,
        ),
    },
    "lorenz96": {
        "none": Preset(recipe=OneRun(), options=ALL_96, tasks=TASKS, without=()),
        "dinae2020": Preset(
            recipe=Drawn(Solver("RK45", 10_000), train=(0, 7000), test=(7500, 10_000)),
            options={
                "dt": 0.05,
                "samples": _counts(1800, 200, 256),
                "observations": {"pattern_per": "split"},
                "resample_observations": False,
                "seed": 100,
            },
        ),
        "sakov2008": Preset(
            recipe=Twin(mean=(1.0,), variance=0.001),
            options={
                "dt": 0.05,
                "window": 1001 + 1,
                "samples": _counts(20, 5, 20),
                "observations": EVERYTHING_SEEN | {"every": 1, "noise_variance": 1.0},
                "resample_observations": False,
            },
            burn_in=20.0,
        ),
    },
}


def choose(system: str, name: str, task: str, typed: Mapping[str, Any]) -> tuple[Preset, dict[str, Any]]:
    """Return the preset, and every option: the typed value, else the preset's, else that of `none`.

    The known steps of forecasts have no noise unless it is typed or the preset's. Refusal of options that do not fit.
    """
    presets = PRESETS[system]
    checks.choice("data.task", task, TASKS)
    checks.choice("data.preset", name, presets)
    preset = presets[name]
    if task not in preset.tasks:
        raise Refusal(f"data.preset={name} is not for data.task={task}: type data.task={preset.tasks[0]}")
    usual = presets["none"].options
    typed = {key: _typed(key, value, usual[key]) for key, value in typed.items() if value is not None}
    for key in typed:
        if key in preset.without:
            raise Refusal(
                f"data.preset={name} has no data.{key}: leave it out, or type data.preset=none; "
                f"where a run's data have it, type data={system} data.preset={name}"
            )
    if typed.get("dt", dt := preset.options["dt"]) != dt and name != "none":
        raise Refusal(f"data.preset={name} has data.dt={dt}: leave data.dt out, or type data.preset=none")
    options = _over(_over(usual, preset.options), typed)
    said = (typed,) if name == "none" else (typed, preset.options)  # the noise of `none` is that of assimilation
    if task != "assimilate" and not any("noise_variance" in each.get("observations", {}) for each in said):
        options = _over(options, {"observations": {"noise_variance": 0.0}})
    return preset, _with_noise_of_series(options, task, typed) if _noisy_series(options) else options


def _noisy_series(options: Mapping[str, Any]) -> bool:
    return options["observations"]["noise_on"] == "all"


def _with_noise_of_series(options: Mapping[str, Any], task: str, typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with those that follow where all steps have noise; Refusal of those that contradict."""
    option = "data.observations.noise_on=all"
    if task == "assimilate":
        raise Refusal(f"{option} is for forecasts, because all observations have noise: type data.task=identify")
    if typed.get("resample_observations"):
        raise Refusal(f"{option} gives the series one noise, once: type data.resample_observations=false")
    return _over(options, {"observations": {"noise_per": "series"}, "resample_observations": False})


def check(options: Mapping[str, Any]) -> None:
    """Refuse numbers of `choose` that cannot work, in one sentence each."""
    checks.number("data.dt", options["dt"], above=0)
    for key in ("window", "stride"):
        checks.whole_number(f"data.{key}", options[key], least=1)
    checks.whole_number("data.gap", options["gap"], least=0)
    checks.whole_number("data.seed", options["seed"], least=0, most=2**32 - 1)
    for split in SPLITS:
        checks.whole_number(f"data.samples.{split}", options["samples"][split], least=1)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both mappings as one, one level deep; `above` wins."""
    deeper = {key: below[key] | value for key, value in above.items() if isinstance(value, dict)}
    return {**below, **above, **deeper}


def _typed(key: str, value: Any, usual: Any) -> Any:
    """Return the value with the type of the usual one; of mappings, the values that are not null."""
    if isinstance(usual, dict):
        if not isinstance(value, Mapping) or not set(value) <= set(usual):
            raise Refusal(f"data.{key}={value} must give some of {', '.join(usual)}")
        return {name: _typed(f"{key}.{name}", inner, usual[name]) for name, inner in value.items() if inner is not None}
    if key in ("observations.components", "observations.hidden_edges"):  # of several types; `Observing` checks them
        return value
    kind = type(usual)
    checks.of_kind(f"data.{key}", value, kind)
    return kind(value)
