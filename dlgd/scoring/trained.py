"""A trained network as a method, and its scores on the validation split during training."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from dlgd.core.contract import Batch, Coder, DataSource, Evaluation, Loss, Method, Network, Validate
from dlgd.core.errors import Refusal
from dlgd.core.files import written_whole

TILE = 512  # cells on each side of what is predicted at once, where a network is local
TILE_OF_PART = 128  # the same where samples are too large to be encoded whole; 256 takes four times the memory


def predict(network: Network, batches: Sequence[Batch]) -> torch.Tensor:
    """Return scaled predictions of whole samples, (sample, C, ...), on the CPU. The network must be in eval mode.

    Local networks predict large fields in tiles, with their halo around each: in the memory of one tile.
    """
    with torch.inference_mode():
        return torch.cat([_in_tiles(network, batch.input, TILE) for batch in batches])


def _in_tiles(network: Network, input: torch.Tensor, tile: int) -> torch.Tensor:
    rows, columns = (size - 2 * network.halo for size in input.shape[-2:])
    if not network.local or max(rows, columns) <= tile:
        return network(input).prediction.cpu()

    def around(first: int) -> slice:
        return slice(first, first + tile + 2 * network.halo)  # the last one ends with the field

    bands = [
        [network(input[..., around(y), around(x)]).prediction.cpu() for x in range(0, columns, tile)]
        for y in range(0, rows, tile)
    ]
    return torch.cat([torch.cat(band, dim=-1) for band in bands], dim=-2)


class Trained(Method):
    """A trained network as a method that predicts whole samples in physical units.

    loss: the one that the network was trained with; None if its own scores are not wanted.
    """

    def __init__(
        self, *, name: str, network: Network, data: DataSource, device: torch.device, loss: Loss | None = None
    ) -> None:
        self.name, self.network, self.data, self.device, self.loss = name, network, data, device, loss
        self.scores_given = network.scores_given

    def fit(self, train: xr.Dataset) -> None:
        """Do nothing: the network is trained."""

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Predict in physical units. The seconds include encoding, scaling back, and earlier work on the samples."""
        start = time.perf_counter()
        self.network.to(self.device).eval()
        physical = self._in_parts(samples) if self.network.local else None
        if physical is None:
            predictions = [predict(self.network, [batch]) for batch in self.batches(samples)]
            physical = self.data.to_physical(torch.cat(predictions), samples)
        self.seconds_per_sample = (time.perf_counter() - start) / samples.sizes["sample"] + sum(
            field.attrs.get("seconds", 0.0) for field in samples.values()
        )
        return physical

    def _in_parts(self, samples: xr.Dataset) -> np.ndarray | None:
        """Return what the data set makes of large samples; None where they are small enough to be encoded whole."""

        def predicted(input: torch.Tensor) -> torch.Tensor:
            return _in_tiles(self.network, input, TILE_OF_PART)

        with torch.inference_mode():
            return self.data.in_parts(samples, predicted, halo=self.network.halo, device=self.device)

    def scores(self, samples: xr.Dataset) -> dict[str, float]:
        """Return the network's own scores, with the loss that it was trained with."""
        if self.loss is None or not self.scores_given:
            return {}
        self.network.to(self.device).eval()
        with torch.no_grad():
            return own_scores(self.network, self.loss, list(self.batches(samples)))

    def error_std(self, samples: xr.Dataset) -> np.ndarray | None:
        """Return the standard deviations that the network expects its errors to have, in physical units.

        The target must be scaled by a factor and a mean.
        """
        if type(self.network).error_std is Network.error_std:  # no need to encode the samples
            return None
        self.network.to(self.device).eval()
        found = []
        with torch.inference_mode():
            for batch in self.batches(samples):
                if (std := self.network.error_std(batch.input)) is None:
                    return None
                found.append(std.cpu())
        scaled = torch.cat(found)
        return self.data.to_physical(scaled, samples) - self.data.to_physical(torch.zeros_like(scaled), samples)

    def coder(self) -> Coder | None:
        """Return the network's coder, for samples in physical units."""
        inner = self.network.coder()
        return None if inner is None else PhysicalCoder(self, inner)

    def batches(self, samples: xr.Dataset) -> Iterable[Batch]:
        """Return whole samples as the network sees them."""
        return self.data.encode(samples, halo=self.network.halo, device=self.device)


