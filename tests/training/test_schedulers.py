import math

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.training.budget import Budget, TrainingProgress
from dlgd.training.schedulers import Constant, Cosine, Exponential, Inverse, OneCycle, Scheduler, Step

NAMES = sorted(path.stem for path in (CONF / "scheduler").glob("*.yaml"))


def at(*, step: int = 0, epoch: float = 0.0, progress: float = 0.0) -> TrainingProgress:
    return TrainingProgress(step=step, epoch=epoch, progress=progress)


def test_constant():
    assert Constant().factor(at(step=9, epoch=9, progress=0.9)) == 1


def test_step():
    step = Step(every=10, gamma=0.5)
    assert [step.factor(at(epoch=e)) for e in (0, 9.9, 10, 20)] == [1, 1, 0.5, 0.25]


def test_exponential():
    assert Exponential(gamma=0.9).factor(at(epoch=2.5)) == pytest.approx(0.9**2.5)


def test_inverse():
    assert [Inverse(decay=0.01).factor(at(step=s)) for s in (0, 100, 300)] == [1, 0.5, 0.25]


def test_cosine():
    cosine = Cosine(warmup=0.2, final=0.1)
    values = [cosine.factor(at(progress=p)) for p in (0, 0.1, 0.2, 0.6, 1)]
    assert values == pytest.approx([0.01, 0.505, 1, 0.55, 0.1])
    assert Cosine(warmup=0, final=0).factor(at(progress=0)) == 1
    assert Cosine(warmup=1, final=0.5).factor(at(progress=1)) == 0.5


def test_onecycle():
    cycle = OneCycle(warmup=0.4, start=0.1, final=0.0)
    values = [cycle.factor(at(progress=p)) for p in (0, 0.2, 0.4, 0.7, 1)]
    assert values == pytest.approx([0.1, 0.55, 1, 0.5, 0])


@pytest.mark.parametrize("name", NAMES)
def test_every_choice_is_built_and_stays_between_0_and_1(name):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        scheduler = instantiate(compose(f"scheduler/{name}").scheduler)
    assert isinstance(scheduler, Scheduler)
    for n in range(101):
        assert 0 <= scheduler.factor(at(step=1000 * n, epoch=n / 3, progress=n / 100)) <= 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cosine(warmup=1.5, final=0),
        lambda: Cosine(warmup=0.1, final=math.nan),
        lambda: OneCycle(warmup=0.1, start="low", final=0),
        lambda: Exponential(gamma=1.1),
        lambda: Step(every=0, gamma=0.5),
        lambda: Inverse(decay=-1),
    ],
)
def test_impossible_options_are_refused(make):
    with pytest.raises(Refusal, match=r"^scheduler\.\w+=.* must be a number (from|above|of at least) 0"):
        make()


def test_progress_is_that_of_the_limit_that_ends_first():
    budget = Budget(steps=100, epochs=4, minutes=1, steps_per_epoch=10)
    assert budget.moment(step=20, seconds=6) == TrainingProgress(step=20, epoch=2, progress=0.5)
    assert budget.moment(step=20, seconds=45).progress == 0.75
    assert budget.moment(step=40, seconds=0).progress == 1
    assert budget.moment(step=400, seconds=600).progress == 1
    assert Budget(steps=3, epochs=None, minutes=None, steps_per_epoch=7).moment(step=3, seconds=0).progress == 1


def test_time_left_is_that_of_the_limit_that_ends_first():
    budget = Budget(steps=100, epochs=4, minutes=1, steps_per_epoch=10)
    assert budget.seconds_left(step=20, seconds=10, seconds_per_step=0.5) == 10  # 20 steps to the end of epoch 4
    assert budget.seconds_left(step=20, seconds=55, seconds_per_step=0.5) == 5
    assert budget.seconds_left(step=50, seconds=99, seconds_per_step=0.5) == 0
