"""What passes the faces of cells: nothing through a coast, more through a strong coupling, and everything where the
data say nothing of faces."""

import pytest
import torch

from dlgd.core.contract import Spec
from dlgd.models.finite_volume import COUPLING, OPEN, FiniteVolume

CHANNELS = (*COUPLING, *OPEN, "sea")
LAYERS, SIZE = 4, 11


def make(channels=CHANNELS, **changes):
    """In eval mode: what a cell predicts depends on its own surroundings alone."""
    torch.manual_seed(0)
    spec = Spec(name="waves", kind="field", input_channels=channels, output_channels=("gamma",), grid=(40, 48))
    options = {"layers": LAYERS, "width": 12, "messages": 3, "activation": "elu", "normalization": "batch"}
    return FiniteVolume(spec=spec, **(options | changes)).eval()


def fields(halo, channels=CHANNELS):
    """(1, C, Y, X) with every face open."""
    generator = torch.Generator().manual_seed(1)
    side = SIZE + 2 * halo
    input = torch.randn(1, len(channels), side, side, generator=generator)
    for name in OPEN:
        input[:, channels.index(name)] = 1.0
    return input


def influence(network, input):
    """(Y, X) of the halo and the field: how much each cell's own channel counts for the one in the middle."""
    leaf = input.clone().requires_grad_()
    network(leaf).prediction[0, 0, SIZE // 2, SIZE // 2].backward()
    return leaf.grad[0, CHANNELS.index("sea")].abs()


def test_a_closed_coast_lets_nothing_pass():
    """A wall of closed south faces two rows north of the middle: what lies behind it is not felt. The first convolution
    looks one cell beyond."""
    network = make()
    halo, middle = network.halo, network.halo + SIZE // 2
    input = fields(halo)
    open_sea = influence(network, input)
    wall = middle + 2
    input[:, CHANNELS.index("open_i"), wall] = 0.0
    walled = influence(network, input)
    assert (open_sea[wall + 1 : wall + 2, middle] > 0).all()
    assert (walled[wall + 1 :] == 0).all()
    assert (walled[middle - 2 : wall, middle] > 0).all()


@pytest.mark.parametrize(("channel", "axis"), [("open_i", 0), ("open_j", 1)])
@pytest.mark.parametrize(("face", "side"), [(0, -1), (1, +1)], ids=["own face", "neighbour's face"])
def test_each_side_has_its_own_face(channel, axis, face, side):
    """The face towards the south or west is stored with the cell itself, the other one with the neighbour."""
    network = make(layers=2)
    middle = network.halo + SIZE // 2
    input = fields(network.halo)
    behind, opposite = [middle, middle], [middle, middle]
    behind[axis] += 2 * side
    opposite[axis] -= 2 * side
    assert influence(network, input)[tuple(behind)] > 0
    wall = [slice(None), slice(None)]
    wall[axis] = middle + face
    input[(0, CHANNELS.index(channel), *wall)] = 0.0
    walled = influence(network, input)
    assert walled[tuple(behind)] == 0
    assert walled[tuple(opposite)] > 0


def test_stronger_couplings_pass_more():
    network = make()
    weak, strong = fields(network.halo), fields(network.halo)
    for name in COUPLING:
        weak[:, CHANNELS.index(name)], strong[:, CHANNELS.index(name)] = -3.0, 3.0
    south_weak, _ = network.faces(weak)
    south_strong, west_strong = network.faces(strong)
    assert (south_weak < south_strong).all()
    assert ((south_weak >= 0) & (south_strong <= 1) & (west_strong <= 1)).all()


def test_data_without_faces():
    """Then it is a plain network of five-point layers, for any field."""
    network = make(channels=("sst",))
    assert network.faces is None
    assert network(torch.randn(1, 1, 8 + 2 * network.halo, 9 + 2 * network.halo)).prediction.shape == (1, 1, 8, 9)


@pytest.mark.parametrize(("option", "value"), [("layers", 5), ("layers", 0), ("messages", 0)])
def test_refusals(option, value):
    with pytest.raises(ValueError, match=f"model.{option}={value}"):
        make(**{option: value})


def test_in_volumes_no_message_passes_a_closed_top_face_and_levels_stay():
    """A layer of closed top faces below level 2: the levels beyond are felt through the first convolution alone."""
    spec = Spec(name="volumes", kind="field", input_channels=CHANNELS, output_channels=("gamma",), grid=(8, 40, 48))
    options = {"layers": 4, "width": 12, "messages": 3, "activation": "elu", "normalization": "batch"}
    torch.manual_seed(0)
    network = FiniteVolume(spec=spec, **options).eval()
    side = 3 + 2 * network.halo
    input = torch.randn(1, len(CHANNELS), 8, side, side, generator=torch.Generator().manual_seed(1))
    for name in OPEN:
        input[:, CHANNELS.index(name)] = 1.0

    def by_level() -> torch.Tensor:
        leaf = input.clone().requires_grad_()
        prediction = network(leaf).prediction
        assert prediction.shape == (1, 1, 8, 3, 3)
        prediction[0, 0, 1, 1, 1].backward()
        return leaf.grad[0, CHANNELS.index("sea")].abs().sum(dim=(1, 2))

    assert (by_level()[:7] > 0).all()
    input[:, CHANNELS.index("open_k"), 3] = 0.0
    walled = by_level()
    assert (walled[:4] > 0).all()
    assert (walled[4:] == 0).all()
