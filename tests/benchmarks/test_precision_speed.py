"""What bfloat16 brings on a CPU that computes in it: a training step of the networks for fields, and a prediction."""

import time

import pytest
import torch

from dlgd.core.contract import Network, Spec
from dlgd.models.finite_volume import FiniteVolume
from dlgd.models.resnet import ResNet
from dlgd.training.device import has_bfloat16

CPU = torch.device("cpu")
CHANNELS = tuple("abcdefghijklm")
SPEC = Spec(name="waves", kind="field", input_channels=CHANNELS, output_channels=("gamma",), grid=(292, 360))
STYLE = {"spec": SPEC, "width": 64, "activation": "elu", "normalization": "batch"}
NETWORKS = {
    "resnet": lambda: ResNet(layers=10, skip="addition", **STYLE),
    "finite_volume": lambda: FiniteVolume(layers=8, messages=16, **STYLE),
}


def step(network: Network, input: torch.Tensor, *, half: bool) -> float:
    """CPU seconds of a step forward and back."""
    began = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        value = network(input).prediction.float().square().mean()
    value.backward()
    network.zero_grad(set_to_none=True)
    return time.process_time() - began


@pytest.mark.bench
@pytest.mark.skipif(not has_bfloat16(CPU), reason="this CPU does not compute in bfloat16")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_in_bfloat16_takes_less_time(name):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = NETWORKS[name]().train()
    input = torch.randn(8, len(CHANNELS), 48 + 2 * network.halo, 48 + 2 * network.halo)
    seconds = {half: [] for half in (False, True)}
    for _ in range(6):  # in turns; the first of each warms up
        for half, taken in seconds.items():
            taken.append(step(network, input, half=half))
    full, half = (min(taken[1:]) for taken in seconds.values())
    print(f"\n{name}: a step takes {full:.2f} s in float32; in bfloat16 it is {full / half:.2f} times as fast")
    assert half < full
