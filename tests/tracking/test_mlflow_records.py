"""What an MLflow user looks for on the page of a run: data sets, note, tags, user, source; after an outage, too."""

from __future__ import annotations

import json
import time

from mlflow import MlflowClient

from dlgd.core.contract import Spec
from dlgd.tracking import datasets, pages, store
from dlgd.tracking.parents import NOTE_TAG

SPEC = Spec(name="nemovar", kind="field", input_channels=("a", "b"), output_channels=("gamma",), grid=(4, 5), units="m")
DATA = {
    "name": "nemovar",
    "_target_": "dlgd.problems.normalization.data.simulated.NormalizationCoefficients",
    "rows": 4,
}
TAGS = {"git_hash": "abc"} | datasets.tag(DATA, SPEC, "111-222-333")
ROWS = [{"method": "separable", "eps": 0.5}]


def record(one):
    """A short run with everything."""
    one.start(name="a run", params={"model": "cnn"}, tags=TAGS)
    one.log({"train/loss": 1.0}, 1)
    one.compare(ROWS, 1)
    one.describe("| a | table |")
    end = time.monotonic() + 60
    while one.run_id is None and time.monotonic() < end:
        time.sleep(0.05)
    one.finish("FINISHED")


def look(client, run_id):
    run = client.get_run(run_id)
    found = {one.dataset.name: one for one in run.inputs.dataset_inputs}
    assert {name: one.dataset.digest for name, one in found.items()} == {
        "nemovar-train": "111",
        "nemovar-valid": "222",
        "nemovar-test": "333",
    }
    assert {tag.key: tag.value for tag in found["nemovar-test"].tags} == {"mlflow.data.context": "test"}
    source = json.loads(found["nemovar-test"].dataset.source)
    assert json.loads(source["options"])["rows"] == 4
    tags = run.data.tags
    assert tags[NOTE_TAG] == "is **it** so?\n\n| a | table |"
    assert tags["campaign"] == "winter"
    assert tags["mlflow.user"]
    assert tags["mlflow.source.git.commit"] == "abc"
    assert datasets.DATASETS_TAG not in tags
    assert json.loads(tags["comparison/separable"]) == {"eps": 0.5}
    assert set(run.data.metrics) == {"curves/train/loss"}
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.tags[store.KIND_TAG] == store.KIND


def test_everything_is_on_the_page_of_a_run(tracker, place):
    one = tracker(tags={"campaign": "winter"}, note="is **it** so?")
    record(one)
    look(MlflowClient(f"sqlite:///{place}/mlflow.db"), one.run_id)


def test_an_outage_loses_none_of_it(tracker, place, monkeypatch):
    """The database cannot be reached at the start, and answers before the run ends."""
    one = tracker(tags={"campaign": "winter"}, note="is **it** so?", flush_seconds=0.05)
    connect, refusals = store.connect, iter(range(3))

    def away(uri):
        if next(refusals, None) is not None:
            raise OSError(111, "Connection refused")
        return connect(uri)

    monkeypatch.setattr(store, "connect", away)
    record(one)
    look(MlflowClient(f"sqlite:///{place}/mlflow.db"), one.run_id)


def test_an_experiment_of_before_gets_its_kind(place, tracker):
    client = MlflowClient(f"sqlite:///{place}/mlflow.db")
    number = client.create_experiment("tests")
    one = tracker()
    one.start(name="a run", params={}, tags={})
    one.finish("FINISHED")
    assert client.get_experiment(number).tags[store.KIND_TAG] == store.KIND


def test_the_pages_of_runs_have_addresses(tracker, place):
    assert pages.lists(place / "mlflow.db", "http://127.0.0.1:5000") == []
    one = tracker()
    one.start(name="a run", params={}, tags={})
    one.finish("FINISHED")
    assert pages.lists(place / "mlflow.db", "http://h:1/") == ["tests: http://h:1/#/experiments/1/runs"]


def test_the_log_gives_the_address_of_the_page(tracker, caplog):
    one = tracker()
    with caplog.at_level("INFO"):
        one.start(name="a run", params={}, tags={})
    one.finish("FINISHED")
    assert f"http://127.0.0.1:5000/#/experiments/1/runs/{one.run_id} (served by `make ui`)" in caplog.text
