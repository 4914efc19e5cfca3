"""Scores, figures and predictions of sea surface height (SSH) that is interpolated from observations."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgd.core import checks
from dlgd.core.constants import CF_CONVENTIONS
from dlgd.core.contract import Evaluation
from dlgd.core.errors import Refusal
from dlgd.core.number_format import decimals
from dlgd.core.score import Score
from dlgd.problems.ssh import curvilinear
from dlgd.problems.ssh.scores import tracks
from dlgd.problems.ssh.scores.errors import daily_rmse, flow_scores, height_scores
from dlgd.problems.ssh.scores.maps import Maps, box_of, known_days, maps_of, observed_on, shaped
from dlgd.problems.ssh.scores.spectra import Spectra, spectra
from dlgd.scoring.published import published_rows

if TYPE_CHECKING:
    import xarray as xr

log = logging.getLogger(__name__)

AXES = {
    "time": {"standard_name": "time", "long_name": "time", "axis": "T"},
    "lat": {"standard_name": "latitude", "long_name": "latitude", "units": "degrees_north", "axis": "Y"},
    "lon": {"standard_name": "longitude", "long_name": "longitude", "units": "degrees_east", "axis": "X"},
}
HEIGHT = {"standard_name": "sea_surface_height_above_geoid", "units": "m"}
ERROR_STD = {
    "standard_name": "sea_surface_height_above_geoid standard_error",
    "long_name": "standard deviation of the error of ssh, as its method expects it",
    "units": "m",
}
PACKED = {"zlib": True, "complevel": 1, "dtype": "float32"}


class SshEvaluation(Evaluation):
    """Scores of maps (sample, lat, lon) in m; each sample is a day. Means are over sea cells, which all weigh the same.

    The scores:

    rmse: root mean square error over all days and cells, m.
    mu: 1 - rmse / rms(truth), where the truth keeps its mean, as in the code of the SSH mapping data challenges.
    mu_daily: the mean over days of each day's mu, as in the text of challenge 2020a.
    sigma: the standard deviation over days of each day's mu.
    explained_variance: 1 - variance(error) / variance(truth).
    rmse_u, explained_variance_u: of the geostrophic velocity vector, m/s. rmse_vorticity, explained_variance_vorticity:
        of the relative vorticity over f. They leave out cells on the boundary and beside land.
    lambda_x (km), lambda_x_degrees, lambda_t (days): the wavelength and the period down to which maps are resolved, by
        the challenges' rule; lambda_x_crossing (km), lambda_t_crossing (days): by another rule, see `spectra.py`. Maps
        that resolve nothing have none of them.
    track_mu, track_sigma, track_lambda_x (km): along the tracks that are held out, if any; see `tracks.py`. Where no
        map is known, there are no other scores.

    The options:

    box: [south, north, west, east] in degrees, where maps are scored; None: everywhere.
    spectra: whether to compute the lambdas; they need 8 days or more without a gap, and no land.
    spectral_box: [south, north, west, east] in degrees, where the lambdas are computed. It must not hold land. None
        takes the box of all scores, and leaves the lambdas out where it holds land.
    segment_km: length of the segments of tracks for track_lambda_x, in km: 1000 in the challenges, less in a small sea.
    animation: whether to make animation.gif of the first 90 days as well.
    published: rows {name, source, and some of these scores} of figures printed elsewhere, for the table only.
    """

    writes_error_std = True
    all_scores = (
        Score("rmse", "RMSE", "m", higher_is_better=False, written=decimals(4)),
        Score("mu", "mu", higher_is_better=True, written=decimals(3)),
        Score("mu_daily", "mu of a day", higher_is_better=True, in_table=False),
        Score("sigma", "sigma", higher_is_better=False, written=decimals(3)),
        Score("explained_variance", "explained variance", higher_is_better=True, in_table=False),
        Score("lambda_x", "lx", "km", higher_is_better=False, written=decimals(0)),
        Score("lambda_x_degrees", "lx", "degrees", higher_is_better=False, written=decimals(2)),
        Score("lambda_t", "lt", "days", higher_is_better=False, written=decimals(2)),
        Score("lambda_x_crossing", "cross", "km", higher_is_better=False, written=decimals(0)),
        Score("lambda_t_crossing", "cross", "days", higher_is_better=False, in_table=False),
        Score("rmse_u", "RMSE of velocity", "m/s", higher_is_better=False, in_table=False),
        Score("explained_variance_u", "explained variance of velocity", higher_is_better=True, in_table=False),
        Score("rmse_vorticity", "zeta/f", higher_is_better=False, written=decimals(3)),
        Score("explained_variance_vorticity", "explained variance of vorticity", higher_is_better=True, in_table=False),
        Score("track_mu", "track mu", higher_is_better=True, written=decimals(3)),
        Score("track_sigma", "track sigma", higher_is_better=False, in_table=False),
        Score("track_lambda_x", "track lx", "km", higher_is_better=False, written=decimals(0)),
    )

    def __init__(
        self,
        *,
        box: Sequence[float] | None,
        spectra: bool,
        spectral_box: Sequence[float] | None,
        segment_km: float,
        animation: bool,
        published: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        checks.number("evaluation.scores.segment_km", segment_km, above=0)
        self.box, self.spectral_box = box_of("box", box), box_of("spectral_box", spectral_box)
        self.with_spectra, self.segment_km, self.animation = spectra, segment_km, animation
        self.published = published_rows(published, self.all_scores)
        self._said: set[str] = set()

    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """The scores that the class describes. Raises Refusal for maps that cannot be scored."""
        scores = self._of_maps(samples, prediction) if "ssh" in samples else {}
        if tracks.held_out(samples):
            scores |= self._along_tracks(samples, prediction)
        for name, value in scores.items():
            if not np.isfinite(value):
                raise Refusal(f"Its {name} is {value}.")
        return scores

    def _of_maps(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        maps = maps_of(samples, prediction)
        scored = maps.within(self.box)
        scores = height_scores(scored) | flow_scores(scored)
        if (found := self._spectra(maps)) is not None:
            scores |= _lambdas(found)
        return scores

    def _spectra(self, maps: Maps) -> Spectra | None:
        """The spectra; None where they are not wanted, or where no spectral_box was typed and there is land, a hole, or
        too few days or longitudes. Refusal of such a spectral_box."""
        if not self.with_spectra:
            return None
        inside = maps.within(self.box if self.spectral_box is None else self.spectral_box)
        if not np.isfinite(inside.truth).all() and self.spectral_box is None:
            self._say(
                "Spectra are left out, as there is land, or holes in the truth: type "
                "evaluation.scores.spectral_box=[south,north,...]"
            )
            return None
        try:
            return spectra(inside.truth, inside.error, time=inside.time, lat=inside.lat, lon=inside.lon)
        except Refusal as error:
            if self.spectral_box is not None:
                raise Refusal(f"{error} Scores without spectra: evaluation.scores.spectra=false") from error
            self._say(f"Spectra are left out. {error}")
            return None

    def _along_tracks(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        track = tracks.track_of(samples, prediction)
        scores = tracks.daily_scores(track)
        if not tracks.has_segment(track, self.segment_km):
            self._say(
                "track_lambda_x is left out because no held-out pass is as long as evaluation.scores.segment_km="
                f"{self.segment_km:g}: type less"
            )
        elif (wavelength := tracks.resolved_along(track, self.segment_km)) is not None:
            scores["track_lambda_x"] = wavelength
        return scores

    def _say(self, sentence: str) -> None:
        """Log a sentence once, not at each validation."""
        if sentence not in self._said:
            self._said.add(sentence)
            log.info(sentence)

    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """maps.png and vorticity.png of one day, that of the median error of the first method; rmse.png in time;
        sst.png with a second input; spectra.png where there are spectra; swath.png where swaths were simulated with
        errors; animation.gif with the option `animation`. Without truth maps.png alone.
        """
        from dlgd.plotting.style import save
        from dlgd.problems.ssh import figures as draw
        from dlgd.problems.ssh.methods import swath_errors
        from dlgd.problems.ssh.track_figures import maps_with_errors, swath

        if not predictions:
            raise ValueError("There is no prediction to draw.")
        if "ssh" not in samples:
            save(folder / "maps.png", maps_with_errors(samples, predictions, {}))
            return
        known = known_days(samples)
        time, days, daily, found, middle = samples.time.values[known], {}, {}, {}, slice(0)
        for name, prediction in predictions.items():  # one after the other, to spare memory
            maps = maps_of(samples, prediction)
            daily[name] = daily_rmse(maps.within(self.box))
            if not days:
                day = int(np.argsort(daily[name])[len(time) // 2])
                middle = slice(day, day + 1)
            days[name] = maps.on(middle)
            if (spectra := self._spectra(maps)) is not None:
                found[name] = spectra
        seen = observed_on(samples)[known]
        save(folder / "maps.png", draw.height_maps(days, seen[middle]))
        save(folder / "vorticity.png", draw.vorticity_maps(days))
        if "sst" in samples:
            temperature = observed_on(samples, "sst")[known][middle]
            save(folder / "sst.png", draw.second_input(next(iter(days.values())), seen[middle], temperature))
        save(folder / "rmse.png", draw.rmse_in_time(time, daily))
        if found:
            save(folder / "spectra.png", draw.spectral_scores(found))
        errors = swath_errors.assumed(swath_errors.SIMULATED, samples)
        name, prediction = next(iter(predictions.items()))
        if errors is not None and (figure := swath(samples, name, prediction, errors)) is not None:
            save(folder / "swath.png", figure)
        if self.animation:
            frames = slice(draw.FRAMES)
            names = list(predictions)[: draw.ANIMATED]
            moving = {name: maps_of(samples, predictions[name]).on(frames) for name in names}
            draw.animation(folder / "animation.gif", moving, seen[frames])

    def error_std_figures(
        self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray], stds: Mapping[str, np.ndarray]
    ) -> None:
        """error_std.png: whether errors are as large as methods expect them to be. Without the truth, maps.png with
        expected errors.

        stds: the standard deviations (sample, lat, lon) that methods predict for their errors, m; NaN on other days.
        """
        from dlgd.plotting.style import save
        from dlgd.problems.ssh import figures as draw
        from dlgd.problems.ssh.track_figures import maps_with_errors

        if "ssh" not in samples:
            save(folder / "maps.png", maps_with_errors(samples, predictions, stds))
            return
        pairs, known = {}, known_days(samples)
        for name, std in stds.items():
            days = np.flatnonzero(known & np.isfinite(std).any(axis=(1, 2)))
            if len(days) == 0:
                continue
            some = samples.isel(sample=days)
            maps, spread = (maps_of(some, each[days]).within(self.box) for each in (predictions[name], std))
            there = np.isfinite(maps.error)
            pairs[name] = maps.error[there], spread.predicted[there]
        if pairs:
            save(folder / "error_std.png", draw.calibration(pairs))

    def with_error_std(self, dataset: xr.Dataset, samples: xr.Dataset, std: np.ndarray) -> xr.Dataset:
        """The same with ssh_error_std (time, lat, lon), m."""
        import xarray as xr

        std = curvilinear.back(std, samples) if curvilinear.of(samples) else std
        field = xr.Variable(dataset.ssh.dims, std, ERROR_STD, PACKED)
        told = dataset.assign(ssh_error_std=field)
        told.ssh.attrs["ancillary_variables"] = "ssh_error_std"
        return told

    def dataset(self, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
        """ssh (time, lat, lon), as predicted, m; observations of the same days; ssh_truth where the truth is known.
        Samples of a curvilinear grid: ssh (time, y, x) at its points; of unevenly spaced axes: ssh alone, on these."""
        import xarray as xr

        fields = {"ssh": (shaped(samples, prediction), HEIGHT | {"long_name": "sea surface height, as interpolated"})}
        if "ssh" in samples:
            truth = samples.ssh.transpose("sample", "lat", "lon").values
            fields["ssh_truth"] = (truth, HEIGHT | {"long_name": "true sea surface height"})
        long_name = "observed sea surface height, mean of a cell and a day"
        fields["observations"] = (observed_on(samples), HEIGHT | {"long_name": long_name})
        dims = ("time", "lat", "lon")
        encodings = {"time": {"units": "days since 1950-01-01", "dtype": "float64"}}
        coordinates = {name: xr.Variable(name, samples[name].values, AXES[name], encodings.get(name)) for name in dims}
        numbers = {name: value for name, value in samples.attrs.items() if isinstance(value, int | float | str)}
        title = "Sea surface height, interpolated from observations"
        variables = {name: xr.Variable(dims, values, attrs, PACKED) for name, (values, attrs) in fields.items()}
        if curvilinear.of(samples):  # what else there is stands in the person's own file, on this grid
            dims, axes = curvilinear.own_axes(samples)
            attrs = fields["ssh"][1] | ({} if "lat" in dims else {"coordinates": "lat lon"})
            variables = {
                "ssh": xr.Variable(("time", *dims), curvilinear.back(fields["ssh"][0], samples), attrs, PACKED)
            }
            coordinates |= {name: xr.Variable(along, values, AXES[name]) for name, (along, values) in axes.items()}
        return xr.Dataset(variables, coordinates, numbers | CF_CONVENTIONS | {"title": title})


def _lambdas(found: Spectra) -> dict[str, float]:
    """The lambdas that exist, in the units that the class gives."""
    scores = {}
    if (least := found.minima()) is not None:
        scores |= {"lambda_x": least[0] * found.km_per_degree, "lambda_x_degrees": least[0], "lambda_t": least[1]}
    in_space, in_time = found.crossings()
    if in_space is not None:
        scores["lambda_x_crossing"] = in_space * found.km_per_degree
    if in_time is not None:
        scores["lambda_t_crossing"] = in_time
    return scores
