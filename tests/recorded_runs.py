"""Runs written into an MLflow database of their own by MLflow's client, as a run of dlgd records them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from dlgd.tracking import store
from dlgd.tracking.naming import safe_name
from dlgd.tracking.run_tags import SCORES_TAG

DATA = {"data": "nemovar", "data._target_": "dlgd.data.Nemovar", "data.name": "nemovar", "data.rows": "40"}
TRAINING = {"training": "quick", "training.steps": "5", "training.minutes": "None", "training.log_every": "1"}
NETWORK = {"model": "resnet", "model._target_": "dlgd.models.ResNet", "model.layers": "10", "device": "auto"}
BASELINE = {"baseline": "homogeneous", "baseline._target_": "dlgd.baselines.homogeneous", "split": "test"}
SCORES = json.dumps(
    {
        "more": ["accuracy"],
        "less": ["eps", "eps_max", "seconds_per_sample"],
        "neither": [],
        "table": ["eps", "eps_max", "accuracy", "seconds_per_sample"],
    }
)
CHECKSUM = "111-222-333"  # of the training, validation and test splits


class Recorder:
    """Writes runs into a new database; each starts a second after the one before, unless `start` is given."""

    def __init__(self, path: Path) -> None:
        self.uri = f"sqlite:///{path}"
        self.client = store.connect(self.uri)
        self.seconds = 0

    def experiment(self, name: str) -> str:
        """The id of the experiment of that name."""
        return store.experiment_id(self.client, self.uri, name)

    def run(
        self,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        *,
        experiment: str = "nemovar",
        tags: Mapping[str, str] | None = None,
        status: str = "FINISHED",
        checksum: str = CHECKSUM,
        start: int | None = None,
    ) -> str:
        """A run of any params."""
        from mlflow.entities import Metric, Param, RunTag

        self.seconds += 1
        start = 1000 * (self.seconds if start is None else start)
        usual = {"device": "cpu", "machine": "1 core", "git_hash": "abc", "data_checksum": checksum}
        tags = usual | {SCORES_TAG: SCORES} | dict(tags or {})
        run_id = self.client.create_run(self.experiment(experiment), start_time=start).info.run_id
        self.client.log_batch(
            run_id,
            [Metric(safe_name(name), value, start, 5) for name, value in metrics.items()],
            [Param(key, str(value)) for key, value in params.items()],
            [RunTag(key, value) for key, value in tags.items()],
        )
        if status != "RUNNING":
            self.client.set_terminated(run_id, status, end_time=start + 60_000)
        return run_id

    def network(self, seed: int, eps: float, *, params: Mapping[str, object] | None = None, **more: object) -> str:
        """A network that was trained on nemovar, with a method scored beside it."""
        metrics = {
            "test/eps": eps,
            "test/eps_max": 10 * eps,
            "test/seconds_per_sample": 0.1 * eps,
            "valid/eps": 2 * eps,
        }
        metrics |= {"comparison/separable/eps": 0.5, "comparison/separable/eps_max": 5.25}
        metrics |= more.pop("metrics", {})
        return self.run(DATA | TRAINING | NETWORK | {"seed": seed} | dict(params or {}), metrics, **more)

    def baseline(self, eps: float, *, params: Mapping[str, object] | None = None, **more: object) -> str:
        """A classical method that was run on nemovar."""
        metrics = {"test/eps": eps, "test/eps_max": 10 * eps, "test/seconds_per_sample": 1.0} | more.pop("metrics", {})
        return self.run(DATA | BASELINE | {"seed": 0} | dict(params or {}), metrics, **more)
