"""Options of the data set that cannot work are refused before any work, in one sentence that names the option."""

from __future__ import annotations

import pytest

from dlgd.core.errors import Refusal
from tests.problems.normalization.data.small_data import SMALL, make

DIFFUSIVITY = {"scale_min": 0.25, "scale_max": 1.6, "anisotropy": 0.7, "smoothness": 20.0}


def test_good_options():
    make("nemovar").check()
    make("mercator", patch=40, coast="real", coast_weight=2.0).check()
    make("mercator", columns=47).check()


REGION = {"lat": [30.0, 46.0], "lon": [-6.0, 37.0], "stretching": 0.3}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"samples": SMALL["samples"] | {"train": 0}}, "data.samples.train=0 must be a whole number of at least 1"),
        ({"samples": SMALL["samples"] | {"valid": 0}}, "data.samples.valid=0 must be a whole number of at least 1"),
        ({"samples": SMALL["samples"] | {"test": -1}}, "data.samples"),
        ({"samples": {"train": 2, "valid": 1}}, "data.samples must give a number for each of train, valid, test"),
        ({"samples": SMALL["samples"] | {"extra": 1}}, "data.samples must give a number for each of"),
        ({"patch": 41}, "data.patch=41 does not fit the grid of 40 x 48 cells: choose at most 40"),
        ({"patch": 0}, "data.patch=0 must be a whole number of at least 1"),
        ({"grid": "cubed"}, "data.grid=cubed is unknown: choose one of latlon, mercator, regional, tripolar"),
        ({"grid": "regional"}, "data.region must give lat, lon and stretching"),
        ({"grid": "regional", "region": REGION | {"depth": 3}}, "data.region must give lat, lon and stretching"),
        ({"grid": "regional", "region": REGION | {"lat": [30.0]}}, r"data.region.lat=\[30.0\] must be the two sides"),
        (
            {"grid": "regional", "region": REGION | {"lat": [46, 30]}},
            "must be .south, north. and .west, east. of a region",
        ),
        ({"grid": "regional", "region": REGION | {"stretching": 2}}, "data.region.stretching=2 must be a number"),
        ({"region": REGION}, "data.region is of data.grid=regional: leave it out with data.grid=mercator"),
        ({"coast": "rugged"}, "data.coast=rugged is unknown: choose one of real, random"),
        ({"coast_weight": -0.5}, "data.coast_weight=-0.5 must be a number of at least 0"),
        ({"seed": -1}, "data.seed=-1 must be a whole number of at least 0"),
        ({"grid": "tripolar", "columns": 47}, "data.columns=47: a tripolar grid needs an even number"),
        ({"grid": "tripolar", "rows": 6, "patch": 4}, "data.rows=6, data.columns=48.*cannot have 6 rows"),
        ({"tolerance": {"train": 0.0, "evaluation": 1e-6}}, "data.tolerance.train=0.0 must be a number from"),
        ({"tolerance": {"train": 1e-4, "evaluation": 0.1}}, "data.tolerance.evaluation=0.1 must be a number"),
        ({"tolerance": {"train": 1e-4}}, "data.tolerance must give a number for each of train and evaluation"),
        ({"diffusivity": DIFFUSIVITY | {"scale_min": 0.0}}, "data.diffusivity.scale_min=0.0"),
        ({"diffusivity": DIFFUSIVITY | {"scale_min": 2.0}}, "scale_min=2.0 and scale_max=1.6 .* in order"),
        ({"diffusivity": DIFFUSIVITY | {"scale_max": 60.0}}, "scale_max=60.0 .* at most 5 cells"),
        (
            {"diffusivity": DIFFUSIVITY | {"anisotropy": 1.1}},
            "data.diffusivity.anisotropy=1.1 must be a number from 0 to 1",
        ),
        (
            {"diffusivity": DIFFUSIVITY | {"smoothness": 0.0}},
            "data.diffusivity.smoothness=0.0 must be a number above 0",
        ),
        ({"diffusivity": {"scale_min": 0.25}}, "data.diffusivity must give scale_min, scale_max"),
        (
            {"diffusivity": DIFFUSIVITY | {"coast": {"share": [0.5, 0.6]}}},
            "data.diffusivity.coast=.* must give share and cells, each as",
        ),
        (
            {"diffusivity": DIFFUSIVITY | {"coast": {"share": 0.5, "cells": [4.0, 5.0]}}},
            r"data.diffusivity.coast.share=0.5 must be \[least, most\]",
        ),
        (
            {"diffusivity": DIFFUSIVITY | {"band": {"factor": [1.0, 4.0], "half_width": [5.0, 9.0]}}},
            "its longest scale, 6.4 cells, is above 5",
        ),
        (
            {"diffusivity": DIFFUSIVITY | {"fronts": {"factor": [2.0, 1.0], "area": [0.1, 0.2]}}},
            "data.diffusivity: factor 2.0 to 1.0 must be positive and in order",
        ),
        ({"diffusivity": DIFFUSIVITY | {"smoothness": []}}, "data.diffusivity.smoothness=.* must be a number"),
        ({"diffusivity": DIFFUSIVITY | {"scale_mix": 1.0}}, "data.diffusivity must give .* and nothing else"),
    ],
)
def test_refusals(change, words):
    source = make("mercator", **change)
    with pytest.raises(Refusal, match=words) as caught:
        source.check()
    assert "\n" not in str(caught.value)
    with pytest.raises(Refusal):
        source.prepare()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features": "all"}, "data.features=all is unknown: choose one of dimensionless, standardized"),
        ({"standardize_over": "land"}, "data.standardize_over=land is unknown: choose one of sea, image"),
        ({"distance": "chebyshev"}, "data.distance=chebyshev is unknown: choose one of none, manhattan, euclidean"),
        ({"features": "standardized", "distance": "chebyshev"}, "data.distance=chebyshev"),
    ],
)
def test_features(change, words):
    with pytest.raises(Refusal, match=words):
        make("mercator", **change)


@pytest.mark.parametrize("tolerance", [1e-8, 1e-4])
def test_the_largest_scale_can_be_probed(tolerance):
    """Up to the limit that is refused, the simulator works."""
    source = make(
        "nemovar",
        rows=20,
        columns=24,
        diffusivity=DIFFUSIVITY | {"scale_min": 5.0, "scale_max": 5.0},
        tolerance={"train": tolerance, "evaluation": 1e-2},
        samples={"train": 1, "valid": 1, "test": 1},
    )
    source.prepare()
