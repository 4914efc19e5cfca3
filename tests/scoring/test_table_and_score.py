import io
import json
import logging
import re
import time

import numpy as np
import pytest
from rich.console import Console

from dlgd.core.contract import Method
from dlgd.core.errors import Refusal
from dlgd.core.number_format import decimals
from dlgd.core.score import Score
from dlgd.problems.normalization.scores import NormalizationEvaluation
from dlgd.scoring.descriptions import columns
from dlgd.scoring.score import score, write_scores
from dlgd.scoring.table import markdown, print_table

COLUMNS = columns(NormalizationEvaluation.all_scores)
ROWS = [
    {"method": "resnet", "eps_mean": 3.5e-3, "eps_q": 4e-2, "eps_max": 4.8e-2, "rmse": 5e-3, "seconds_per_sample": 1.2},
    {"method": "homog|eneous", "eps_mean": 0.115, "eps_q": 10.9, "eps_max": 27.8, "seconds_per_sample": 0.02},
    {"method": "10 layers, additive skips", "source": "Coulaud 2022, table 6", "eps_mean": 1e-9, "eps_q": 1.87e-2},
]


def printed(width=100, **options):
    stream = io.StringIO()
    print_table(ROWS, COLUMNS, "Scores on 10 test samples", Console(file=stream, width=width, **options))
    return stream.getvalue()


def test_table_fits_and_its_numbers_stand_under_their_headings():
    lines = printed().splitlines()
    assert lines[0].strip() == "Scores on 10 test samples"
    assert all(len(line) <= 100 for line in lines)
    head, resnet, homogeneous = (next(x for x in lines if n in x) for n in ("eps_mean", "resnet", "homog"))
    for title, *cells in (
        ("eps_mean", "3.50e-3", "1.15e-1"),
        ("eps_max", "4.80e-2", "27.8"),
        ("RMSE", "5.00e-3", " -"),
    ):
        right = head.index(title) + len(title)
        assert resnet[:right].endswith(" " + cells[0])
        assert homogeneous[:right].endswith(" " + cells[1])


def test_best_measured_value_is_bold_and_published_rows_are_dim():
    text = printed(force_terminal=True, color_system="standard")
    resnet, homogeneous, published = (next(x for x in text.splitlines() if n in x) for n in ("resnet", "homog", "10 l"))
    bold = r"\x1b\[1m *([^ \x1b]+)"
    assert re.findall(bold, resnet) == ["3.50e-3", "4.00e-2", "4.80e-2"]
    assert re.findall(bold, homogeneous) == ["0.02"]
    assert re.findall(bold, published) == []  # though its eps_mean is the lowest
    assert "\x1b[2m" in published
    assert "table 6" in published


def test_a_narrow_terminal_folds_names_and_keeps_numbers():
    for width in (72, 30):
        text = printed(width=width)
        for cell in ("3.50e-3", "4.80e-2", "1.87e-2", "0.02", "resnet", "homog|eneous"):
            assert cell in text


def test_piped_table_takes_a_hundred_columns_and_no_colour(capsys):
    print_table(ROWS, COLUMNS, "Scores")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert any("10 layers, additive skips (Coulaud 2022, table 6)" in line for line in out.splitlines())


def test_a_name_with_brackets_is_printed_as_it_is(capsys):
    print_table([{"method": "cnn [bold]"}], COLUMNS, "Scores")
    assert "cnn [bold]" in capsys.readouterr().out


def test_markdown():
    lines = markdown(ROWS, COLUMNS).splitlines()
    assert len(lines) == 5
    assert len({len(line) for line in lines}) == 1
    cells = [[cell.strip() for cell in line.replace(r"\|", "/").strip("|").split("|")] for line in lines]
    assert cells[0] == ["method", "eps_mean", "eps_Q", "eps_max", "RMSE", "time (s/sample)"]
    assert all(cell.endswith(":") for cell in cells[1][1:])
    assert cells[2] == ["resnet", "**3.50e-3**", "**4.00e-2**", "**4.80e-2**", "5.00e-3", "1.20"]
    assert cells[3] == ["homog/eneous", "1.15e-1", "10.9", "27.8", "-", "**0.02**"]
    assert cells[4][:3] == ["*10 layers, additive skips (Coulaud 2022, table 6)*", "1.00e-9", "1.87e-2"]


