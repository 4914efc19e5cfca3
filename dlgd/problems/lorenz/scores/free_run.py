"""Long forecasts, which have forgotten their first state: does a method have the climate of the truth?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlgd.core.contract import Evaluation
from dlgd.core.number_format import decimals
from dlgd.core.score import Score
from dlgd.problems.lorenz.scores.forecast_scores import valid_steps
from dlgd.problems.lorenz.scores.sequences import Climate, held_forecast, labels, truth_of, with_prediction

if TYPE_CHECKING:
    import xarray as xr

BINS = 50  # of a histogram, over all that is true, and one on each side for what is beyond
SEGMENT = 256  # steps of a spectrum at most, of many that are averaged (Welch 1967)


VALID_TIME = Score("valid_time", "valid time", "Lyapunov times", higher_is_better=True, written=decimals(2))
# of free runs alone, which are made for reports and not for validations
FREE_SCORES = (
    Score("wasserstein", "W1", higher_is_better=False, written=decimals(2), in_validation=False),
    Score("spectrum_distance", "spectrum", higher_is_better=False, written=decimals(2), in_validation=False),
    Score("histogram_distance", "histogram", higher_is_better=False, in_table=False, in_validation=False),
    Score("mean_error", "error of the mean", higher_is_better=False, in_table=False, in_validation=False),
    Score("std_error", "error of the std", higher_is_better=False, in_table=False, in_validation=False),
    Score("free_exploded", "exploded free runs", "%", higher_is_better=False, in_table=False, in_validation=False),
)


class FreeRun(Evaluation):
    """Scores of runs (sample, lead, variable); all but valid_time score their second half.

    exponent: leading Lyapunov exponent, per unit of time.

    valid_time: as of forecasts, in Lyapunov times: their mean while the error is below 0.4 of the spread.
    wasserstein: distance of the distributions of each variable, over its standard deviation, mean over variables.
    histogram_distance: half the sum of the differences of relative frequencies, between 0 and 1, mean over variables.
    spectrum_distance: sum over frequencies of |spectrum - true one| over the sum of the true one, mean over variables.
    mean_error, std_error: of mean and standard deviation, over the true standard deviation; root mean square over the
        variables.
    free_exploded: share of runs (%) that left the neighbourhood of the attractor; left out where it is 0.
    Runs of the truth itself from other states have distances above zero too, the less the more and longer they are.
    """

    all_scores = (VALID_TIME, *FREE_SCORES)
    published = ()

    def __init__(self, *, exponent: float) -> None:
        self.exponent = exponent

    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """See the class. Raises Refusal for what cannot be scored."""
        truth, run, exploded = held_forecast(samples, prediction)
        steps = valid_steps(truth, run, Climate.of(truth))
        scores = {"valid_time": float(steps.mean() * samples.attrs["dt"] * self.exponent)}
        scores |= climate_scores(_second_half(truth), _second_half(run))
        return scores | ({"free_exploded": exploded} if exploded > 0 else {})

    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """free_run.png of all methods; free_distributions.png and free_spectra.png of those that move to the end."""
        from dlgd.plotting.style import save
        from dlgd.problems.lorenz.figures import free_run as draw

        if not predictions:
            raise ValueError("There is no prediction to draw.")
        names, dt = labels(samples), float(samples.attrs["dt"])
        runs = {"truth": truth_of(samples, "lead")}
        runs |= {name: held_forecast(samples, each)[1] for name, each in predictions.items()}
        save(folder / "free_run.png", draw.runs(runs, names, dt))
        late = draw.moving({name: _second_half(run) for name, run in runs.items()})
        save(folder / "free_distributions.png", draw.distributions(late, names))
        power = {name: run if run is None else spectrum(run) for name, run in late.items()}
        save(folder / "free_spectra.png", draw.spectra(power, names, dt))

    def dataset(self, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
        """state_predicted (sample, lead, variable) and state."""
        return with_prediction(samples, prediction, "lead", {"state": "true state"}, "Free runs")


def longer(samples: xr.Dataset, count: int, time: float) -> xr.Dataset:
    """Return `count` samples with their truth continued by the equations (RK4) until it lasts `time` units.

    The samples are far apart: windows that follow one another would all be the same run, a little later.
    """
    import torch

    from dlgd.physics.integrators import trajectory
    from dlgd.physics.systems import dynamics_of

    last = samples.sizes["sample"] - 1
    some = samples.isel(sample=np.unique(np.linspace(0, last, count).round().astype(int)))
    truth, dt = truth_of(some, "lead"), float(samples.attrs["dt"])
    more = max(0, round(time / dt) - truth.shape[1])
    start = torch.from_numpy(truth[:, -1].copy())
    rest = trajectory(dynamics_of(samples.attrs), start, dt, more)[1:]
    state = np.concatenate((truth, rest.movedim(0, 1).numpy()), axis=1)
    longest = some.drop_dims("lead").assign_coords(lead=np.arange(1, state.shape[1] + 1))
    return longest.assign(state=(("sample", "lead", "variable"), state))


def climate_scores(truth: np.ndarray, run: np.ndarray) -> dict[str, float]:
    """Return the distances, see `FreeRun`, between runs (sample, step, variable)."""
    true, own = Climate.of(truth), (run.mean(axis=(0, 1)), run.std(axis=(0, 1)))
    scale = np.where(true.std > 0, true.std, 1.0)
    pairs = [(truth[..., i].ravel(), run[..., i].ravel()) for i in range(truth.shape[-1])]
    true_spectrum = spectrum(truth)
    power = np.where(true.std > 0, true_spectrum.sum(axis=0), 1.0)
    return {
        "wasserstein": float(np.mean([_wasserstein(a, b) for a, b in pairs] / scale)),
        "histogram_distance": float(np.mean([_histogram_distance(a, b) for a, b in pairs])),
        "spectrum_distance": float((np.abs(spectrum(run) - true_spectrum).sum(axis=0) / power).mean()),
        "mean_error": float(np.sqrt((((own[0] - true.mean) / scale) ** 2).mean())),
        "std_error": float(np.sqrt((((own[1] - true.std) / scale) ** 2).mean())),
    }


def spectrum(run: np.ndarray) -> np.ndarray:
    """Return power (frequency, variable), the mean over samples; the frequency zero is left out."""
    from scipy.signal import welch

    return welch(run, nperseg=min(SEGMENT, run.shape[1]), axis=1)[1].mean(axis=0)[1:]


def _wasserstein(one: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import wasserstein_distance

    return wasserstein_distance(one, other)


def _histogram_distance(true: np.ndarray, own: np.ndarray) -> float:
    inner = np.linspace(true.min(), true.max(), BINS + 1)
    inner[-1] = np.nextafter(inner[-1], np.inf)  # what is as large as the largest true value is no further
    edges = np.concatenate(([-np.inf], inner, [np.inf]))
    shares = [np.diff(np.searchsorted(np.sort(each), edges)) / len(each) for each in (true, own)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _second_half(run: np.ndarray) -> np.ndarray:
    return run[:, run.shape[1] // 2 :]
