"""The loss of slopes: against a loop over cells, on fields whose derivatives are known, and what must not enter."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from dlgd.core.contract import Spec
from dlgd.core.specs import MapSpec, SequenceSpec
from dlgd.losses import gradients
from dlgd.losses.gradients import Gradients
from dlgd.losses.pointwise import mse

KNOWN = {"name": "sea", "input_channels": ("a",), "output_channels": ("b",), "grid": (9, 8)}
MAPS, FIELDS = MapSpec(**KNOWN, days=5), Spec(**KNOWN, kind="field")


def loss(spec: Spec = MAPS, **changes) -> Gradients:
    return Gradients(spec=spec, **{"gradients": 3.0, "laplacian": 2.0, "day_weights": "triangular"} | changes)


@pytest.fixture
def fields() -> dict[str, torch.Tensor]:
    """(2, 5, 9, 8), float64; some cells are land, where NaN stands."""
    rng = np.random.default_rng(2)
    prediction, target = torch.as_tensor(rng.normal(size=(2, 2, 5, 9, 8)))
    mask = torch.as_tensor(rng.random((2, 1, 9, 8)) > 0.05).expand(2, 5, 9, 8)
    return {"prediction": prediction, "target": torch.where(mask, target, torch.nan), "mask": mask}


SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
FIVE_POINTS = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])


@pytest.mark.parametrize("day_weights", ["triangular", "equal"])
def test_against_a_loop(fields, day_weights):
    error = (fields["prediction"] - fields["target"]).numpy()
    mask = fields["mask"].numpy()
    sums, weights = np.zeros(3), np.zeros(3)
    for n, day, y, x in np.argwhere(mask):
        weight = (1, 2, 3, 2, 1)[day] / 3 if day_weights == "triangular" else 1.0
        sums[0] += weight * error[n, day, y, x] ** 2
        weights[0] += weight
        around = slice(max(y - 1, 0), y + 2), slice(max(x - 1, 0), x + 2)
        if mask[n, day][around].sum() == 9:
            cells = error[n, day][around]
            sums[1] += weight * ((SOBEL * cells).sum() ** 2 + (SOBEL.T * cells).sum() ** 2)
            sums[2] += weight * (FIVE_POINTS * cells).sum() ** 2
            weights[1:] += weight
    assert weights[1] > 0
    expected = dict(zip(("mse", "gradients", "laplacian"), (1, 3, 2) * sums / weights, strict=True))
    value, terms = loss(day_weights=day_weights)(**fields)
    assert {name: part.item() for name, part in terms.items()} == pytest.approx(expected, rel=1e-12)
    assert value.item() == pytest.approx(sum(expected.values()), rel=1e-12)


def test_known_derivatives():
    """Of a plane exact; of a wave within the error of centred differences; of a parabola the Laplacian."""
    y, x = torch.meshgrid(torch.arange(30.0).double(), torch.arange(40.0).double(), indexing="ij")
    south_north, west_east = gradients.sobel(3 * y - 2 * x)
    torch.testing.assert_close(south_north, torch.full((28, 38), 3.0).double())
    torch.testing.assert_close(west_east, torch.full((28, 38), -2.0).double())
    torch.testing.assert_close(gradients.laplacian(y**2 - 3 * x**2 + x * y), torch.full((28, 38), -4.0).double())
    k = 2 * math.pi / 20
    _, slope = gradients.sobel(torch.sin(k * x))
    torch.testing.assert_close(slope, (k * torch.cos(k * x))[1:-1, 1:-1], rtol=0, atol=k**3 / 6 * 1.01)


def test_the_mask_is_eroded():
    mask = np.random.default_rng(1).random((3, 20, 17)) > 0.1
    expected = ndimage.binary_erosion(mask, np.ones((1, 3, 3)))[:, 1:-1, 1:-1]
    assert (gradients.eroded(torch.as_tensor(mask)).numpy() == expected).all()
    assert expected.any()


def test_without_slopes_and_with_equal_days_it_is_the_mean_square(fields):
    value, terms = loss(gradients=0.0, laplacian=0.0, day_weights="equal")(**fields)
    torch.testing.assert_close(value, mse(spec=MAPS)(**fields)[0])
    assert set(terms) == {"mse"}


def test_one_day_weighs_as_it_does_alone(fields):
    today = {name: field[:, 2:3] for name, field in fields.items()}
    torch.testing.assert_close(loss()(**today)[0], loss(day_weights="equal")(**today)[0])


def test_channels_of_other_fields_are_no_days(fields):
    torch.testing.assert_close(loss(FIELDS)(**fields)[0], loss(day_weights="equal")(**fields)[0])


def test_a_constant_error_has_no_slope(fields):
    given = fields | {"prediction": fields["target"] + 0.5}
    _, terms = loss()(**given)
    assert terms["mse"].item() == pytest.approx(0.25)
    assert terms["gradients"].item() == pytest.approx(0, abs=1e-25)
    assert terms["laplacian"].item() == pytest.approx(0, abs=1e-25)


@pytest.mark.parametrize("day_weights", ["triangular", "equal"])
def test_gradients(fields, day_weights):
    prediction = fields["prediction"].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p: loss(day_weights=day_weights)(prediction=p, target=fields["target"], mask=fields["mask"])[0],
        (prediction,),
    )


@pytest.mark.parametrize("shape", [(1, 5, 2, 9), (1, 5, 1, 1)])
def test_maps_too_small_for_slopes(shape):
    given = {"prediction": torch.ones(shape), "target": torch.zeros(shape), "mask": torch.ones(shape, dtype=torch.bool)}
    value, terms = loss()(**given)
    assert value.item() == terms["mse"].item() == 1.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gradients": -1.0}, "loss.gradients=-1.0"),
        ({"laplacian": -1.0}, "loss.laplacian=-1.0"),
        ({"day_weights": "late"}, "loss.day_weights=late is unknown: choose one of triangular, equal"),
    ],
)
def test_impossible_options(change, words):
    with pytest.raises(ValueError, match=words):
        loss(**change)


def test_sequences_have_no_neighbouring_cells():
    with pytest.raises(ValueError, match="data=sea gives sequences: try loss=mse"):
        loss(SequenceSpec(**KNOWN, context_steps=0, dt=1.0))
