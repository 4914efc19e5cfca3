"""A trained network as a Method, and its scores on the validation part while it is trained."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr

from dlgd.contract import Batch, DataSource, Evaluation, Method, Misfit, Network, Validate
from dlgd.settings import Refusal


def predict(network: Network, batches: Sequence[Batch]) -> torch.Tensor:
    """Scaled predictions of whole samples, (sample, C, ...), on the CPU; the network stands in eval mode."""
    with torch.inference_mode():
        return torch.cat([network(batch.input).prediction.cpu() for batch in batches])


class Trained(Method):
    """Answers for whole samples with a network."""

    def __init__(self, *, name: str, network: Network, data: DataSource, device: torch.device) -> None:
        self.name, self.network, self.data, self.device = name, network, data, device

    def fit(self, train: xr.Dataset) -> None:
        """It is trained already."""

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """In physical units; the seconds count encoding, scaling back, and what was derived from the samples before."""
        start = time.perf_counter()
        self.network.to(self.device).eval()
        predictions = [
            predict(self.network, [batch])
            for batch in self.data.encode(samples, halo=self.network.halo, device=self.device)
        ]
        physical = self.data.to_physical(torch.cat(predictions), samples)
        self.seconds_per_sample = (time.perf_counter() - start) / samples.sizes["sample"] + sum(
            field.attrs.get("seconds", 0.0) for field in samples.values()
        )
        return physical


def validation(
    *, data: DataSource, evaluation: Evaluation, misfit: Misfit, halo: int, device: torch.device, part: str = "valid"
) -> Validate:
    """The function that scores a network on a part: "loss", the mean misfit, and the scores of the evaluation."""
    samples = data.samples(part)
    batches = list(data.encode(samples, halo=halo, device=device))

    def scores(network: Network) -> dict[str, float]:
        predictions, total = [], 0.0
        for batch in batches:
            prediction = network(batch.input).prediction
            total += float(misfit(prediction=prediction, target=batch.target, mask=batch.mask)[0])
            predictions.append(prediction.cpu())
        joined = torch.cat(predictions)
        if not torch.isfinite(joined).all():
            raise Refusal(
                "The network's predictions are not finite any more: try a smaller optimizer.lr; the last "
                "good checkpoints are kept."
            )
        physical = data.to_physical(joined, samples)
        return {"loss": total / len(batches), **evaluation.scores(samples, physical)}

    return scores
