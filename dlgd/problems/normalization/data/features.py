"""The input and the target that networks get of a diffusion operator.

Physical fields are padded by halo + 1 cells with the grid's topology; features have halo cells around. South and west
faces have the index of the cell that they bound.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlgd.core import checks
from dlgd.core.contract import Scaling
from dlgd.core.specs import Staggered
from dlgd.problems.normalization.data import closed_forms
from dlgd.problems.normalization.data.closed_forms import GUESS, ClosedForm


@dataclass(frozen=True)
class Padded:
    """Samples padded by p cells; shapes (..., ny + 2 p, nx + 2 p), alpha_i one row more, alpha_j one column more.

    All are arrays of NumPy, or all are tensors.
    """

    alpha_i: Any  # m2
    alpha_j: Any  # m2
    w: Any  # m2
    sea: Any  # bool
    distance: Any  # cells, signed; None where the features do not use it
    known: Mapping[str, Any]  # what the closed form gives
    alpha_k: Any = None  # m3, on top faces (level + 1, ny + 2 p, nx + 2 p); None in two dimensions


class Features(ABC):
    """A choice of input channels and of the target's scaling."""

    distance_metric: str = "euclidean"  # of the signed distance to the coast
    uses_distance: bool = False

    @property
    @abstractmethod
    def channels(self) -> tuple[str, ...]:
        """Names of the input channels."""

    @property
    @abstractmethod
    def staggered(self) -> tuple[Staggered, ...]:
        """The channels that stand on faces, as in StaggeredGridSpec."""

    @property
    def directional(self) -> tuple[tuple[str, str], ...]:
        """Pairs of channels that change places when the grid is turned, as in StaggeredGridSpec."""
        return ()

    @property
    @abstractmethod
    def zeroed_on_land(self) -> tuple[str, ...]:
        """The channels that are set to 0 on land after scaling, as in StaggeredGridSpec."""

    @property
    @abstractmethod
    def scaling(self) -> Scaling:
        """The scaling of gamma, or of gamma over its closed form."""

    @property
    @abstractmethod
    def statistics(self) -> dict[str, float]:
        """What `learn` found in the training split; empty where nothing is learned."""

    @property
    def closed_form(self) -> ClosedForm | None:
        """The closed form whose fields are computed for each operator beforehand; None where none is needed."""
        return None

    @abstractmethod
    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Use what `learn` found at training time."""

    @abstractmethod
    def learn(self, fields: Mapping[str, np.ndarray], sea: np.ndarray) -> None:
        """Compute the statistics of the training split: alpha_i and alpha_j (south and west faces), w and gamma, each
        (sample, y, x)."""

    def input(self, padded: Padded) -> np.ndarray:
        """The input channels of one sample, (C, ny + 2 p - 2, nx + 2 p - 2) float32."""
        return np.stack(self.fields(padded, np)).astype(np.float32)

    @abstractmethod
    def fields(self, padded: Padded, library: Any) -> list[Any]:
        """The fields of `channels`, (..., ny + 2 p - 2, nx + 2 p - 2) each: they use up one cell of padding.

        library: numpy or torch, of whose kind all are; the same operations serve data sets and exported graphs.
        """

    @abstractmethod
    def target(self, gamma: np.ndarray, known: Mapping[str, np.ndarray]) -> np.ndarray:
        """The scaled target (y, x), float32, zero where gamma is NaN; `known` has the fields of the closed form."""

    @abstractmethod
    def gamma(self, prediction: np.ndarray, known: Mapping[str, np.ndarray]) -> np.ndarray:
        """gamma in m (y, x), from a scaled prediction."""


INNER = np.s_[..., 1:-1, 1:-1]
AREA_STEP = 0.05  # of log(w_p / w_q) between neighbours on a surface


class Dimensionless(Features):
    """Logarithms of the elements of A = W^-1/2 (W + D) W^-1/2, and fields of a closed form. The target is the logarithm
    of gamma over the closed form.

    gamma^2 / w depends only on the couplings alpha / sqrt(w_p w_q), the ratios of neighbouring areas and the coast. So
    nothing here has a unit and no statistics are needed: centres and widths are rounded constants that suit length
    scales of 0.2 to 2 cells.
    """

    CENTRE, WIDTH = -1.0, 1.2  # of log(alpha / w) for length scales of 0.25 to 1.6 cells

    STAGGERED = (
        Staggered("log_coupling_i", "log_coupling_j"),
        Staggered("open_i", "open_j"),
        Staggered("log_area_step_i", "log_area_step_j", antisymmetric=True),
    )

    def __init__(self, closed_form: ClosedForm, area_step: float = AREA_STEP) -> None:
        self._closed_form, self.area_step = closed_form, area_step

    @property
    def closed_form(self) -> ClosedForm:
        """The closed form that gamma is compared with."""
        return self._closed_form

    @property
    def channels(self) -> tuple[str, ...]:
        """Those of the faces, whether a cell is sea, and those of the closed form."""
        faces = (name for pair in self.STAGGERED for name in (pair.south, pair.west))
        return (*faces, "sea", *self.closed_form.channels)

    @property
    def staggered(self) -> tuple[Staggered, ...]:
        """The couplings, whether faces are open, and the differences of areas."""
        return self.STAGGERED

    @property
    def directional(self) -> tuple[tuple[str, str], ...]:
        """The pairs of the closed form."""
        return self.closed_form.directional

    @property
    def zeroed_on_land(self) -> tuple[str, ...]:
        """None: a face that touches land is closed and has the same values at both of its cells."""
        return ()

    @property
    def scaling(self) -> Scaling:
        """The scaling of the logarithm of gamma over its closed form."""
        return Scaling(mean=0.0, std=self.closed_form.residual, log=True)

    @property
    def statistics(self) -> dict[str, float]:
        """Empty, because nothing is learned."""
        return {}

    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Nothing to set."""

    def learn(self, fields: Mapping[str, np.ndarray], sea: np.ndarray) -> None:
        """Nothing to learn."""

    def fields(self, padded: Padded, library: Any) -> list[Any]:
        """Zero on land and on closed faces."""
        log_w = library.log(padded.w)
        step_i = log_w[INNER] - log_w[..., :-2, 1:-1]
        step_j = log_w[INNER] - log_w[..., 1:-1, :-2]
        alpha_i, alpha_j = padded.alpha_i[..., :-1, :][INNER], padded.alpha_j[..., :-1][INNER]
        open_i, open_j, sea = alpha_i > 0, alpha_j > 0, padded.sea[INNER]

        def coupling(alpha: Any, step: Any, is_open: Any) -> Any:
            log_r = library.log(library.where(is_open, alpha, 1.0)) - log_w[INNER] + step / 2
            return library.where(is_open, (log_r - self.CENTRE) / self.WIDTH, 0.0)

        return [
            coupling(alpha_i, step_i, open_i),
            coupling(alpha_j, step_j, open_j),
            open_i,
            open_j,
            library.where(open_i, library.clip(step_i / self.area_step, -4, 4), 0.0),
            library.where(open_j, library.clip(step_j / self.area_step, -4, 4), 0.0),
            sea,
            *(library.where(sea, padded.known[name][INNER], 0.0) for name in self.closed_form.channels),
        ]

    def target(self, gamma: np.ndarray, known: Mapping[str, np.ndarray]) -> np.ndarray:
        """The logarithm of gamma over the guess, over its usual size."""
        return np.nan_to_num(np.log(gamma / known[GUESS]) / self.scaling.std, nan=0.0).astype(np.float32)

    def gamma(self, prediction: np.ndarray, known: Mapping[str, np.ndarray]) -> np.ndarray:
        """The guess times the exponential of the residual."""
        return known[GUESS] * np.exp(self.scaling.std * prediction.astype(np.float64))


