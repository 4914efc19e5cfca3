"""The loss on a plane of weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlgd.losses.classification import CrossEntropy
from dlgd.scoring.loss_surface import in_plane, loss_on_plane, losses_at, main_directions
from tests.models.made import LABELS, batch_of, make
from tests.training.test_weight_path import Line, line
from tests.training.tiny_training import SquaredError


def test_the_surface_of_a_line_is_the_known_paraboloid():
    samples, network = line(), Line()
    first, second = np.linspace(0, 3, 5), np.linspace(-1, 1, 4)
    surface = loss_on_plane(network, [samples], SquaredError(), origin=torch.zeros(2), directions=torch.eye(2),
                            first=first, second=second)  # fmt: skip
    assert surface.shape == (4, 5)
    x, y = samples.input.numpy(), samples.target.numpy()
    for row, slope in enumerate(second):
        for column, constant in enumerate(first):
            assert surface[row, column] == pytest.approx(np.mean((constant + slope * x - y) ** 2), rel=1e-5)
    assert network.weights.tolist() == [0.0, 0.0]


def test_batches_of_different_sizes_count_by_their_samples():
    network, loss = make("mlp", LABELS, sizes=[5]).train(), CrossEntropy(spec=LABELS, label_smoothing=0.0)
    whole, parts = batch_of(LABELS), [batch_of(LABELS, 6), batch_of(LABELS, 2)]
    weights = torch.nn.utils.parameters_to_vector(network.parameters()).detach()
    single = [losses_at(network, [one], loss, [weights])[0] for one in (whole, parts[1])]
    together = losses_at(network, parts, loss, weights[None])
    assert together == pytest.approx([(6 * single[0] + 2 * single[1]) / 8])
    assert network.training


def test_the_plane_holds_a_path_that_lies_in_one():
    generator = torch.Generator().manual_seed(0)
    plane, _ = torch.linalg.qr(torch.randn(50, 2, generator=generator))
    path = torch.randn(7, 2, generator=generator) @ plane.T + 3.0
    directions, shares = main_directions(path)
    torch.testing.assert_close(directions @ directions.T, torch.eye(2), atol=1e-5, rtol=0)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[0] >= shares[1]
    places = in_plane(path, origin=path[-1], directions=directions)
    assert places[-1].tolist() == [0.0, 0.0]
    torch.testing.assert_close(path[-1] + torch.as_tensor(places) @ directions, path)


@pytest.mark.parametrize("path", [torch.randn(2, 5), torch.randn(9, 1), torch.ones(9, 5)])
def test_a_path_that_spans_no_plane(path):
    with pytest.raises(ValueError, match="a plane needs a path"):
        main_directions(path)


def test_weights_and_samples_that_make_no_loss():
    network = Line()
    with pytest.raises(ValueError, match="weights, not"):
        losses_at(network, [line()], SquaredError(), [torch.zeros(99)])
    with pytest.raises(ValueError, match="needs samples"):
        losses_at(network, [], SquaredError(), [torch.zeros(2)])
