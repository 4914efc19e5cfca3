"""In which direction a comparison looks: as the scores themselves say."""

import pytest

from dlgd.core.errors import Refusal
from dlgd.results.comparison import Row
from dlgd.results.finished import FinishedRun
from dlgd.results.known_scores import directions
from dlgd.results.tables import compared

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


def trained(target):
    """A run of a network."""
    return FinishedRun("id", {"model._target_": target}, {}, {}, 1.0)


RUNS = [trained(f"dlgd.models.{name}") for name in ("vae.VAE", "unet.UNet", "ResNet", "nowhere.Thing")]


def test_all_scores_of_the_program_have_directions():
    assert directions(list(KNOWN), RUNS, higher=[], neither=[]) == (KNOWN, [])


def test_others_can_be_given_one():
    found, notes = directions(["gain", "gain_2", "width", "cost"], [], higher=["gain*"], neither=["width"])
    assert found == {"gain": True, "gain_2": True, "width": None, "cost": False}
    assert notes == [
        "Less is taken to be better of cost, of which nobody says it: type higher=[cost] or neither=[cost]."
    ]


def test_what_is_typed_may_repeat_but_not_contradict():
    assert directions(["accuracy"], [], higher=["accuracy"], neither=[]) == ({"accuracy": True}, [])
    with pytest.raises(Refusal, match="higher has rmse, but less of rmse is better: leave it out"):
        directions(["mu", "rmse"], [], higher=["rmse", "mu"], neither=[])
    with pytest.raises(Refusal, match="neither has accuracy, but more of accuracy is better"):
        directions(["accuracy"], [], higher=[], neither=["*"])


def test_rows_stand_in_the_order_of_a_score_that_should_be_high():
    rows = [Row(name, {"accuracy": {"0": x, "1": x + 1}}) for name, x in (("a", 90.0), ("b", 95.0), ("c", 80.0))]
    higher, _ = directions(["accuracy"], [], higher=[], neither=[])
    table = compared(rows, ["accuracy"], higher=higher, against=None, best_first=True)
    assert [row.name for row in table.rows] == ["b", "a", "c"]
    assert table.best("accuracy").name == "b"
    assert table.reference("accuracy").name == "b"
