"""Scores, figures and predictions of trajectories that are estimated from observations of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgd.core import checks
from dlgd.core.contract import Evaluation
from dlgd.core.errors import Refusal
from dlgd.core.number_format import decimals
from dlgd.core.score import Score
from dlgd.problems.lorenz.scores.sequences import finite, in_scale, labels, shaped, truth_of, with_prediction
from dlgd.scoring.published import published_rows

if TYPE_CHECKING:
    import xarray as xr

EDGE = 10  # steps at both ends of a window that are not its core: the courses observe nothing there
FIELDS = {"state": "true state", "observations": "observed values, with their noise"}


class AssimilationEvaluation(Evaluation):
    """Scores of estimates (sample, time, variable), from the time on where the samples' `burn_in` ends.

    mse, mse_observed, mse_hidden: mean squared error of all values, of those that were observed, of the others;
        mse_core: without the first and last EDGE steps of a window; mse_of_<variable> of Lorenz-63.
    nmse: mse over the mean squared departure of the truth from the mean of all windows, step by step, as the courses
        have it. nmse_variance: mse over the variance of the truth, mean over the variables.
    rmse_a: root mean square over the variables, mean over the times with an observation, mean over samples (as DAPPER
        has it). Filters themselves add rmse_f, rmse_s, spread_f and spread_a.
    Scores without values, such as mse_hidden where nothing is hidden, are left out.
    published: rows {name, source, and some of these scores} of figures printed elsewhere, for the table only.
    animation: whether to make animation.gif of a window as well.
    """

    all_scores = (
        Score("mse", "MSE", higher_is_better=False),
        Score("mse_observed", "observed", higher_is_better=False),
        Score("mse_hidden", "hidden", higher_is_better=False),
        Score("mse_core", "core", higher_is_better=False),
        Score("nmse", "NMSE", higher_is_better=False),
        Score("nmse_variance", "NMSE by variable", higher_is_better=False, in_table=False),
        *(Score(f"mse_of_{name}", f"MSE of {name}", higher_is_better=False, in_table=False) for name in "xyz"),
        Score("rmse_f", "rmse.f", higher_is_better=False, written=decimals(3), in_validation=False),
        Score("rmse_a", "rmse.a", higher_is_better=False, written=decimals(3)),
        Score("rmse_s", "rmse.s", higher_is_better=False, written=decimals(3), in_validation=False),
        Score("spread_f", "spread.f", higher_is_better=None, in_table=False, in_validation=False),
        Score("spread_a", "spread.a", higher_is_better=None, written=decimals(3), in_validation=False),
    )

    def __init__(self, *, published: Sequence[Mapping[str, Any]] = (), animation: bool = False) -> None:
        checks.of_kind("evaluation.scores.animation", animation, bool)
        self.published, self.animation = published_rows(published, self.all_scores), animation

    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """See the class. Raises Refusal for what cannot be scored."""
        truth = truth_of(samples, "time")
        squares = (finite(in_scale(samples, shaped(samples, prediction, "time"))) - truth) ** 2
        steps = scored(samples)
        seen = observed(samples)[:, steps]
        core = steps.copy()
        core[:EDGE] = core[len(core) - EDGE :] = False
        selections = {
            "mse": squares[:, steps],
            "mse_observed": squares[:, steps][seen],
            "mse_hidden": squares[:, steps][~seen],
            "mse_core": squares[:, core],
        } | {f"mse_of_{name}": squares[:, steps, number] for number, name in enumerate(samples.variable.values)}
        described = {score.name for score in self.all_scores}  # these leave out each of many variables
        selections = {name: values for name, values in selections.items() if values.size and name in described}
        scores = {name: values.mean() for name, values in selections.items()}
        truth = truth[:, steps]
        for name, scale in {
            "nmse": ((truth - truth.mean(axis=0)) ** 2).mean(),
            "nmse_variance": truth.var(axis=(0, 1)).mean(),
        }.items():
            if scale > 0:
                scores[name] = scores["mse"] / scale
        if seen.any():
            scores["rmse_a"] = _rmse_at(np.asarray(seen.any(axis=2)), squares[:, steps])
        return {name: float(value) for name, value in scores.items()}

    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """window.png (the window of median error of the first method), across_window.png, of three variables
        attractor.png, and, if asked for, animation.gif."""
        from dlgd.plotting.style import save
        from dlgd.plotting.trajectories import attractor
        from dlgd.problems.lorenz.figures import assimilation as draw

        if not predictions:
            raise ValueError("There is no prediction to draw.")
        truth, names = truth_of(samples, "time"), labels(samples)
        estimates = {
            name: finite(in_scale(samples, shaped(samples, each, "time"))) for name, each in predictions.items()
        }
        errors = {name: each - truth for name, each in estimates.items()}
        steps = scored(samples)
        time = samples.time.values
        curves = {name: np.sqrt((error**2).mean(axis=(0, 2))) for name, error in errors.items()}
        seen_at = np.flatnonzero(observed(samples).any(axis=(0, 2)))
        observations = in_scale(samples, samples.observations.transpose("sample", "time", "variable").values)
        window = draw.window(
            time,
            truth=truth,
            observations=observations,
            estimates=estimates,
            names=names,
            first=int(steps.argmax()),
        )
        save(folder / "window.png", window)
        save(folder / "across_window.png", draw.across_window(time, curves, time[seen_at], burn_in=_burn_in(samples)))
        if len(names) == 3:
            late = {name: each[:, steps] for name, each in {"truth": truth, **estimates}.items()}
            save(folder / "attractor.png", attractor(late, names))
        if self.animation:
            from dlgd.problems.lorenz.figures.animation import STEPS, animation

            first = int(steps.argmax())
            shown = slice(first, first + STEPS)
            animation(
                folder / "animation.gif",
                time[shown],
                truth=truth[:, shown],
                estimates={name: each[:, shown] for name, each in estimates.items()},
                observations=observations[:, shown],
                names=names,
            )

    def dataset(self, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
        """state_predicted (sample, time, variable), observations and, where the samples have it, state."""
        return with_prediction(samples, prediction, "time", FIELDS, "Trajectories, as estimated from observations")


def observed(samples: xr.Dataset) -> np.ndarray:
    """Return, bool (sample, time, variable), where there are observations."""
    return np.isfinite(samples.observations.transpose("sample", "time", "variable").values)


def scored(samples: xr.Dataset) -> np.ndarray:
    """Return, bool (time,), the steps from the end of the burn-in on. Raises Refusal where there is none."""
    steps = samples.time.values >= _burn_in(samples)
    if not steps.any():
        raise Refusal(
            f"The burn-in of {_burn_in(samples):g} time units leaves nothing to score: choose longer samples."
        )
    return steps


def _burn_in(samples: xr.Dataset) -> float:
    return float(samples.attrs.get("burn_in", 0.0))


def _rmse_at(times: np.ndarray, squares: np.ndarray) -> float:
    """Return root mean squares over variables, averaged over the marked times (sample, time) of each sample.

    Then they are averaged over the samples that have such times.
    """
    roots = np.sqrt(squares.mean(axis=2))
    counts = times.sum(axis=1)
    sums = np.where(times, roots, 0).sum(axis=1)
    return float((sums[counts > 0] / counts[counts > 0]).mean())
