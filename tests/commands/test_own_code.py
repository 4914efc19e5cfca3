"""A bug in a person's own code shows its traceback, which ends at their line; what they mistyped is one sentence."""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from pathlib import Path

import pytest

from dlgd import baseline
from dlgd.cli.config_errors import refusal_of
from dlgd.cli.error_origin import in_a_line, is_ours
from dlgd.core.paths import ROOT
from dlgd.train import main as train
from tests.commands import own_code

CHOSEN = [f"{group}=mine" for group in ("data", "model", "loss", "augmentation", "evaluation")]
QUICK = ["training=debug", "training.steps=2", "training.validate_every=2", "tracking=off", "device=cpu"]
SILENT = ["hydra/job_logging=none", "hydra/hydra_logging=none"]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Their working folder: mine.py, and its choices in conf/."""
    (tmp_path / "mine.py").write_text(Path(own_code.__file__).read_text())
    (tmp_path / "broken.py").write_text("def there():\n    return 1 / 0\n\n\nthere()\n")
    (tmp_path / "lacking.py").write_text("import a_package_that_is_not_installed\n")
    for name, text in own_code.MINE.items():
        (tmp_path / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / f"{name}.yaml").write_text(f"{text}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path / "cache"))
    yield tmp_path
    for name in ("mine", "broken", "lacking"):
        sys.modules.pop(name, None)


@pytest.fixture
def command(folder, monkeypatch):
    """A command as it runs in a process of its own, without the process."""

    def run(main, *words: str) -> None:
        typed = [f"--config-dir={folder}/conf", f"hydra.run.dir={folder}/run", *QUICK, *SILENT, *words]
        typed = [word for word in typed if main is train or not word.startswith("training")]
        monkeypatch.setattr(sys, "argv", [main.__name__, *typed])
        main()

    return run


def ends_in(error: BaseException, file: str, function: str) -> None:
    """The last lines of the traceback that are not a library's are in this file, where the function is among them."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    assert Path(frames[-1].filename).name == file
    assert function in [frame.name for frame in frames if Path(frame.filename).name == file]


def refused(command, capfd, *words: str) -> str:
    """The sentence."""
    with pytest.raises(SystemExit) as end:
        command(*words)
    assert end.value.code == 2
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert said.startswith("dlgd: ")
    assert said.count("\n") == 1
    return said


# --- bugs ----------------------------------------------------------------------------------------------------------


def test_own_code_without_a_bug(command, folder):
    command(train, *CHOSEN)
    assert (folder / "run" / "scores.json").exists()


@pytest.mark.parametrize(
    ("place", "function"),
    [
        ("model.where=step", "forward"),
        ("model.where=validation", "forward"),
        ("data.where=constructor", "__init__"),
        ("data.where=prepare", "prepare"),
        ("loss.where=constructor", "__init__"),
        ("loss.where=step", "forward"),
        ("augmentation.where=constructor", "__init__"),
        ("augmentation.where=step", "__call__"),
        ("evaluation.scores.where=constructor", "__init__"),
        ("evaluation.scores.where=scores", "scores"),
        ("evaluation.scores.where=figures", "figures"),
        ("evaluation.methods.guess.where=constructor", "__init__"),
        ("evaluation.methods.guess.where=fit", "fit"),
        ("evaluation.methods.guess.where=predict", "predict"),
        ("model.inner={_target_: mine.Inner, where: constructor}", "__init__"),
    ],
)
def test_a_bug_in_each_place(command, place, function):
    with pytest.raises(ValueError, match=r"^invalid literal for int\(\) with base 10: 'three'$") as error:
        command(train, *CHOSEN, f"+{place}")
    ends_in(error.value, "mine.py", function)


@pytest.mark.parametrize("place", ["model.where=constructor", "loss.where=step"])
@pytest.mark.parametrize("kind", own_code.KINDS)
def test_a_bug_of_each_kind(command, place, kind):
    with pytest.raises(Exception, match=r".") as error:
        command(train, *CHOSEN, f"+{place}", f"+{place.rpartition('.')[0]}.kind={kind}")
    ends_in(error.value, "mine.py", "bug")


@pytest.mark.parametrize("place", ["constructor", "fit", "predict"])
def test_a_bug_in_a_classical_method(command, place):
    with pytest.raises(ValueError, match="three") as error:
        command(baseline.main, "baseline=mine", "data=mine", "evaluation=mine", f"+baseline.where={place}")
    ends_in(error.value, "mine.py", "bug")


def test_a_bug_in_a_module_that_is_imported(command):
    with pytest.raises(ZeroDivisionError) as error:
        command(train, *CHOSEN, "model._target_=broken.Net")
    ends_in(error.value, "broken.py", "there")
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_not_installed") as error:
        command(train, *CHOSEN, "model._target_=lacking.Net")
    ends_in(error.value, "lacking.py", "<module>")


