"""Methods refuse data that they cannot serve before these are made."""

import hydra
import pytest

from dlgd import build
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF

UNSUITED = [
    ("augmented_enks", "lorenz63", "is for data=stochastic_lorenz63: type baseline=enks"),
    ("letkf", "stochastic_lorenz63", "localizes on a ring of variables"),
    ("letkf", "lorenz63", "localizes on a ring of variables"),
    ("analog", "stochastic_lorenz63", "gives forecasts, which these data do not ask for"),
    ("sparse_regression", "lorenz63", "gives forecasts, which these data do not ask for"),
]


def composed(method, *data):
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("baseline", overrides=[f"baseline={method}", *data])


@pytest.mark.parametrize(("method", "data", "why"), UNSUITED)
def test_unsuited_data_are_refused(method, data, why):
    config = composed(method, f"data={data}")
    with pytest.raises(Refusal, match=why):
        build.method(config.baseline).check(build.data(config))


@pytest.mark.parametrize(
    ("method", "data"), [("letkf", ["data=lorenz96"]), ("analog", ["data=lorenz63", "data.task=forecast"])]
)
def test_suited_data_are_not(method, data):
    config = composed(method, *data)
    build.method(config.baseline).check(build.data(config))
