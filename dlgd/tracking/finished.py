"""Finished runs asked back from MLflow, with what they were made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlgd.settings import Refusal
from dlgd.tracking import store
from dlgd.tracking.courier import safe_name
from dlgd.tracking.provenance import flatten

if TYPE_CHECKING:
    from mlflow.entities import Run

# Settings that change no score: where a run is made and recorded, and what is printed beside it.
FREE_GROUPS = ("choices.", "evaluation.", "table.", "tracking.")
FREE = ("device", "resume", "training.checkpoint_minutes", "training.log_every")


@dataclass(frozen=True)
class FinishedRun:
    """A run that ended well; params as MLflow has them, which is text."""

    run_id: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    minutes: float  # from its start to its end

    def metric(self, name: str) -> float | None:
        """The last value of a metric, by the name it was logged under; None where it never was."""
        return self.metrics.get(safe_name(name))

    def differences(self, config: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
        """Settings other than those of a nested configuration that can change scores: {key: (the run's, wanted)}.

        A setting that only one of the two has is left out: options are added to a program as time goes by.
        """
        wanted = {key: str(value) for key, value in flatten(config).items() if key in self.params}
        return {
            key: (self.params[key], value)
            for key, value in wanted.items()
            if self.params[key] != value and key not in FREE and not key.startswith(FREE_GROUPS)
        }


def _read(run: Run) -> FinishedRun:
    milliseconds = run.info.end_time - run.info.start_time
    return FinishedRun(run.info.run_id, run.data.params, run.data.metrics, run.data.tags, milliseconds / 60_000)


class Finished:
    """The finished runs of the MLflow at `uri`. Raises Refusal where it cannot be asked, and makes no database."""

    def __init__(self, uri: str | None) -> None:
        self.uri = store.locate(uri)
        path = store.database(self.uri)
        if path is not None and not path.exists():
            raise Refusal(f"there is no MLflow database {path}: train something first, or give tracking.uri")
        with self._asking():
            self._client = store.connect(self.uri)

    def runs(self, experiment: str) -> list[FinishedRun]:
        """Those of MLflow's experiment of that name, the newest first; none where there is no such experiment."""
        runs: list[FinishedRun] = []
        with self._asking():
            found = self._client.get_experiment_by_name(experiment)
            token = None if found is None else ""
            while token is not None:
                page = self._client.search_runs(
                    [found.experiment_id],
                    "attributes.status = 'FINISHED'",
                    order_by=["attributes.start_time DESC"],
                    page_token=token or None,
                )
                runs += map(_read, page)
                token = page.token or None
        return runs

    def history(self, run: FinishedRun, metric: str) -> list[tuple[int, float]]:
        """(step, value) of a metric, in order of steps."""
        with self._asking():
            points = self._client.get_metric_history(run.run_id, safe_name(metric))
        return sorted((point.step, point.value) for point in points)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except store.failures() as error:
            raise Refusal(f"MLflow at {store.shown(self.uri)} cannot be asked: {store.reason(error)}") from error