class Standardized(Features):
    """Fields minus their mean, over their standard deviation, and the distance to the coast: the input of Coulaud 2022.

    over: "sea" or "image", over which the statistics are computed; with "sea", land is then set to zero.
    distance: manhattan, euclidean or none.
    """

    NAMES = ("alpha_i", "alpha_j", "w", "gamma")

    def __init__(self, *, over: str, distance: str) -> None:
        checks.choice("data.standardize_over", over, ("sea", "image"))
        checks.choice("data.distance", distance, ("none", "manhattan", "euclidean"))
        self.over, self.distance, self.uses_distance = over, distance, distance != "none"
        self.distance_metric = "euclidean" if distance == "none" else distance
        self._statistics: dict[str, float] = {}

    @property
    def channels(self) -> tuple[str, ...]:
        """alpha_i, alpha_j, w and, if it is wanted, the signed distance to the coast."""
        return ("alpha_i", "alpha_j", "w") + (() if self.distance == "none" else (f"distance_{self.distance}",))

    @property
    def staggered(self) -> tuple[Staggered, ...]:
        """alpha_i and alpha_j."""
        return (Staggered("alpha_i", "alpha_j", self._scaling("alpha_i"), self._scaling("alpha_j")),)

    @property
    def zeroed_on_land(self) -> tuple[str, ...]:
        """All standardized fields, where they are standardized over the "sea"."""
        return self.channels[:3] if self.over == "sea" else ()

    @property
    def scaling(self) -> Scaling:
        """The scaling of gamma in m."""
        return self._scaling("gamma")

    def _scaling(self, name: str) -> Scaling:
        """The identity until the statistics are known."""
        return Scaling(self._statistics.get(f"mean_{name}", 0.0), self._statistics.get(f"std_{name}", 1.0))

    @property
    def statistics(self) -> dict[str, float]:
        """The mean and standard deviation of each field."""
        return dict(self._statistics)

    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Use the means and standard deviations of the training split."""
        self._statistics = {key: float(value) for key, value in statistics.items()}

    def learn(self, fields: Mapping[str, np.ndarray], sea: np.ndarray) -> None:
        """Compute means and standard deviations over samples and cells."""
        for name in self.NAMES:
            values = np.nan_to_num(fields[name])
            chosen = values[..., sea] if self.over == "sea" else values
            self._statistics[f"mean_{name}"], self._statistics[f"std_{name}"] = (
                float(chosen.mean()),
                float(chosen.std()),
            )

    def fields(self, padded: Padded, library: Any) -> list[Any]:
        """Zero on land where they are standardized over the sea, but for the distance."""
        sea = padded.sea[INNER]

        def scaled(name: str, values: Any) -> Any:
            scaling = self._scaling(name)
            found = (values - scaling.mean) / scaling.std
            return library.where(sea, found, 0.0) if self.over == "sea" else found

        found = [
            scaled("alpha_i", padded.alpha_i[..., :-1, :][INNER]),
            scaled("alpha_j", padded.alpha_j[..., :-1][INNER]),
            scaled("w", library.where(sea, padded.w[INNER], 0.0)),
        ]
        return [*found, padded.distance[INNER] / 10] if self.uses_distance else found  # tens of cells: of order one

    def target(self, gamma: np.ndarray, known: Mapping[str, np.ndarray]) -> np.ndarray:
        """gamma, standardized."""
        scaling = self.scaling
        return np.nan_to_num((gamma - scaling.mean) / scaling.std, nan=0.0).astype(np.float32)

    def gamma(self, prediction: np.ndarray, known: Mapping[str, np.ndarray]) -> np.ndarray:
        """gamma in m."""
        return prediction.astype(np.float64) * self.scaling.std + self.scaling.mean


def choose(features: str, *, closed_form: str, area_step: float, standardize_over: str, distance: str) -> Features:
    """Return the features of a name. The options of both kinds are checked in any case.

    features: "dimensionless" or "standardized". The other options are those of `OperatorOptions`.
    """
    checks.choice("data.features", features, ("dimensionless", "standardized"))
    standardized = Standardized(over=standardize_over, distance=distance)
    dimensionless = Dimensionless(closed_forms.choose(closed_form), area_step)
    return dimensionless if features == "dimensionless" else standardized