def test_the_process_of_a_command(dlgd, folder):
    words = [f"--config-dir={folder}/conf", *CHOSEN, *QUICK, "+model.where=step", "+model.kind=shape"]
    done = dlgd("train", *words, environment={"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"})
    assert done.returncode == 1
    *_, where, line, _, message = done.stderr.rstrip().splitlines()
    assert re.search(r'File ".*/mine\.py", line \d+, in bug$', where)
    assert line.strip() == "torch.ones(2, 3) @ torch.ones(2, 3)"
    assert message.startswith("RuntimeError: mat1 and mat2 shapes")


# --- what was mistyped ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (
            ["+model.wher=step"],
            "model.wher is no option of mine.Net: choose one of model.where, model.kind, model.inner (did you mean "
            "model.where?)",
        ),
        (
            ["+model.layers=3", "+model.width=8"],
            "model.layers, model.width are no options of mine.Net: choose one of model.where, model.kind, model.inner; "
            "remove them: ~model.layers ~model.width",
        ),
        (["+model.where=3"], "model.where=3 must be a name"),
        (["~data.noise"], "data.noise is missing: mine.Digits needs a value"),
        (["data._target_=mine.Digit"], "cannot be found: mine has no Digit (did you mean Digits?)"),
        (["model._target_=yours.Net"], "model._target_=yours.Net cannot be found: there is no module yours; "),
        (["model._target_=mine"], "model._target_=mine is no class or function"),
        (["model._target_=mine.Inner"], "model._target_=mine.Inner must take spec, which the program gives to it"),
        (["+model.inner={_target_: mine.Inner, wher: x}"], "model.inner.wher is no option of mine.Inner: choose one"),
        (["+model.spec=3"], "model.spec is no option of mine.Net"),
        (["evaluation.methods.guess=3"], "evaluation.methods.guess=3 must be a _target_ with its options"),
        (["~model"], "~model removes what each run needs: choose another one, model=<choice>"),
    ],
)
def test_mistyped(command, capfd, typed, sentence):
    assert sentence in refused(command, capfd, train, *CHOSEN, *typed)


def test_options_that_only_the_constructor_takes(command, capfd):
    """**options of theirs are passed on; it is their own code, then, that does not know one."""
    with pytest.raises(TypeError, match="colour") as error:
        command(train, *CHOSEN, "+evaluation.scores.colour=red")
    ends_in(error.value, "mine.py", "__init__")


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_folder_that_our_own_lines_cannot_write(command, capfd, folder):
    (folder / "run").mkdir()
    (folder / "run" / "figures").write_text("in the way")
    said = refused(command, capfd, train, *CHOSEN)
    assert said == f"dlgd: {folder}/run/figures: File exists; choose another folder or make room\n"


def raised(error: Exception, *modules: str) -> Exception:
    """The error, as it comes out of a function of the last module, called by one of the module before, ..."""

    def fail() -> None:
        raise error

    function = fail
    for module in reversed(modules):
        names = {"__name__": module, "__package__": module.rpartition(".")[0], "inner": function}
        exec(compile("def outer():\n    inner()", f"/somewhere/{module.rpartition('.')[2]}.py", "exec"), names)
        function = names["outer"]
    try:
        function()
    except type(error) as caught:
        caught.__traceback__ = caught.__traceback__.tb_next  # without this file's own lines
        last = caught.__traceback__
        while last.tb_next.tb_next is not None:
            last = last.tb_next
        last.tb_next = None
        return caught
    raise AssertionError("nothing was raised")


def test_whose_error_it_is():
    full = OSError(errno.ENOSPC, "No space left on device")
    ours = raised(full, "dlgd.scoring.report", "matplotlib.figure", "pathlib")
    assert is_ours(ours)
    assert str(refusal_of(ours, "config")) == (
        "a file cannot be written: No space left on device; choose another folder or make room"
    )
    for modules in (["dlgd.build", "mine"], ["dlgd.build", "installed.net", "torch.nn"], ["mine", "dlgd.core.cache"]):
        theirs = raised(OSError(errno.ENOENT, "No such file or directory", "weights.pt"), *modules)
        assert not is_ours(theirs)
        assert refusal_of(theirs, "config") is None
    assert refusal_of(raised(KeyError("x"), "dlgd.build"), "config") is None, "a fault of ours has a traceback"


def test_an_error_in_a_line():
    assert in_a_line(raised(ValueError("first\nsecond"), "dlgd.build", "mine", "torch.nn")) == (
        "ValueError: first (mine.py:2)"
    )
    assert in_a_line(KeyError("x")) == "KeyError: 'x'"