class PhysicalCoder(Coder):
    """A network's coder for samples in physical units."""

    def __init__(self, method: Trained, inner: Coder) -> None:
        self.method, self.inner, self.size = method, inner, inner.size

    def encode(self, samples: xr.Dataset) -> np.ndarray:
        """Return the codes, (sample, size)."""
        self.method.network.to(self.method.device).eval()
        with torch.inference_mode():
            generated = self.method.data.spec.kind == "generated"  # their input is a class; the image is the target
            codes = [
                self.inner.encode(batch.target if generated else batch.input).cpu()
                for batch in self.method.batches(samples)
            ]
        return torch.cat(codes).numpy()

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the decoded codes (n, size) as (n, ...), in the units of the target."""
        self.method.network.to(self.method.device).eval()
        with torch.inference_mode():
            scaled = self.inner.decode(torch.as_tensor(codes, dtype=torch.float32, device=self.method.device)).cpu()
        return self.method.data.to_physical(scaled, None)


def own_scores(network: Network, loss: Loss, batches: Sequence[Batch]) -> dict[str, float]:
    """Return the network's own scores, means over all samples."""
    totals: dict[str, float] = {}
    for batch in batches:
        for name, value in network.scores(batch, loss).items():
            totals[name] = totals.get(name, 0.0) + float(value) * len(batch)
    return {name: total / sum(map(len, batches)) for name, total in totals.items()}


def validation(
    *,
    data: DataSource,
    evaluation: Evaluation,
    loss: Loss,
    halo: int,
    device: torch.device,
    snapshots: Path | None = None,
    split: str = "valid",
) -> Validate:
    """Return the function that scores a network on a split.

    Its scores are "loss", the mean of what the training minimizes; the network's own scores; and those of the
    evaluation. Generated samples have no "loss", because they have no target to be compared with.

    halo: cells of context that the network consumes on each side.
    snapshots: the folder for the evaluation's snapshots; None if they are not wanted.
    """
    samples = data.samples(split)
    batches = list(data.encode(samples, halo=halo, device=device))
    generated = data.spec.kind == "generated"

    def scores(network: Network) -> dict[str, float]:
        predictions, total = [], 0.0
        for batch in batches:
            output = network(batch.input)
            if not generated:
                value, _ = loss(prediction=output.prediction, target=batch.target, mask=batch.mask)
                total += (float(value) + sum(map(float, output.terms.values()))) * len(batch)
            predictions.append(output.prediction.cpu())
        joined = torch.cat(predictions)
        if not torch.isfinite(joined).all():
            raise Refusal(
                "The network's predictions are not finite any more: try a smaller optimizer.lr; the last "
                "good checkpoints are kept."
            )
        physical = data.to_physical(joined, samples)
        if snapshots is not None:
            save_snapshot(snapshots, evaluation.snapshot(samples, physical))
        minimized = {} if generated else {"loss": total / sum(map(len, batches))}
        return minimized | own_scores(network, loss, batches) | evaluation.scores(samples, physical)

    return scores


def save_snapshot(folder: Path, snapshot: np.ndarray | None) -> None:
    """Save a snapshot under the next free number; None is not saved."""
    if snapshot is not None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{len(list(folder.glob('*.npy'))):05d}.npy"
        with written_whole(path) as partial, partial.open("wb") as file:
            np.save(file, snapshot)


def saved_snapshots(folder: Path) -> list[np.ndarray]:
    """Return the snapshots in order; none where the evaluation makes none."""
    return [np.load(path, allow_pickle=False) for path in sorted(folder.glob("*.npy"))]
