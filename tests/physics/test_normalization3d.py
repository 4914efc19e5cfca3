"""Coefficients in three dimensions against dense matrices; where products of two and one dimensions hold."""

import numpy as np
import pytest

from dlgd.core.errors import Refusal
from dlgd.physics import normalization, separable
from dlgd.physics import normalization3d as three
from dlgd.physics.diffusion3d import FORMS, Diffusion3D
from dlgd.physics.halo import Topology
from tests.physics.diffusion3d_reference import dense_gamma, small_ocean


def exact(level):
    return normalization.exact(level, 1e-8)


def error(gamma, reference):
    """|relative error| of gamma^2 over the sea."""
    np.testing.assert_array_equal(np.isnan(gamma), np.isnan(reference))
    found = np.abs((gamma / reference) ** 2 - 1)
    return found[np.isfinite(found)]


@pytest.fixture(scope="module")
def rough():
    """A small ocean over a rough bottom, and gamma of each form from dense matrices."""
    operator = small_ocean()
    return operator, {form: dense_gamma(operator, form) for form in FORMS}


def test_column_sums_of_exact_levels_are_exact(rough):
    operator, reference = rough
    assert operator.sea.sum(axis=(1, 2)).min() < 0.7 * operator.sea[0].sum()  # a bottom that matters
    assert error(three.vertical_outermost(operator, exact), reference["vertical_outermost"]).max() < 1e-12


def test_column_sums_hold_for_other_numbers_of_steps():
    operator = small_ocean((5, 8, 9), steps=4)
    reference = dense_gamma(operator, "vertical_outermost")
    assert error(three.vertical_outermost(operator, exact), reference).max() < 1e-12


@pytest.mark.parametrize("form", FORMS)
def test_brute_force_is_exact(rough, form):
    operator, reference = rough
    cells = np.argwhere(operator.sea)[::9]
    assert error(three.brute_force(operator, form, cells), reference[form][tuple(cells.T)]).max() < 1e-12
    with pytest.raises(ValueError, match="rock"):
        three.brute_force(operator, form, np.argwhere(~operator.sea)[:1])


def test_forms_are_different_models():
    operator = small_ocean((5, 8, 9), bottom="slope")
    found = {form: dense_gamma(operator, form) for form in FORMS}
    assert error(found["implicit"], found["vertical_outermost"]).mean() > 0.01
    assert error(found["horizontal_outermost"], found["vertical_outermost"]).mean() > 0.01


def test_the_usual_product_is_exact_over_a_flat_bottom():
    operator = small_ocean(bottom="flat")
    reference = dense_gamma(operator, "vertical_outermost")
    assert error(three.usual_product(operator, exact), reference).max() < 1e-12


def test_the_usual_product_is_wrong_at_slopes():
    operator = small_ocean(bottom="slope")
    reference = dense_gamma(operator, "vertical_outermost")
    found = error(three.usual_product(operator, exact), reference)
    assert found.mean() > 0.01
    assert found.max() > 0.2


def test_any_method_of_two_dimensions_serves_level_by_level(rough):
    """Its relative errors of variances bound those in three dimensions."""
    operator, reference = rough[0], rough[1]["vertical_outermost"]
    wrong = three.vertical_outermost(operator, lambda level: exact(level) * np.sqrt(1.03))
    assert error(wrong, reference) == pytest.approx(0.03)
    closed = three.vertical_outermost(operator, separable.separable)
    assert error(closed, reference).mean() < error(three.homogeneous(operator), reference).mean() / 3


def test_probing_agrees_with_brute_force():
    operator = small_ocean((10, 20, 24), scales=(0.5, 0.5), vertical_scales=(0.4, 0.4))
    cells = np.argwhere(operator.sea)[::37]
    reference = three.brute_force(operator, "implicit", cells)
    at = tuple(cells.T)
    assert error(three.probing(operator)[at], reference).max() < 2e-4
    near = error(three.probing(operator, reach=10.0)[at], reference)
    assert 1e-4 < near.max() < 0.2  # Diracs that stand too close are heard


def test_probing_refuses_a_fold():
    operator = small_ocean()
    folded = Diffusion3D(**vars(operator) | {"topology": Topology("periodic", "fold")})
    with pytest.raises(Refusal, match="fold"):
        three.probing(folded)


@pytest.mark.parametrize(
    ("cells", "distance", "closed"), [(24, 10, True), (24, 10, False), (31, 10, False), (8, 11, False)]
)
def test_diracs_of_a_class_are_far_apart(cells, distance, closed):
    classes = three._classes(cells, distance, closed=closed)
    for one in np.unique(classes):
        places = np.flatnonzero(classes == one)
        gaps = np.diff(places) if closed else np.diff(np.append(places, places[0] + cells))
        assert len(places) == 1 or gaps.min() >= distance


@pytest.mark.parametrize("form", FORMS)
def test_randomization_has_the_error_of_a_sample_variance(form):
    operator = small_ocean((6, 8, 9), scales=(0.3, 0.5), vertical_scales=(0.3, 0.5))
    found = three.randomization(operator, form, 1000, np.random.default_rng(0))
    rms = np.sqrt(np.mean(error(found, dense_gamma(operator, form)) ** 2))
    assert rms == pytest.approx(np.sqrt(2 / 1000), rel=0.2)
    with pytest.raises(ValueError, match="at least one"):
        three.randomization(operator, form, 0, np.random.default_rng(0))


def uniform_energy(r, steps, form):
    """V F_pp on a periodic box, from the eigenvalues of its waves; the third direction alone in a product."""
    k = 4 * np.sin(np.pi * np.arange(128) / 128) ** 2
    if form == "implicit":
        return np.mean((1 + r[0] * k[:, None, None] + r[1] * k[:, None] + r[2] * k) ** -float(steps))
    return np.mean((1 + r[0] * k[:, None] + r[1] * k) ** -float(steps)) * np.mean((1 + r[2] * k) ** -float(steps))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("r", [(0.05, 0.3, 0.1), (1.0, 1.0, 1.0), (2.0, 0.5, 9.0)])
def test_the_homogeneous_form_is_exact_where_all_is_uniform(form, r):
    shape = nz, ny, nx = 3, 3, 3
    operator = Diffusion3D(
        alpha_i=np.full((nz, ny + 1, nx), r[0]),
        alpha_j=np.full(shape, r[1]),
        alpha_k=np.full((nz + 1, ny, nx), r[2]),
        volume=np.ones(shape),
        sea=np.ones(shape, bool),
        topology=Topology("periodic", "periodic"),
    )
    gamma = three.homogeneous(operator, form)[1, 1, 1]
    tolerance = 1e-3 if form == "implicit" else 1e-10
    assert gamma**-2 == pytest.approx(uniform_energy(r, 10, form), rel=tolerance)
