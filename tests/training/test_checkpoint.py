import multiprocessing
import os
import pickle
import re
import resource
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dlgd.core.errors import Refusal
from dlgd.training import checkpoint, checkpoint_file
from dlgd.training.checkpoint import State
from tests.training.tiny_training import Convolutions, train


def written(path, *, value: float = 0.0) -> checkpoint.Checkpoint:
    """A checkpoint without optimizers, at the path."""
    network = Convolutions()
    torch.nn.init.constant_(network.layers[0].weight, value)
    state = State(step=3, best={"loss": 0.1}, history=[{"step": 1, "train/loss": 1 / 3}])
    now = checkpoint.capture(network=network, average=None, optimizers={}, state=state, config={"model": {"width": 4}})
    checkpoint.save(now, path)
    return now


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "last.pt"
    now = written(path, value=0.5)
    found = checkpoint.load(path)
    assert (found.state, found.config, found.path) == (now.state, now.config, path)
    other = Convolutions()
    checkpoint.restore(other, found)
    assert torch.all(other.layers[0].weight == 0.5)
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_weights_in_half_precision_become_those_of_a_network(tmp_path):
    now = written(tmp_path / "whole.pt")
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in now.weights.items()}
    checkpoint.save(replace(now, weights=half), tmp_path / "half.pt")
    other = Convolutions()
    checkpoint.restore(other, checkpoint.load(tmp_path / "half.pt"))
    for name, tensor in other.state_dict().items():
        assert tensor.dtype == now.weights[name].dtype
        torch.testing.assert_close(tensor, now.weights[name], rtol=5e-4, atol=1e-7)


def test_missing(tmp_path):
    with pytest.raises(Refusal, match="There is no checkpoint"):
        checkpoint.load(tmp_path / "last.pt")
    with pytest.raises(Refusal, match="There is no checkpoint"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_truncated(tmp_path, kept):
    path = tmp_path / "last.pt"
    written(path)
    os.truncate(path, kept if isinstance(kept, int) else int(kept * path.stat().st_size))
    with pytest.raises(Refusal, match="is truncated or is not a checkpoint"):
        checkpoint.load(path)


def test_one_changed_byte_among_the_weights(tmp_path):
    path = tmp_path / "last.pt"
    written(path, value=0.5)
    content = bytearray(path.read_bytes())
    content[content.index(torch.full((8,), 0.5).numpy().tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(Refusal, match="is damaged"):
        checkpoint.load(path)


class Payload:
    """Unpickled, it would make a file."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("kind", ["other archive", "other tensors", "code", "plain pickle"])
def test_other_files_are_refused_and_nothing_in_them_runs(tmp_path, kind):
    path, trace = tmp_path / "last.pt", tmp_path / "trace"
    if kind == "other archive":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.txt", "a")
    elif kind == "other tensors":
        torch.save({"weights": torch.zeros(1)}, path)
    elif kind == "code":
        torch.save({"format": checkpoint_file.FORMAT, "weights": Payload(trace)}, path)
    else:
        path.write_bytes(pickle.dumps(Payload(trace)))
    with pytest.raises(Refusal, match=r"not a checkpoint"):
        checkpoint.load(path)
    assert not trace.exists()


def save_where_files_stay_small(path: str, answer: multiprocessing.Queue) -> None:
    """In a process of its own, whose files can grow to 2 kB only: the disk refuses the rest, as a full one would."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    try:
        written(Path(path), value=0.6)
    except Refusal as refusal:
        answer.put(str(refusal))
    else:
        answer.put("written")


def test_a_full_disk_leaves_the_former_checkpoint(tmp_path):
    path = tmp_path / "last.pt"
    written(path, value=0.5)
    spawn = multiprocessing.get_context("spawn")
    answer = spawn.Queue()
    process = spawn.Process(target=save_where_files_stay_small, args=(str(path), answer))
    process.start()
    assert re.search(r"could not be written .* is as it was before", answer.get(timeout=60))
    process.join(timeout=60)
    assert torch.all(checkpoint.load(path).weights["layers.0.weight"] == 0.5)
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_a_resumed_training_does_not_change_the_checkpoint_in_memory(tmp_path):
    train(tmp_path)
    kept = checkpoint.load(checkpoint.last_path(tmp_path))
    moments = kept.optimizers["network"]["state"][0]["exp_avg"].clone()
    network = Convolutions()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    checkpoint.restore(network, kept)
    checkpoint.restore_optimizers({"network": optimizer}, kept)
    network(torch.ones(2, 1, 8, 8)).prediction.sum().backward()
    optimizer.step()
    assert torch.equal(kept.optimizers["network"]["state"][0]["exp_avg"], moments)
    assert optimizer.state_dict()["state"][0]["step"] == 13
