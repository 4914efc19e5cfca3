"""In which direction a comparison looks: as the scores themselves say."""

import pytest

from dlgd.core.errors import Refusal
from dlgd.core.score import Score
from dlgd.results import known_scores
from dlgd.results.comparison import Row
from dlgd.results.finished import FinishedRun
from dlgd.results.known_scores import directions
from dlgd.results.tables import compared
from dlgd.tracking.run_tags import SCORES_TAG, scores_tag

KNOWN = {
    "accuracy": True,
    "accuracy_of_Bag": True,
    "asked_recognised": True,
    "explained_variance": True,
    "explained_variance_u": True,
    "mu": True,
    "mu_daily": True,
    "skill_28": True,
    "valid_time": True,
    "track_mu": True,
    "loss": False,
    "seconds_per_sample": False,
    "rmse": False,
    "eps_mean_within_3": False,
    "rmse_f": False,
    "coefficient_error": False,
    "negative_elbo": False,
    "miscalibration": False,
    "nearest_ratio": None,
    "share_within_std": None,
    "sparsity": None,
    "spread_a": None,
}


def test_all_scores_of_the_program_have_directions():
    assert directions(list(KNOWN), higher=[], neither=[]) == (KNOWN, [])


def test_others_can_be_given_one():
    found, notes = directions(["gain", "gain_2", "width", "cost"], higher=["gain*"], neither=["width"])
    assert found == {"gain": True, "gain_2": True, "width": None, "cost": False}
    assert notes == [
        "Nothing says whether more or less of cost is better; less is taken to be: otherwise type higher=[cost] or "
        "neither=[cost]."
    ]


def test_what_is_typed_may_repeat_but_not_contradict():
    assert directions(["accuracy"], higher=["accuracy"], neither=[]) == ({"accuracy": True}, [])
    with pytest.raises(Refusal, match="higher has rmse, but less of rmse is better: leave it out"):
        directions(["mu", "rmse"], higher=["rmse", "mu"], neither=[])
    with pytest.raises(Refusal, match="neither has accuracy, but more of accuracy is better"):
        directions(["accuracy"], higher=[], neither=["*"])


def test_what_runs_have_recorded_needs_no_import_of_the_program(monkeypatch):
    monkeypatch.setattr(known_scores, "known_score", lambda name: pytest.fail(f"{name} was looked for in the program"))
    mine = [Score("gain", "gain", higher_is_better=True), Score("width_*", "", higher_is_better=None, in_table=False)]
    runs = [run_with(scores_tag(mine)), run_with({}), run_with({SCORES_TAG: "no JSON"})]
    found = known_scores.directions(["gain", "width_2"], runs=runs, higher=[], neither=[])
    assert found == ({"gain": True, "width_2": None}, [])
    with pytest.raises(Refusal, match="neither has gain, but more of gain is better"):
        directions(["gain"], runs=runs, higher=[], neither=["gain"])


def test_a_score_that_no_run_has_described_is_looked_for_in_the_program():
    runs = [run_with(scores_tag([Score("gain", "gain", higher_is_better=True)]))]
    assert directions(["accuracy"], runs=runs, higher=[], neither=[]) == ({"accuracy": True}, [])


def run_with(tags):
    return FinishedRun("id", {}, {}, tags, 1.0)


def test_more_names_than_a_tag_can_have_are_not_recorded():
    assert scores_tag(Score(f"score_{number}", "", higher_is_better=False) for number in range(2000)) == {}


def test_rows_stand_in_the_order_of_a_score_that_should_be_high():
    rows = [Row(name, {"accuracy": {"0": x, "1": x + 1}}) for name, x in (("a", 90.0), ("b", 95.0), ("c", 80.0))]
    higher, _ = directions(["accuracy"], higher=[], neither=[])
    table = compared(rows, ["accuracy"], higher=higher, against=None, best_first=True)
    assert [row.name for row in table.rows] == ["b", "a", "c"]
    assert table.best("accuracy").name == "b"
    assert table.reference("accuracy").name == "b"
