"""What a notebook shows: well-formed, with words for each figure, and nothing of a stranger's that the browser runs."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import dlgd
from dlgd.core.paths import ROOT
from dlgd.interface import pages
from dlgd.plotting.batch import draw_batch
from tests.configs.config_files import choices_of, tiny, with_choice
from tests.interface.few_digits import DIGITS

DOT = bytes.fromhex("89504e470d0a1a0a")


def parsed(text: str) -> ElementTree.Element:
    """As XML, in which an image is closed."""
    return ElementTree.fromstring(re.sub(r"(<img [^>]*)>", r"\1/>", text))


def test_a_page():
    table = pd.DataFrame({"rmse": [1.23456, None], "rmse_of_x": [1.0, 2.0]}, index=["<script>x</script>", "b"])
    text = pages.page("A & B", {"": "plain", "in": "<b>"}, table, {"map of 'x' & <y>": DOT, "large": bytes(2_000_000)})
    page = parsed(text)
    assert "script" not in {one.tag for one in page.iter()}
    assert "rmse_of_x" not in text
    (image,) = page.iter("img")
    assert image.get("alt") == "map of 'x' & <y>"
    assert image.get("src") == "data:image/png;base64,iVBORw0KGgo="


def test_a_run():
    run = dlgd.load(ROOT / "tests" / "frozen" / "runs" / "nemovar_resnet")
    text = parsed(run._repr_html_())
    words = " ".join(text.itertext())
    assert "Run: resnet on nemovar" in words
    assert "separable" in words


def test_data_and_method():
    data = dlgd.data("mnist_5k", **DIGITS)
    assert "not prepared" in data._repr_html_()
    test = data.samples("test")
    (image,) = parsed(data._repr_html_()).iter("img")
    assert "first training sample of mnist_5k" in (image.get("alt") or "")
    method = dlgd.method("identity")
    assert method.summary in "".join(parsed(method._repr_html_()).itertext())
    method.evaluate(test)
    assert "mse" in method._repr_html_()


def test_many_options_are_folded():
    text = parsed(pages.page("A", {"few": "a=1", "many": "x=1, " * 100}, None, {}))
    assert ["".join(one.itertext()).partition(",")[0] for one in text.iter("details")] == [
        "many (click to see them)x=1"
    ]


def test_the_day_of_a_sample_is_drawn():
    """Of other days of its window, the truth may be unknown, and nothing is then drawn."""
    config = with_choice("data", "ssh")
    source = tiny(config)
    one = source.samples("train").isel(sample=[0])
    batch = next(iter(source.encode(one, halo=0, device="cpu")))
    figure = draw_batch(batch, source.spec)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["first_guess_+0", "observation_+0", "observed_+0", "sea", "target: ssh_+0"]
    drawn = [axes.images[0].get_array() for axes in figure.axes]
    assert all(np.ptp(np.ma.compressed(drawn[at])) > 0 for at in (0, 1, 4))


@pytest.mark.parametrize("name", choices_of("data"))
def test_each_data_set_is_drawn(name):
    config = with_choice("data", name)
    made = dlgd.Data(config, source=tiny(config))
    made.prepared = True
    assert list(parsed(made._repr_html_()).iter("img"))
