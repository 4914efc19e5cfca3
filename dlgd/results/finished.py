"""Runs that MLflow has recorded, with their settings and scores."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dlgd.core import passwords
from dlgd.core.errors import Refusal
from dlgd.core.renames import updated_params
from dlgd.core.settings_without_effect import changes_no_score
from dlgd.results import database
from dlgd.tracking import naming, run_tags, store
from dlgd.tracking.naming import safe_name
from dlgd.tracking.provenance import flatten

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE = 1000  # runs in one answer of a server; MLflow allows 50,000


@dataclass(frozen=True)
class FinishedRun:
    """A run that MLflow has recorded; its params are text, as MLflow stores them.

    A run that was resumed with other options has the values in force as its params, and the first ones in `earlier`.
    """

    run_id: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    minutes: float  # from its start to its end; NaN while it has no end
    status: str = "FINISHED"  # or RUNNING, FAILED, KILLED, SCHEDULED
    start: int = 0  # milliseconds since 1970
    earlier: Mapping[str, str] = field(default_factory=dict)  # only of options that can change scores

    def metric(self, name: str) -> float | None:
        """Return the last value of a metric, by the name under which it was logged; None where it never was."""
        return self.metrics.get(safe_name(name))

    def differences(self, config: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
        """Return the settings that differ from a nested configuration and can change scores: {key: (own, wanted)}.

        A setting that only one of the two has is left out, because new versions of the program add options.
        """
        wanted = {key: str(value) for key, value in flatten(config).items() if key in self.params}
        return {
            key: (self.params[key], value)
            for key, value in wanted.items()
            if self.params[key] != value and not changes_no_score(key)
        }


@dataclass(frozen=True)
class Selection:
    """The conditions that select runs; a run must meet all of them."""

    experiment: str | None = None  # of MLflow; there is one for each data set and task
    tags: Mapping[str, str] = field(default_factory=dict)
    ids: Sequence[str] = ()
    filter: str | None = None  # in MLflow's language: "params.model = 'unet' and metrics.`test/rmse` < 0.1"

    def in_mlflows_language(self) -> list[str]:
        """Return all conditions but the experiment as one filter; as two where it names metrics that runs of before
        and of now have under different names. A run must pass one of them."""
        clauses = [f"tags.`{key}` = {_quoted(value)}" for key, value in self.tags.items()]
        if self.ids:
            clauses.append(f"attributes.run_id IN ({', '.join(map(_quoted, self.ids))})")
        typed = naming.read_and_sent(self.filter) if self.filter else [""]
        return [" AND ".join([*clauses, *([one] if one else [])]) for one in typed]


def _quoted(text: str) -> str:
    quote = "'" if "'" not in text else '"'
    if quote in text:
        raise Refusal(
            f"MLflow cannot search for {text}, which has both kinds of quotation marks: type runs.ids instead"
        )
    return f"{quote}{text}{quote}"


class Finished:
    """The runs of the MLflow at `uri`. Raises Refusal where it cannot be read; never creates a database."""

    def __init__(self, uri: str | None) -> None:
        self.uri = store.locate(uri)
        self._path = store.database(self.uri)
        if self._path is not None and not self._path.exists():
            raise Refusal(f"there is no MLflow database {self._path}: train something first, or give tracking.uri")
        self._connected: MlflowClient | None = None

    def runs(self, experiment: str) -> list[FinishedRun]:
        """Return the finished runs of an MLflow experiment, the newest first; none if there is no such experiment."""
        return [run for run in self.select(Selection(experiment)) if run.status == "FINISHED"]

    def select(self, selection: Selection) -> list[FinishedRun]:
        """Return runs of any status, the newest first. A few queries fetch them all."""
        with self._asking(selection.filter):
            if self._path is not None and selection.filter is None:
                found = database.stored_runs(
                    self._path, experiment=selection.experiment, tags=selection.tags, ids=selection.ids
                )
            else:
                found = [_stored_run(run) for run in self._search(selection)]
        found.sort(key=lambda one: (one.start, one.run_id), reverse=True)
        return [_run(one) for one in found]

    def experiments(self) -> list[str]:
        """Return the names of MLflow's experiments, in alphabetical order."""
        with self._asking():
            if self._path is not None:
                return sorted(database.experiments(self._path))
            return sorted(one.name for one in self._client().search_experiments())

    def history(self, run: FinishedRun, metric: str) -> list[tuple[int, float]]:
        """Return (step, value) of a metric, in order of steps."""
        found: list[tuple[int, float]] = []
        with self._asking():
            for name in dict.fromkeys((safe_name(metric), naming.sent_metric(metric))):
                if self._path is not None:
                    found += database.history(self._path, run.run_id, name)
                else:
                    points = self._client().get_metric_history(run.run_id, name)
                    found += [(point.step, point.value) for point in points]
        return sorted(found)

    def _client(self) -> MlflowClient:
        if self._connected is None:
            self._connected = store.connect(self.uri)
        return self._connected

    def _search(self, selection: Selection) -> Iterator[Run]:
        experiments = self._client().search_experiments()
        ids = [one.experiment_id for one in experiments if selection.experiment in (None, one.name)]
        seen = set()
        for condition in selection.in_mlflows_language() if ids else ():
            token = ""
            while token is not None:
                page = self._client().search_runs(ids, condition, max_results=PAGE, page_token=token or None)
                yield from (run for run in page if run.info.run_id not in seen)
                seen |= {run.info.run_id for run in page}
                token = page.token or None

    @contextmanager
    def _asking(self, filter: str | None = None) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:  # stands before `failures`, which takes seconds to import
            raise Refusal(f"{self._path} cannot be read as a database of MLflow: {error}") from error
        except store.failures() as error:
            if filter is not None and getattr(error, "error_code", None) == "INVALID_PARAMETER_VALUE":
                raise Refusal(
                    f"runs.filter={filter} is not in MLflow's language: {store.reason(error)}; "
                    "write it like params.model = 'unet' and metrics.`test/rmse` < 0.1"
                ) from error
            raise Refusal(f"MLflow at {passwords.shown(self.uri)} cannot be asked: {store.reason(error)}") from error


def _stored_run(run: Run) -> database.StoredRun:
    info, data = run.info, run.data
    return database.StoredRun(
        info.run_id, info.status, info.start_time, info.end_time, data.params, data.tags, data.metrics
    )


def _run(stored: database.StoredRun) -> FinishedRun:
    minutes = math.nan if stored.end is None else (stored.end - stored.start) / 60_000
    first = updated_params(naming.read_params(stored.params, stored.tags))
    changed = run_tags.values_in_force(stored.tags)
    return FinishedRun(
        stored.run_id,
        {**first, **changed},
        naming.read_metrics(stored.metrics, stored.tags),
        stored.tags,
        minutes,
        stored.status,
        stored.start,
        {key: first[key] for key in sorted(changed) if key in first and not changes_no_score(key)},
    )
