"""Quality flags of along-track files: who says what is bad, and how many points that leaves out."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import track_files
from dlgd.problems.ssh.data.editing import Editing
from tests.problems.ssh.data.track_seas import points, reference, written

FLAGS_ALONE = {"sigma": None, "jumps": None, "highest": None}
TWO = {"flag_values": np.array([0, 1], np.int8)}


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    return reference(tmp_path_factory.mktemp("sea"))


@pytest.fixture
def track():
    return points(0)


@pytest.fixture
def bad(track):
    """8 % of the points."""
    return np.random.default_rng(5).random(len(track["ssh"])) < 0.08


def spoilt(track, bad):
    return np.where(bad, 2.9, track["ssh"])


def kept(path, sea, flags="auto"):
    editing = Editing(flags=flags, **FLAGS_ALONE)
    usual = {"variable": None, "names": {}, "time_units": None, "held_out": None}
    return track_files.table([path], reference=sea, editing=editing, **usual)


@pytest.mark.parametrize(
    ("name", "attributes", "values"),
    [
        ("nasa_flag", {}, (0, 1)),  # PODAAC
        ("median_filter_flag", {}, (0, 1)),
        ("ssha_qual", {"flag_meanings": "good bad", **TWO}, (0, 1)),  # Sentinel-6
        ("ssha_qual", {}, (0, 1)),
        ("quality_flag", {"flag_meanings": "good suspect bad", "flag_values": "0b, 50b, 100b"}, (50, 100)),
        ("validation_flag", {"flag_meanings": "rejected valid", **TWO}, (1, 0)),  # 1 is good
        ("edit_flag", {"flag_meanings": "not_valid valid", **TWO}, (1, 0)),
        ("flag", {}, (0, 1)),
        ("qc", {"flag_meanings": "unknown good_data bad_data", "flag_values": np.array([0, 1, 4], np.int8)}, (1, 4)),
        ("flags", {"flag_meanings": "land ice rejected_by_editing", "flag_masks": np.array([1, 2, 4])}, (3, 6)),
        (
            "quality_flag",
            {"flag_meanings": "fine invalid", "flag_masks": np.array([12, 12]), "flag_values": np.array([4, 8])},
            (5, 9),
        ),
        ("status", {"flag_meanings": "no_error error"}, (0, 1)),  # the values are 0 and 1 where none are given
        ("height_status", {"standard_name": "quality_flag"}, (0, 1)),
    ],
)
def test_flags_that_are_recognized(sea, track, bad, tmp_path, caplog, name, attributes, values):
    good_value, bad_value = values
    flag = np.where(bad, bad_value, good_value).astype(np.int16)
    path = written(tmp_path / "a.nc", track, sla=(spoilt(track, bad),), **{name: (flag, attributes)})
    with caplog.at_level(logging.INFO):
        found = kept(path, sea)
    everything = kept(path, sea, "none")
    assert found.track_ssh.max() < 2
    assert everything.track_ssh.max() > 2
    count, lost = everything.sizes["point"], everything.sizes["point"] - found.sizes["point"]
    assert lost == (everything.track_ssh > 2).sum() > 500
    assert f"quality flags reject {lost} of {count} heights: {lost} by {name} (data.editing.flags)" in caplog.text


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("basin_flag", {}),
        ("surface_flag", {"flag_meanings": "ocean land", **TWO}),
        ("quality_flag", {"flag_meanings": "nominal descending", **TWO}),
        ("cycle", {}),
    ],
)
def test_flags_of_something_else_are_not(sea, track, bad, tmp_path, name, attributes):
    path = written(tmp_path / "a.nc", track, sla=(track["ssh"],), **{name: (bad.astype(np.int8), attributes)})
    assert kept(path, sea).sizes["point"] == kept(path, sea, "none").sizes["point"]
    assert kept(path, sea, [name]).sizes["point"] < kept(path, sea, "none").sizes["point"]


def test_a_flag_without_meanings_that_rejects_most_is_told_and_not_used(sea, track, bad, tmp_path, caplog):
    """As that of the challenge of 2020, where 1 is SWOT; and 1 may mean good."""
    path = written(tmp_path / "a.nc", track, sla=(track["ssh"],), flag=((~bad).astype(np.int8),))
    assert kept(path, sea).sizes["point"] == kept(path, sea, "none").sizes["point"]
    assert "flag of " in caplog.text
    assert "would reject 92 % of the points" in caplog.text


def test_missing_flags_say_nothing(sea, track, bad, tmp_path):
    flag = np.where(bad, np.nan, 0.0)
    path = written(tmp_path / "a.nc", track, sla=(track["ssh"],), nasa_flag=(flag,))
    assert kept(path, sea).sizes["point"] == kept(path, sea, "none").sizes["point"]


def test_flagged_values_that_no_sea_has_are_no_reason_to_refuse(sea, track, bad, tmp_path):
    ssh = np.where(bad, -9999.0, track["ssh"])
    path = written(tmp_path / "a.nc", track, sla=(ssh,), nasa_flag=(bad.astype(np.int8),))
    assert kept(path, sea).track_ssh.min() > -2
    with pytest.raises(Refusal, match=r"sla in .* reaches -9999 m, exactly so in \d+ of \d+ places"):
        kept(path, sea, "none")


def test_several_flags_and_those_that_are_chosen(sea, track, bad, tmp_path, caplog):
    other = np.roll(bad, 7)
    flags = {"nasa_flag": (bad.astype(np.int8),), "range_qual": (other.astype(np.int8),)}
    path = written(tmp_path / "a.nc", track, sla=(track["ssh"],), **flags)
    with caplog.at_level(logging.INFO):
        both = kept(path, sea)
    assert "by nasa_flag, " in caplog.text
    assert both.sizes["point"] < kept(path, sea, ["range_qual"]).sizes["point"]
    with pytest.raises(
        Refusal, match=r"has no flag ice of its heights: choose data.editing.flags among nasa_flag, range"
    ):
        kept(path, sea, ["ice"])


def test_a_file_without_flags_is_not_asked_for_any(sea, track, tmp_path):
    path = written(tmp_path / "a.nc", track, sla=(track["ssh"],))
    assert kept(path, sea).sizes["point"] > 8000
    with pytest.raises(Refusal, match="has no flag nasa_flag of its heights"):
        kept(path, sea, ["nasa_flag"])


def test_why_nothing_is_left(sea, track, tmp_path):
    path = written(tmp_path / "a.nc", track, sla=(track["ssh"],), nasa_flag=(np.ones(len(track["ssh"]), np.int8),))
    with pytest.raises(Refusal, match=r"has no observation in the box .*; \d+ were rejected by flags"):
        kept(path, sea)
