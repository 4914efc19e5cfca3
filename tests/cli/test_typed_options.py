"""Words that make no configuration, and options that nothing reads, are refused before Hydra composes anything."""

from __future__ import annotations

import pytest

from dlgd.cli import library_errors
from dlgd.cli.typed_options import flags_last, options_of, refuse_misformed
from dlgd.core.errors import Refusal


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("model=null", "model=null is unknown: choose one of ae, "),
        ("model=resnet,null", "model=null is unknown: choose one of"),
        ("optimizer=3", "optimizer=3 is unknown: choose one of adam"),
        ("model=", "model= is unknown: choose one of"),
        ("training=[1]", r"training is one choice, not a list: .* -m training="),
        ("experiment=null", "experiment=null cannot be typed: leave it out"),
        ("=3", "=3 names no option: type option=value"),
        ("+=3", r"\+=3 names no option"),
        ("seed", "'seed' has no value: type seed=<value>"),
        ("", "an empty word"),
        ("freeze=a b]", "cannot be read .*: put a value with spaces"),
        ("~model", "~model removes what each run needs: choose another one, model=<choice>"),
        ("~seed", "~seed removes an option that is read"),
        ("+modle.x=1", r"\+modle\.x=1 adds modle, which nothing reads \(did you mean model\?\)"),
        ("++x=1", r"\+\+x=1 adds x, which nothing reads"),
        ("+baseline=oi", "adds baseline, which nothing reads"),
        ("+model@modle=resnet", "adds modle, which nothing reads"),
        ("+evaluation.method.x=1", r"adds evaluation\.method, which nothing reads \(did you mean methods\?\)"),
    ],
)
def test_refused(typed, words):
    with pytest.raises(Refusal, match=words):
        refuse_misformed(["seed=1", typed], "config")


@pytest.mark.parametrize(
    "typed",
    [
        "model=resnet",
        "model=resnet,unet",
        "model={layers: 8}",
        "experiment=ssh/correction",
        "seed=1",
        "seed=range(1,3)",
        "path='a b.nc'",
        "+model.mine=3",  # of a class of one's own, which says itself what it takes
        "+evaluation.classifier=x.pt",
        "+baseline@evaluation.methods.oi=oi",
        "+baseline@data.first_guess.method=oi",
        "~evaluation.methods",
        "~augmentation.flips",
        "hydra/launcher=joblib",
        "+hydra.sweep.dir=x",
        "hydra.run.dir=null",
        "--multirun",
    ],
)
def test_left_to_hydra(typed):
    refuse_misformed([typed], "config")


def test_a_value_of_a_flag_is_no_option():
    refuse_misformed(["--config-dir", "/some where", "-m", "seed=1,2"], "config")


@pytest.mark.parametrize(
    ("config_name", "typed", "words"),
    [
        ("evaluate", "data=null", "data=null cannot be typed: leave it out"),
        ("compare", "runs=3", r"runs=3 is no option: type one of runs\.experiment,"),
        ("compare", "+runs.name=x", r"adds runs\.name, which nothing reads"),
        ("sweep", "~data", "~data removes what each run needs"),
        ("sweep", "+sweep.sampling=x", r"adds sweep\.sampling, which nothing reads \(did you mean sampler\?\)"),
    ],
)
def test_other_commands(config_name, typed, words):
    with pytest.raises(Refusal, match=words):
        refuse_misformed([typed], config_name)


def test_files_that_extend_others_have_their_options():
    found = options_of("sweep")
    assert {"model": "resnet", "sweep": None, "baseline": None}.items() <= found.groups.items()
    assert {"trials": 40, "seed": 0, "freeze": []}.items() <= found.values.items()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "not enough memory: reduce training.batch_size"),
        (
            RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0"),
            "not enough memory for 20.00 GiB more",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 40000000 bytes. Error 12"),
            "not enough memory for 40000000 bytes more",
        ),
        (ValueError("Expected more than 1 value per channel when training, got"), "training.batch_size=2 or more"),
        (OverflowError("int too large to convert to float"), "too large"),
    ],
)
def test_errors_of_libraries(error, words):
    assert words in str(library_errors.in_a_sentence(error))


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), ValueError("memory"), KeyError("out of memory")])
def test_other_errors_keep_their_tracebacks(error):
    assert library_errors.in_a_sentence(error) is None


@pytest.mark.parametrize(
    ("typed", "taken"),
    [
        ("a=1 --cfg job b=2", "a=1 b=2 --cfg job"),
        ("--cfg=job a=1 -m b=2", "a=1 b=2 --cfg=job -m"),
        ("a=1 -c job ~b --resolve", "a=1 ~b -c job --resolve"),
        ("--info a=1", "a=1 --info"),
        ("", ""),
    ],
)
def test_flags_may_stand_anywhere(typed, taken):
    assert flags_last(typed.split()) == taken.split()


def test_words_behind_a_flag_are_taken(dlgd):
    done = dlgd("train", "model=cnn", "--cfg", "job", "data=mnist_5k", "seed=7")
    assert done.returncode == 0, done.stderr
    assert "seed: 7" in done.stdout
