import logging
import re

from dlgd.training import progress
from dlgd.training.budget import TrainingProgress
from dlgd.training.progress import Display
from tests.training.tiny_training import train


def shown(display: Display, step: int) -> None:
    moment = TrainingProgress(step=step, epoch=0.5, progress=0.25)
    display.show(moment=moment, losses={"train/loss": 0.012345}, pace=321.4, seconds_left=90)


def test_without_a_terminal_there_is_a_line_line_timer(caplog, monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with caplog.at_level(logging.INFO), Display(terminal=False) as display:
        for step in range(1, 4):
            shown(display, step)
            now[0] += 20
    assert [record.getMessage() for record in caplog.records] == [
        " 25 %: step 1, epoch 0.5, train/loss 0.0123, 321 samples/s, 1 min 30 s left",
        " 25 %: step 3, epoch 0.5, train/loss 0.0123, 321 samples/s, 1 min 30 s left",
    ]
    assert capsys.readouterr().err == ""


def test_on_a_terminal_there_is_a_bar_and_no_line(caplog, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with caplog.at_level(logging.INFO), Display(terminal=True) as display:
        shown(display, 1)
        with display.aside():
            pass
    text = capsys.readouterr().err
    assert "25%" in text
    assert "loss 0.0123, 321 samples/s, 1 min 30 s left" in text
    assert not caplog.records


def test_the_pace_leaves_out_what_was_done_aside(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    display = Display(terminal=False)
    now[0] = 2.0
    with display.aside():
        now[0] = 50.0
    now[0] = 52.0
    assert display.pace(40) == 10
    now[0] = 53.0
    assert display.pace(40) == 40


def test_the_log_tells_the_device_the_validations_and_the_end(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        train(tmp_path)
    assert "Training from step 0 on cpu: " in caplog.text
    assert re.search(r"Step 4, validation: loss 0\.\d+ \(best loss\)", caplog.text)
    assert "(best loss)" in caplog.text
    assert "Training finished after 12 steps" in caplog.text


def test_the_log_leaves_out_the_scores_of_single_classes(tmp_path, caplog):
    scores = {"loss": 0.5, "of_a": 0.25, "of_b": 0.75}
    with caplog.at_level(logging.INFO):
        result, _ = train(tmp_path, steps=2, validate=lambda network: scores, criteria=["loss", "of_b"])
    assert "Step 2, validation: loss 0.5, of_b 0.75 (best loss, of_b)" in caplog.text
    assert [row["valid/of_a"] for row in result.history if "valid/loss" in row] == [0.25], "they are recorded"
