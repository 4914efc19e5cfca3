"""A trained classifier that classifies the images of generative networks."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from dlgd.core.contract import DataSource, Network


class ImageClassifier:
    """A network for labels with the data set that it was trained with, on the CPU."""

    def __init__(self, network: Network, data: DataSource) -> None:
        self.network, self.data = network.cpu().eval(), data

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Classify images (n, y, x) in [0, 1].

        Returns the probabilities of the classes, (n, class), and the input of the network's last layer, (n, features).
        """
        samples = xr.Dataset({"intensity": (("sample", "y", "x"), np.asarray(images, np.float32))})
        probabilities, features = [], []
        with torch.inference_mode():
            for batch in self.data.encode(samples, halo=0, device="cpu"):
                features.append(self.network.features(batch.input))
                probabilities.append(self.network(batch.input).prediction.softmax(dim=1))
        return torch.cat(probabilities).numpy(), torch.cat(features).numpy()
