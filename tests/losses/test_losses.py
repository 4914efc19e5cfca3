"""Every loss of conf/loss that compares numbers: the mask belongs to the mean, and nothing else counts."""

from __future__ import annotations

from dataclasses import replace

import hydra
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from dlgd.core.contract import Loss, Scaling, Spec
from dlgd.core.paths import CONF

LINEAR = Scaling(mean=8e4, std=3e4)
LOG = Scaling(mean=0.0, std=0.25, log=True)
SCALINGS = {"linear": LINEAR, "log": LOG}
ALL = sorted(path.stem for path in (CONF / "loss").glob("*.yaml"))


def spec(scaling: Scaling = LINEAR, kind: str = "field") -> Spec:
    return Spec(
        name="waves", kind=kind, input_channels=("a",), output_channels=("g",), grid=(4, 5), units="m", scaling=scaling
    )


def make(name: str, scaling: Scaling = LINEAR, kind: str = "field", **changes) -> Loss:
    """The loss of conf/loss/<name>.yaml."""
    config = OmegaConf.load(CONF / "loss" / f"{name}.yaml")
    return hydra.utils.instantiate(config, _partial_=True, _convert_="all")(spec=spec(scaling, kind), **changes)


def takes_fields(name: str) -> bool:
    try:
        make(name)
    except ValueError:
        return False
    return True


FIELD = [name for name in ALL if takes_fields(name)]
ERRORS = [name for name in FIELD if name != "gaussian"]  # those of a perfect prediction are zero


@pytest.fixture
def fields():
    """Prediction, target and mask (2, 1, 6, 7), float64; a third of the cells are land."""
    rng = np.random.default_rng(5)
    prediction, target = torch.as_tensor(rng.normal(size=(2, 2, 1, 6, 7)))
    mask = torch.as_tensor(rng.random((2, 1, 6, 7)) > 1 / 3)
    return prediction, target, mask


def test_the_field_losses_are_found():
    assert {"mse", "mae", "huber", "relative"} <= set(FIELD)


# --- what stands on land -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("on_land", [7.0, 1e30, float("nan"), float("inf"), float("-inf")])
def test_a_perfect_prediction_scores_exactly_zero(name, scaling, dtype, on_land, fields):
    _, target, mask = fields
    target = target.to(dtype)
    for where in ("prediction", "target", "both"):
        given = {"prediction": target.clone(), "target": target.clone()}
        for key in given if where == "both" else [where]:
            given[key][~mask] = on_land
        value, terms = make(name, SCALINGS[scaling])(**given, mask=mask)
        assert value.item() == 0.0
        assert all(part.item() == 0.0 for part in terms.values())


@pytest.mark.parametrize("name", FIELD)
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("on_land", [7.0, float("nan"), float("inf")])
def test_land_changes_neither_the_value_nor_a_gradient(name, scaling, on_land, fields):
    prediction, target, mask = fields
    loss = make(name, SCALINGS[scaling])

    def value_and_gradient(land: float) -> tuple[torch.Tensor, torch.Tensor]:
        leaf = prediction.clone()
        leaf[~mask] = land
        leaf.requires_grad_()
        value, _ = loss(prediction=leaf, target=torch.where(mask, target, land), mask=mask)
        value.backward()
        return value.detach(), leaf.grad

    value, gradient = value_and_gradient(on_land)
    expected, expected_gradient = value_and_gradient(0.0)
    assert value == expected
    assert torch.equal(gradient, expected_gradient)
    assert (gradient[~mask] == 0).all()
    assert (gradient[mask] != 0).all()


@pytest.mark.parametrize("name", FIELD)
def test_the_share_of_land_does_not_count(name, fields):
    """The mean is over the sea: the same errors on half the cells give the same loss."""
    prediction, target, _ = fields
    sea = torch.ones_like(target, dtype=torch.bool)
    land = torch.zeros_like(sea)
    loss = make(name)
    alone, _ = loss(prediction=prediction, target=target, mask=sea)
    twice = {"prediction": torch.cat([prediction] * 2), "target": torch.cat([target] * 2)}
    beside_land, _ = loss(**twice, mask=torch.cat([sea, land]))
    torch.testing.assert_close(beside_land, alone)


@pytest.mark.parametrize("name", FIELD)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_no_sea_at_all(name, scaling, fields):
    prediction, target, mask = fields
    prediction.requires_grad_()
    value, _ = make(name, SCALINGS[scaling])(prediction=prediction, target=target, mask=torch.zeros_like(mask))
    value.backward()
    assert value.item() == 0.0
    assert (prediction.grad == 0).all()


