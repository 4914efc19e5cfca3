"""Damaged checkpoints are refused in one sentence, or what was damaged does not matter."""

from __future__ import annotations

import copy
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from dlgd.core.errors import Refusal
from dlgd.training import checkpoint
from tests.fuzz import damages
from tests.training.tiny_training import Convolutions, train


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The checkpoint of a training with a moving average and Adam."""
    folder = tmp_path_factory.mktemp("whole")
    train(folder, ema_decay=0.9)
    return checkpoint.last_path(folder)


def used(path: Path) -> str:
    """Use a checkpoint as resume, evaluate and init_from do, with the network and optimizer of the training."""
    try:
        found = checkpoint.load(path)
        for averaged in (True, False):
            network = Convolutions()
            checkpoint.restore(network, found, averaged=averaged)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        checkpoint.restore_optimizers({"network": optimizer}, found)
        network(torch.ones(2, 1, 8, 8)).prediction.sum().backward()
        optimizer.step()
    except Refusal as refusal:
        return "refused" if str(path) in str(refusal) and "\n" not in str(refusal) else f"poor: {refusal}"
    except Exception as error:  # noqa: BLE001 - all kinds are counted
        return f"leaked: {type(error).__name__}: {str(error)[:100]}"
    return "used"


# --- bytes ---------------------------------------------------------------------------------------------------------


def counts(whole: Path, path: Path, *, seeds: range) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in seeds:
        rng = np.random.default_rng(seed)
        kind = (damages.damaged, damages.with_surgery)[rng.random() < 0.3]
        path.write_bytes(kind(whole.read_bytes(), rng))
        found[used(path)] += 1
    return found


def test_some_damages(whole, tmp_path):
    found = counts(whole, tmp_path / "last.pt", seeds=range(60))
    assert found.keys() <= {"refused", "used"}, found


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_thousands_of_damages(whole, tmp_path):
    found = counts(whole, tmp_path / "last.pt", seeds=range(3000))
    print(f"checkpoints: {dict(found)}")
    assert found.keys() <= {"refused", "used"}, found
    assert found["refused"] > 2000


def test_each_truncation_of_the_directory(whole, tmp_path):
    content, path = whole.read_bytes(), tmp_path / "last.pt"
    for cut in range(1, 700, 13):
        path.write_bytes(content[:-cut])
        assert used(path) == "refused"


# --- well-formed files with other contents -------------------------------------------------------------------------

ODD = [None, 3, -1, 1.5, float("nan"), True, "x", "", [], [1], {}, {"a": 1}, {"1": {}}, torch.zeros(2), torch.zeros(0)]
ODD += [torch.tensor(1), torch.zeros(2, 2, dtype=torch.complex64), torch.zeros(3, 3).to_sparse(), b"x"]


def mutated(value, rng: np.random.Generator, depth: int = 0):
    """Return nested containers with one part of them replaced, removed, added or renamed."""
    if isinstance(value, dict) and value and (depth == 0 or rng.random() < 0.8):
        key = list(value)[rng.integers(len(value))]
        action = rng.integers(8)
        if action == 0:
            return {name: one for name, one in value.items() if name != key}
        if action == 1:
            return value | {["later", 7, "weights "][rng.integers(3)]: ODD[rng.integers(len(ODD))]}
        if action == 2:
            return {(f"{name}x" if name == key else name): one for name, one in value.items()}
        return value | {key: mutated(value[key], rng, depth + 1)}
    if isinstance(value, list) and value and rng.random() < 0.6:
        place = rng.integers(len(value))
        return [*value[:place], mutated(value[place], rng, depth + 1), *value[place + 1 :]]
    if isinstance(value, torch.Tensor) and rng.random() < 0.7:
        flat, rounded = value.reshape(-1)[:0], value.to(torch.float16)
        others = [flat, value[None], rounded, value.long(), value.double(), value * float("nan")]
        return others[rng.integers(len(others))]
    return ODD[rng.integers(len(ODD))]


def with_other_contents(whole: Path, rng: np.random.Generator) -> dict:
    content = torch.load(whole, weights_only=True)
    if rng.random() < 0.5:
        return mutated(content, rng)
    key = ("state", "config")[rng.integers(2)]
    inner = mutated(json.loads(content[key]), rng)
    texts = [json.dumps(inner, default=str), json.dumps([inner], default=str), "[" * 100_000, "9" * 5000, "\ud800", "{"]
    return content | {key: texts[0 if rng.random() < 0.8 else rng.integers(len(texts))]}


def contents_counts(whole: Path, path: Path, *, seeds: range) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in seeds:
        try:
            torch.save(with_other_contents(whole, np.random.default_rng(seed)), path)
        except UnicodeEncodeError:  # torch cannot write every text
            continue
        found[used(path)] += 1
    return found


def test_some_other_contents(whole, tmp_path):
    found = contents_counts(whole, tmp_path / "last.pt", seeds=range(100))
    assert found.keys() <= {"refused", "used"}, found


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_thousands_of_other_contents(whole, tmp_path):
    found = contents_counts(whole, tmp_path / "last.pt", seeds=range(3000))
    print(f"contents: {dict(found)}")
    assert found.keys() <= {"refused", "used"}, found
    assert found["refused"] > 1500


CHANGES = {
    "a later format": (lambda c: c | {"format": "dlgd checkpoint 2"}, "later version of dlgd .checkpoint 2"),
    "a later key": (lambda c: c | {"scaler": {}}, "later version of dlgd .with scaler"),
    "no weights": (lambda c: {k: v for k, v in c.items() if k != "weights"}, "lacks weights"),
    "a list": (lambda c: c | {"config": "[1]"}, "config is no configuration"),
    "an unknown field": (lambda c: c | {"state": c["state"].replace('"stale"', '"stole"')}, "stale is missing"),
    "whole numbers": (
        lambda c: c | {"averaged": {k: v.long() for k, v in c["averaged"].items()}}, "int64, not float32"
    ),
    "another shape": (
        lambda c: c | {"averaged": {k: v[None] for k, v in c["averaged"].items()}}, r"is \(1, 4, 1, 3, 3\), not"
    ),
    "NaN": (lambda c: c | {"averaged": {k: v * float("nan") if v.is_floating_point() else v
                                        for k, v in c["averaged"].items()}}, "not finite .layers.0.weight"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_sentence_says(whole, tmp_path, change):
    path, (changed, words) = tmp_path / "last.pt", CHANGES[change]
    torch.save(changed(torch.load(whole, weights_only=True)), path)
    with pytest.raises(Refusal, match=words):
        checkpoint.restore(Convolutions(), checkpoint.load(path))


def test_moments_of_another_network(whole, tmp_path):
    content = torch.load(whole, weights_only=True)
    state = content["optimizers"]["network"]["state"]
    for change, words in [
        (lambda s: s | {99: s[0]}, "weight 99, of"),
        (lambda s: s | {0: s[0] | {"exp_avg": s[0]["exp_avg"][None]}}, r"exp_avg of weight 0 is \(1, 4"),
        (lambda s: s | {0: {"step": s[0]["step"]}}, "weight 0 lacks exp_avg"),
        (lambda s: s | {0: s[0] | {"step": torch.tensor(-3.0)}}, "step of weight 0 is -3"),
    ]:
        changed = copy.deepcopy(content)
        changed["optimizers"]["network"]["state"] = change(state)
        torch.save(changed, tmp_path / "last.pt")
        found = checkpoint.load(tmp_path / "last.pt")
        optimizer = torch.optim.Adam(Convolutions().parameters())
        with pytest.raises(Refusal, match=words):
            checkpoint.restore_optimizers({"network": optimizer}, found)


def test_a_diverged_training_points_to_its_best_weights(whole, tmp_path):
    content = torch.load(whole, weights_only=True)
    torch.save(content, tmp_path / "best_loss.pt")
    content["weights"]["layers.4.bias"] += float("inf")
    torch.save(content, tmp_path / "last.pt")
    found = checkpoint.load(tmp_path / "last.pt")
    with pytest.raises(Refusal, match=r"layers\.4\.bias.*diverged.*best_loss\.pt beside it.*init_from"):
        checkpoint.restore(Convolutions(), found, averaged=False)
