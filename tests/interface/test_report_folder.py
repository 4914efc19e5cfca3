"""Which folder an evaluation writes into."""

from __future__ import annotations

from dlgd.interface import report_folder


def test_another_question_has_a_folder_of_its_own(tmp_path):
    folder = tmp_path / "test"
    questions = [report_folder.digest({"split": "test", "dt": dt}) for dt in (0.01, 0.02, 0.03)]
    found = []
    for question in (*questions, *questions):
        found.append(report_folder.for_question(folder, question))
        found[-1].mkdir(exist_ok=True)
        report_folder.mark(found[-1], question)
    assert [path.name for path in found] == ["test", "test-2", "test-3"] * 2


def test_folders_of_before_are_replaced_as_then(tmp_path):
    report_folder.mark(tmp_path)
    assert report_folder.for_question(tmp_path, "anything") == tmp_path
    (tmp_path / report_folder.MARK).write_text("dlgd replaces its files here when it evaluates again\n")
    assert report_folder.for_question(tmp_path, "anything") == tmp_path


def test_digests_tell_options_apart(tmp_path):
    one, same, other = (report_folder.digest({"input": tmp_path, "data": {"dt": dt}}) for dt in (1, 1, 2))
    assert one == same != other
