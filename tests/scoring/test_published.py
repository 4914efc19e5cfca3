"""Published rows belong to their data: which of them stand under a run."""

from __future__ import annotations

import hydra
import pytest

from dlgd import build
from dlgd.cli.entry import with_evaluation
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF

DAYS = "data.splits={train: 0.6, valid: 0.1, test: [2012-10-22, 2012-12-02], gap: null}"


def composed(*typed):
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return with_evaluation(hydra.compose("config", [*typed, "evaluation.methods=null"]))


def sources(*typed, **options):
    """The sources of the rows that stand, without repetition."""
    return sorted({row["source"] for row in build.evaluation(composed(*typed), **options).published})


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["data=nemovar"], ["Coulaud 2022, table 5", "Coulaud 2022, table 6"]),
        (["data=nemovar", "data.grid=mercator"], []),
        (["data=nemovar", "data.rows=40"], []),
        (["data=nemovar_files"], ["Coulaud 2022, table 5", "Coulaud 2022, table 6"]),
        (["data=mercator"], ["Coulaud 2022, table 8", "Coulaud 2022, table 9"]),
        (["data=nemovar", "data.steps=8"], []),
        (["data=nemovar_files", "data.grid=mercator"], ["Coulaud 2022, table 8", "Coulaud 2022, table 9"]),
        (["data=nemovar_files", "data.grid=latlon"], ["Coulaud 2022, table 8", "Coulaud 2022, table 9"]),
        (["data=nemovar_files", "data.grid=latlon", "data.steps=6"], []),
        (["data=latlon"], ["Coulaud 2022, table 8", "Coulaud 2022, table 9"]),
        (["data=mercator", "data.coast=real"], []),
        (["data=ssh"], []),
        (["data=ssh_netcdf", "path=mine.nc"], []),
        (["data=ssh_netcdf", "path=natl60.nc", DAYS], ["challenge 2020a"]),
        (["data=mnist_5k"], []),
        (["data=mnist"], ["DLOA 2023 course"]),
        (["data=mnist", "data.task=denoise"], []),
        (["data=fashion_mnist"], ["DLCourse MOi 2022", "DLOA 2023 course"]),
        (["data=lorenz63"], []),
        (["data=lorenz63", "data.preset=dlgd2021"], ["DLGD 2021"]),
        (["data=lorenz63", "data.preset=dlgd2021", "data.observations.components=all"], []),
        (["data=lorenz63", "data.preset=sakov2012"], ["DAPPER 1.7.1"]),
        (["data=lorenz63", "data.task=forecast", "data.preset=forecast"], ["CIA-Oceanix courses"]),
        (["data=lorenz63", "data.task=identify"], ["CIA-Oceanix courses"]),
        (["data=lorenz63", "data.task=identify", "data.dt=0.05"], []),
    ],
)
def test_rows_stand_under_runs_of_their_data(typed, found):
    ours = sources(*typed)
    assert {source.split(";")[0] for source in ours} >= set(found)
    assert len({source.split(";")[1] for source in ours if "report" in source}) <= 1, "of one grid"
    assert bool(ours) == bool(found)
    assert all("; " in source for source in ours), "a row says its data"


def test_all_rows_stand_where_they_are_asked_for():
    assert sources("data=ssh", "evaluation.published=all") == ["challenge 2020a; NATL60, Gulf Stream"]
    with pytest.raises(Refusal, match=r"evaluation\.published=some is unknown: choose one of own, all"):
        sources("data=ssh", "evaluation.published=some")


def test_no_row_is_of_the_data_of_another_file():
    assert sources("data=nemovar", samples_of_data=False) == []
    assert sources("data=nemovar", "evaluation.published=all", samples_of_data=False) != []


def test_a_row_without_data_stands_everywhere():
    mine = "evaluation.scores.published=[{name: mine, source: a note, eps_q: 0.1}]"
    for data in ("nemovar", "mercator"):
        assert sources(f"data={data}", mine, samples_of_data=False) == ["a note"]


@pytest.mark.parametrize("wrong", ["nemovar", "{}", "[]", "[a]"])
def test_conditions_that_are_none_are_refused(wrong):
    row = f"evaluation.scores.published=[{{name: mine, source: a note, eps_q: 0.1, for: {wrong}}}]"
    with pytest.raises(Refusal, match=r"mine: for=.*must have options and their values"):
        sources("data=nemovar", row)