def test_the_best_is_the_highest_where_more_is_better_and_none_where_neither_is():
    titles = (
        Score("accuracy", "accuracy", "%", higher_is_better=True, written=decimals(1)),
        Score("error", "error", "%", higher_is_better=False, written=decimals(1)),
        Score("spread", "spread", higher_is_better=None, written=decimals(1)),
    )
    rows = [{"method": name, "accuracy": x, "error": 100 - x, "spread": x} for name, x in (("a", 90.0), ("b", 80.0))]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown(rows, titles).splitlines()]
    assert cells[0] == ["method", "accuracy (%)", "error (%)", "spread"]
    assert cells[2:] == [["a", "**90.0**", "**10.0**", "90.0"], ["b", "80.0", "20.0", "80.0"]]


class Scaled(Method):
    """Answers the truth times a factor, in no less than 10 ms a sample."""

    def __init__(self, name, factor, seconds_per_sample=None):
        self.name, self.factor, self.seconds_per_sample = name, factor, seconds_per_sample

    def fit(self, train):
        raise AssertionError("score does not fit")

    def predict(self, samples):
        time.sleep(0.01 * samples.sizes["sample"])
        return self.factor * samples["gamma"].values


def test_score_gives_a_row_and_a_prediction_per_method(samples, caplog):
    methods = [Scaled("network", 1.1), Scaled("exact", 1.0, seconds_per_sample=7.5)]
    with caplog.at_level(logging.INFO, logger="dlgd.scoring.score"):
        rows, predictions = score(methods, samples, NormalizationEvaluation())
    assert [row["method"] for row in rows] == list(predictions) == ["network", "exact"]
    assert rows[0]["eps_mean"] == pytest.approx(0.21)
    assert rows[1]["eps_max"] == 0
    assert 0.01 <= rows[0]["seconds_per_sample"] < 5
    assert rows[1]["seconds_per_sample"] == 7.5  # what the earlier answer took
    np.testing.assert_array_equal(predictions["network"], 1.1 * samples["gamma"].values)
    assert [record.getMessage().split(": ")[0] for record in caplog.records] == ["scoring 1/2", "scoring 2/2"]


def test_a_method_that_fails_is_named(samples):
    with pytest.raises(ValueError, match=r"^sick network cannot be scored"):
        score([Scaled("sick network", np.nan)], samples, NormalizationEvaluation())


def test_two_methods_of_one_name_are_refused(samples):
    with pytest.raises(Refusal, match="Two methods are called cnn"):
        score([Scaled("cnn", 1), Scaled("cnn", 2)], samples, NormalizationEvaluation())


def test_scoring_no_sample_is_refused(samples):
    with pytest.raises(ValueError, match="no sample to score"):
        score([Scaled("cnn", 1)], samples.isel(sample=[]), NormalizationEvaluation())


def test_scores_are_strict_json(samples, tmp_path):
    rows, _ = score([Scaled("cnn", 1.1)], samples, NormalizationEvaluation())
    write_scores(tmp_path / "run" / "scores.json", rows)
    assert json.loads((tmp_path / "run" / "scores.json").read_text()) == rows
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["scores.json"]  # nothing unfinished beside it


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_leave_the_old_file_alone(tmp_path, bad):
    write_scores(tmp_path / "scores.json", [{"method": "cnn", "rmse": 1.0}])
    with pytest.raises(ValueError, match="JSON compliant"):
        write_scores(tmp_path / "scores.json", [{"method": "cnn", "rmse": bad}])
    assert json.loads((tmp_path / "scores.json").read_text()) == [{"method": "cnn", "rmse": 1.0}]