# --- values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("mse", {}, (0 + 4 + 0.25) / 3),
        ("mae", {}, (0 + 2 + 0.5) / 3),
        ("huber", {"delta": 1.0}, (0 + 1 * (2 - 0.5) + 0.5 * 0.25) / 3),
        # gamma = 10 + 2 x: predicted 12, 14, 11; true 12, 18, 10
        ("relative", {"power": 2.0}, (0 + (1 - (14 / 18) ** 2) ** 2 + (1.1**2 - 1) ** 2) / 3),
        ("relative", {"power": 1.0}, (0 + (1 - (14 / 18) ** 2) + (1.1**2 - 1)) / 3),
        ("relative_norms", {"powers": [3]}, ((0 + (1 - (14 / 18) ** 2) ** 3 + (1.1**2 - 1) ** 3) / 3) ** (1 / 3)),
    ],
)
def test_by_hand(name, changes, expected):
    prediction = torch.tensor([[1.0, 2.0, 0.5, 100.0]], dtype=torch.float64)
    target = torch.tensor([[1.0, 4.0, 0.0, -3.0]], dtype=torch.float64)
    mask = torch.tensor([[True, True, True, False]])
    loss = make(name, Scaling(mean=10.0, std=2.0), **changes)
    value, terms = loss(prediction=prediction, target=target, mask=mask)
    assert value.shape == ()
    assert value.item() == pytest.approx(expected, rel=1e-5 if name == "relative_norms" else 1e-12)  # a floor
    assert list(terms.values()) == [value]
    assert not any(part.requires_grad for part in terms.values())


@pytest.mark.parametrize("scaling", SCALINGS)
def test_relative_is_the_mean_square_of_eps(scaling):
    """eps = (predicted^2 - gamma^2) / gamma^2 of physical gamma in m, over the sea."""
    rng = np.random.default_rng(0)
    mask = rng.random((1, 1, 9, 8)) > 0.4
    estimate = rng.uniform(5e4, 2e5, mask.shape)  # the closed form, over which the logarithm is taken
    gamma = estimate * rng.uniform(0.6, 1.5, mask.shape)
    predicted = gamma * rng.uniform(0.9, 1.1, mask.shape)
    eps = (predicted**2 - gamma**2) / gamma**2
    if scaling == "log":
        prediction, target = (np.log(g / estimate) / LOG.std for g in (predicted, gamma))
    else:
        prediction, target = ((g - LINEAR.mean) / LINEAR.std for g in (predicted, gamma))
    value, _ = make("relative", SCALINGS[scaling], power=2.0)(
        prediction=torch.as_tensor(prediction), target=torch.as_tensor(target), mask=torch.as_tensor(mask)
    )
    assert value.item() == pytest.approx(np.mean(eps[mask] ** 2), rel=1e-10)


def test_norms_are_added(fields):
    """E|eps| + E[eps^2]^(1/2) + E[eps^6]^(1/6), each from the loss that has it alone."""
    prediction, target, mask = fields
    given = {"prediction": prediction, "target": target, "mask": mask}
    value, terms = make("relative_norms", powers=[1, 2, 6])(**given)
    alone = [make("relative", power=float(p))(**given)[0].item() ** (1 / p) for p in (1, 2, 6)]
    assert [part.item() for part in terms.values()] == pytest.approx(alone, rel=1e-4)
    assert value.item() == pytest.approx(sum(alone), rel=1e-4)


@pytest.mark.parametrize("powers", [[], [0.5, 2], [2, 9]])
def test_powers_without_sense(powers):
    with pytest.raises(ValueError, match=r"loss.powers=.* must be a list of numbers from 1 to 6, such as \[1,2\]"):
        make("relative_norms", powers=powers)


@pytest.mark.parametrize("name", FIELD)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_gradients(name, scaling, fields):
    prediction, target, mask = fields
    loss = make(name, SCALINGS[scaling])
    prediction = (0.3 * prediction).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: loss(prediction=p, target=0.3 * target, mask=mask)[0], (prediction,))


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in FIELD if name != "natural"])
def test_labels(name):
    with pytest.raises(ValueError, match=f"loss={name}.*data=waves gives labels: try loss=cross_entropy"):
        make(name, kind="label")


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("huber", {"delta": 0.0}, "loss.delta=0.0 must be a number above 0"),
        ("huber", {"delta": -1.0}, "loss.delta=-1.0 must be a number above 0"),
        ("relative", {"power": 0.0}, "loss.power=0.0 must be a number of at least 1"),
        ("relative", {"power": 0.5}, "loss.power=0.5 must be a number of at least 1"),
    ],
)
def test_impossible_options(name, change, words):
    with pytest.raises(ValueError, match=words):
        make(name, **change)


@pytest.mark.parametrize("name", ["relative", "relative_norms"])
def test_a_target_that_may_be_zero(name):
    """Its scaled values lie between 0 and 1: divided by, unless it is the logarithm that is scaled."""
    config = OmegaConf.load(CONF / "loss" / f"{name}.yaml")
    loss = hydra.utils.instantiate(config, _partial_=True, _convert_="all")
    for scaling in (Scaling(mean=1.0), LOG):
        loss(spec=replace(spec(scaling), bounds=(0.0, 1.0)))
    for scaling in (Scaling(), Scaling(mean=-5.0, std=10.0)):
        with pytest.raises(ValueError, match=f"loss={name} divides by the target.*data=waves: try loss=mse"):
            loss(spec=replace(spec(scaling), bounds=(0.0, 1.0)))


def test_a_perfect_prediction_has_a_finite_gradient():
    for power in (1.0, 1.5, 2.0):
        prediction = torch.zeros(1, 1, 2, 2, requires_grad=True)
        value, _ = make("relative", power=power)(
            prediction=prediction, target=torch.zeros(1, 1, 2, 2), mask=torch.ones(1, 1, 2, 2, dtype=torch.bool)
        )
        value.backward()
        assert (prediction.grad == 0).all()
