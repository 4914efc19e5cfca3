"""`make ui` as a person sees it: MLflow's pages of a multirun in a browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import pytest
from mlflow import MlflowClient

from dlgd.core.paths import ROOT
from dlgd.tracking import parents
from tests.commands.tiny_digits import DIGITS
from tests.mlflow_server import free_port

PATIENCE_MS = 120_000  # the pages are several MB of scripts


@pytest.fixture
def page(tmp_path):
    """A page of a headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pages are tested with pip install playwright")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine: Debian's package is chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1900, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        yield page
        page.screenshot(path=tmp_path / "last_page.png")
        browser.close()


@pytest.fixture
def pages(tmp_path):
    """The address of `make ui`, which shows the database of tmp_path."""
    if shutil.which("make") is None:
        pytest.skip("there is no make on this machine")
    port = free_port()
    command = ["make", "-f", str(ROOT / "Makefile"), "-o", "install", "ui", f"VENV={sys.prefix}", f"PORT={port}"]
    with (tmp_path / "ui.log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    uri, end = f"http://127.0.0.1:{port}", time.monotonic() + 300
    while True:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=2):
                break
        except OSError:
            assert process.poll() is None, (tmp_path / "ui.log").read_text()
            assert time.monotonic() < end, (tmp_path / "ui.log").read_text()
            time.sleep(0.5)
    yield uri
    os.killpg(process.pid, signal.SIGKILL)  # the group is of our own making
    process.wait()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*loader strategy is deprecated")  # MLflow's use of SQLAlchemy
def test_the_pages_of_a_multirun(dlgd, tmp_path, page, request):
    done = dlgd("train", "-m", *DIGITS, "model=resnet,cnn")
    assert done.returncode == 0, done.stderr
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name LIKE 'mnist_5k%'")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    uri = request.getfixturevalue("pages")
    place = f"{uri}/#/experiments/{experiment.experiment_id}"

    # the list, filtered by the network
    page.goto(f"{place}/runs")
    page.get_by_text("3 matching runs").wait_for()
    page.get_by_placeholder("metrics.rmse").fill('params.model = "resnet"')
    page.keyboard.press("Enter")
    page.get_by_text("2 matching runs").wait_for()  # with the one above it
    page.get_by_test_id("expander-button").or_(page.locator(".ag-row button").first).first.click()
    page.get_by_text("0 model=resnet").first.wait_for()
    assert page.get_by_text("1 model=cnn").count() == 0
    page.screenshot(path=tmp_path / "list.png")

    # charts of both
    page.goto(f"{place}/runs?compareRunsMode=CHART&searchFilter=")
    page.get_by_text("3 matching runs").wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    page.get_by_placeholder("Search metric charts").fill("^test/accuracy$")
    page.get_by_text(re.compile("^(test/)?accuracy$")).first.wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    page.screenshot(path=tmp_path / "charts.png")

    # figures among the files of a run
    run = runs["0 model=resnet"].info.run_id
    page.goto(f"{place}/runs/{run}/artifacts/figures/learning_curves.png")
    picture = page.locator("img[src^='blob:'], img[src*='get-artifact']").first
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
    page.screenshot(path=tmp_path / "figure.png")

    # the table of the multirun
    (parent,) = [one for one in runs.values() if parents.PARENT_TAG not in one.data.tags]
    page.goto(f"{place}/runs/{parent.info.run_id}")
    page.get_by_role("columnheader", name="accuracy (%)").or_(page.locator("th", has_text="accuracy")).first.wait_for()
    page.screenshot(path=tmp_path / "parent.png")

    # the best network of a run, as a model with its signature
    (model,) = client.search_logged_models([experiment.experiment_id], filter_string=f"source_run_id = '{run}'")
    page.goto(f"{place}/models/{model.model_id}")
    page.get_by_text("intensity", exact=False).first.wait_for()
    page.screenshot(path=tmp_path / "model.png")
