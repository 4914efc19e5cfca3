"""Scores, figures and predictions of forecasts: the steps that follow known ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgd.core import checks
from dlgd.core.contract import Evaluation
from dlgd.core.number_format import scientific
from dlgd.core.score import Score
from dlgd.problems.lorenz.scores import forecast_scores
from dlgd.problems.lorenz.scores.free_run import FREE_SCORES, VALID_TIME, FreeRun, longer
from dlgd.problems.lorenz.scores.sequences import Climate, held_forecast, in_scale, labels, truth_of, with_prediction
from dlgd.scoring.published import published_rows

if TYPE_CHECKING:
    import xarray as xr

LEADS = (1, 2, 5, 10, 15, 20, 25, 28)  # those that the courses print
SHOWN_LEADS = (1, 10, 28)  # in the table
FIELDS = {"state": "true state", "given": "known steps"}


def skill_text(value: float) -> str:
    """Return six digits as the courses print them; 1-3.25e-8 where these are all nines; few digits of a large value."""
    if 0 < 1 - value < 1e-5:
        return f"1-{scientific(1 - value)}"
    return f"{value:.6f}" if abs(value) < 100 else scientific(value)


class ForecastEvaluation(Evaluation):
    """Scores of forecasts (sample, lead, variable).

    skill_<lead>: against persistence (see `forecast_scores.skill`), rmse_<lead>: root mean square error, for those of
        LEADS that there are; mse: over all leads.
    valid_time: time in Lyapunov times until the error passes 0.4 of the climatological spread, mean over samples; at
        most the time of all leads.
    exploded: share of samples (%) whose forecast went further than 10 climatological standard deviations from the
        mean; it is cut there. Left out where it is 0.
    Climate, spread and variances are those of the samples' own truth.
    published: rows {name, source, and some of these scores} of figures printed elsewhere, for the table only.
    exponent: leading Lyapunov exponent, per unit of time; None takes a published one, or computes it. Series without
        known equations have no free runs, and no valid_time without an exponent.
    free_runs: number of long runs whose climate is scored, too; 0 is for none.
    free_time: length of each of them, in time units; 0 is for none.
    animation: whether to make animation.gif of a forecast as well.
    """

    all_scores = (
        Score("mse", "MSE", higher_is_better=False),
        *(
            Score(
                f"skill_{lead}", f"skill {lead}", higher_is_better=True, written=skill_text,
                in_table=lead in SHOWN_LEADS,
            )
            for lead in LEADS
        ),
        VALID_TIME,
        *(Score(f"rmse_{lead}", f"RMSE {lead}", higher_is_better=False, in_table=False) for lead in LEADS),
        Score("exploded", "exploded", "%", higher_is_better=False, in_table=False),
        *FREE_SCORES,
    )  # fmt: skip

    def __init__(
        self,
        *,
        published: Sequence[Mapping[str, Any]] = (),
        exponent: float | None = None,
        free_runs: int = 0,
        free_time: float = 0.0,
        animation: bool = False,
    ) -> None:
        checks.of_kind("evaluation.scores.animation", animation, bool)
        checks.number("evaluation.scores.exponent", exponent, above=0, null=True)
        checks.whole_number("evaluation.scores.free_runs", free_runs, least=0)
        checks.number("evaluation.scores.free_time", free_time, least=0)
        self.exponent, self.free_runs, self.free_time, self.animation = exponent, free_runs, free_time, animation
        self.published = published_rows(published, self.all_scores)

    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """See the class. Raises Refusal for what cannot be scored."""
        truth, forecast, exploded = held_forecast(samples, prediction)
        skill = forecast_scores.skill(truth, forecast, _last(samples))
        errors = forecast_scores.rmse(truth, forecast)
        scores = {"mse": ((truth - forecast) ** 2).mean()}
        if self._has_exponent(samples):
            scores["valid_time"] = self._valid_time(samples, truth, forecast)
        for lead in LEADS:
            if lead <= len(errors):
                scores |= {f"skill_{lead}": skill[lead - 1], f"rmse_{lead}": errors[lead - 1]}
        if exploded > 0:
            scores["exploded"] = exploded
        return {name: float(value) for name, value in scores.items()}

    def _valid_time(self, samples: xr.Dataset, truth: np.ndarray, forecast: np.ndarray) -> float:
        steps = forecast_scores.valid_steps(truth, forecast, Climate.of(truth))
        return float(steps.mean() * samples.attrs["dt"] * self._exponent(samples))

    def _has_exponent(self, samples: xr.Dataset) -> bool:
        """Whether a Lyapunov exponent is given, or follows from known equations."""
        return self.exponent is not None or "system" in samples.attrs

    def _exponent(self, samples: xr.Dataset) -> float:
        return forecast_scores.leading_exponent(samples.attrs) if self.exponent is None else self.exponent

    def further(self, samples: xr.Dataset) -> tuple[Evaluation, xr.Dataset] | None:
        """Return the evaluation of free runs, which scores their climate, and their samples."""
        if self.free_runs == 0 or self.free_time == 0 or "system" not in samples.attrs:
            return None
        return FreeRun(exponent=self._exponent(samples)), longer(samples, self.free_runs, self.free_time)

    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """error_by_lead.png of all methods, trajectories.png of some samples, and, if asked for, animation.gif."""
        from dlgd.plotting.style import save
        from dlgd.problems.lorenz.figures import forecast as draw

        if not predictions:
            raise ValueError("There is no prediction to draw.")
        forecasts = {name: held_forecast(samples, each)[1] for name, each in predictions.items()}
        truth, last, dt = truth_of(samples, "lead"), _last(samples), float(samples.attrs["dt"])
        time = dt * np.arange(1, truth.shape[1] + 1)
        errors = {name: forecast_scores.rmse(truth, each) for name, each in forecasts.items()}
        skills = {name: forecast_scores.skill(truth, each, last) for name, each in forecasts.items()}
        limit = forecast_scores.VALID * Climate.of(truth).spread
        save(folder / "error_by_lead.png", draw.by_lead(time, errors, skills, limit=limit))
        names = labels(samples)
        save(folder / "trajectories.png", draw.trajectories(time, truth, forecasts, names))
        if self.animation:
            from dlgd.problems.lorenz.figures.animation import animation

            animation(folder / "animation.gif", time, truth=truth, estimates=forecasts, names=names)

    def dataset(self, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
        """state_predicted (sample, lead, variable), given and, where the samples have it, state."""
        return with_prediction(samples, prediction, "lead", FIELDS, "Forecasts of trajectories")


def _last(samples: xr.Dataset) -> np.ndarray:
    """The last known state, (sample, variable)."""
    return in_scale(samples, samples.given.transpose("sample", "history", "variable").values[:, -1].astype(np.float64))
