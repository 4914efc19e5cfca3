"""Every choice builds, fits its neighbours, and takes one step of training; what does not fit is refused."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path

import hydra
import pytest
import torch
from config_files import BUILDERS, CHOICES, choices_of, compose, network, scalars, tiny, with_choice
from omegaconf import DictConfig, OmegaConf

from dlgd import build
from dlgd.contract import Network, Spec
from dlgd.settings import Refusal

MODELS, DATA, LOSSES = (choices_of(group) for group in ("model", "data", "loss"))
FIELDS = [name for name in DATA if build.data(with_choice("data", name)).spec.kind == "field"]
BUILT = [(group, choice) for group, choice in CHOICES if group in BUILDERS]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Nothing is written outside of it."""
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def constructor_of(group: str) -> str:
    """Where the values for the constructor stand."""
    return "evaluation.scores" if group == "evaluation" else group


def built(group: str, config: DictConfig, folder: Path) -> object:
    return BUILDERS[group][0](config, folder)


# --- what fits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "choice"), BUILT)
def test_every_choice_builds(group, choice, folder):
    assert isinstance(built(group, with_choice(group, choice), folder), BUILDERS[group][1])


@pytest.mark.parametrize("experiment", choices_of("experiment"))
def test_every_experiment_builds(experiment, folder):
    config = compose("config", f"experiment={experiment}")
    for group in BUILDERS.keys() & set(config):
        assert isinstance(built(group, config, folder), BUILDERS[group][1])


@pytest.mark.parametrize("data", DATA)
def test_a_data_set_brings_its_own_loss_and_scores(data):
    config = compose("config", f"data={data}")
    assert config.data.name == data
    loss = compose("config", f"data={data}", "loss=mae").loss
    assert loss == compose("config", "loss=mae").loss, "a loss that is typed wins"


def losses_of_two_steps(config: DictConfig) -> tuple[float, float]:
    """The loss of a batch before and after one step of the optimizer on it."""
    source, net = tiny(config.data.name), network(config)
    misfit, optimizers = build.misfit(config, source.spec), build.optimizers(config, net)
    batch = source.stream(halo=net.halo, batch_size=2, seed=0, device="cpu").batch(0)
    kernels = [parameter for parameter in net.parameters() if parameter.ndim > 1]
    before = [kernel.detach().clone() for kernel in kernels]
    losses = []
    for _ in range(2):
        for player, total, parts in net.objectives(batch, misfit):
            assert torch.isfinite(total)
            assert all(torch.isfinite(part) and not part.requires_grad for part in parts.values())
            optimizers[player].zero_grad(set_to_none=True)
            total.backward()
            optimizers[player].step()
        losses.append(float(total.detach()))
    assert all((kernel != old).any() for kernel, old in zip(kernels, before, strict=True))
    return losses[0], losses[1]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("data", FIELDS)
@pytest.mark.parametrize("model", MODELS)
def test_one_step_of_every_model_on_every_field_with_every_loss(model, data, loss):
    config = compose("config", f"model={model}", f"data={data}", f"loss={loss}", "optimizer.lr=1e-5")
    first, second = losses_of_two_steps(config)
    assert second < first, "a small step on the same batch helps"


@pytest.mark.parametrize("optimizer", choices_of("optimizer"))
def test_one_step_of_every_optimizer(optimizer):
    first, second = losses_of_two_steps(compose("config", f"optimizer={optimizer}", "optimizer.lr=1e-4"))
    assert second < first


# --- seeds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_weights_come_from_the_seed(model):
    """Seed 0 counts as any other."""

    def weights(seed: int) -> torch.Tensor:
        net = network(compose("config", f"model={model}", f"seed={seed}"))
        return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])

    first = weights(0)
    torch.rand(7)
    assert torch.equal(weights(0), first)
    assert not torch.equal(weights(1), first)


@pytest.mark.parametrize("data", FIELDS)
def test_samples_come_from_the_seed_of_the_data(data):
    def checksum(seed: int) -> str:
        return build.data(compose("config", f"data={data}", f"data.seed={seed}")).tiny().checksum()

    assert checksum(0) == tiny(data).checksum() != checksum(1)


# --- every value counts ------------------------------------------------------------------------------------


def fingerprint(net: Network, spec: Spec) -> list[object]:
    """What two networks of other options differ in: halo, shapes of weights, or what comes out."""
    torch.manual_seed(0)
    size, channels = 8 + 2 * net.halo, len(spec.input_channels)
    with torch.no_grad():
        answer = net.eval()(torch.rand(1, channels, size, size)).prediction
    return [net.halo, [parameter.shape for parameter in net.parameters()], answer.sum().item()]


OTHERWISE = {"activation": "relu", "normalization": "group", "skip": "concatenation"}


@pytest.mark.parametrize(
    ("model", "key"), [(model, key) for model in MODELS for key in scalars(with_choice("model", model).model)]
)
def test_every_value_of_a_model_changes_the_network(model, key):
    config = compose("config", f"model={model}")
    if "width" in config.model:
        config.model.width = 8
    spec = tiny(FIELDS[0]).spec
    usual = fingerprint(build.network(config, spec), spec)
    config.model[key] = OTHERWISE[key] if isinstance(config.model[key], str) else 2 * config.model[key]
    assert fingerprint(build.network(config, spec), spec) != usual


@pytest.mark.parametrize(
    ("loss", "key"), [(loss, key) for loss in LOSSES for key in scalars(with_choice("loss", loss).loss)]
)
def test_every_value_of_a_loss_changes_it(loss, key):
    config, spec = compose("config", f"loss={loss}"), tiny(FIELDS[0]).spec
    given = {"prediction": torch.rand(1, 1, 4, 4), "target": torch.rand(1, 1, 4, 4), "mask": torch.ones(1, 1, 4, 4) > 0}
    usual, _ = build.misfit(config, spec)(**given)
    config.loss[key] = 2 * config.loss[key]
    assert build.misfit(config, spec)(**given)[0] != usual


FREE = {"data.name", "data.path", "tracking.uri"}  # any text will do, or is looked at when the run starts
SCALARS = [
    (group, choice, key)
    for group, choice in BUILT
    for key in scalars(with_choice(group, choice)[group], group)
    if key not in FREE
]


@pytest.mark.parametrize(("group", "choice", "key"), SCALARS)
def test_nonsense_is_refused(group, choice, key, folder):
    config = with_choice(group, choice)
    OmegaConf.update(config, key, "nonsense")
    with pytest.raises(Refusal) as caught:
        built(group, config, folder)
    assert "nonsense" in str(caught.value) or "str" in str(caught.value)


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "choice"), BUILT)
def test_a_misspelt_key(group, choice, folder):
    config = with_choice(group, choice)
    OmegaConf.update(config, f"{constructor_of(group)}.misspelt_key", 1)
    with pytest.raises(Refusal, match=f"{group}.*misspelt_key"):
        built(group, config, folder)


@pytest.mark.parametrize(("group", "choice"), BUILT)
def test_a_key_left_out(group, choice, folder):
    node = OmegaConf.select(with_choice(group, choice), constructor_of(group))
    parameters = inspect.signature(hydra.utils.get_object(node._target_)).parameters
    for key in parameters.keys() & set(node) - {"name"}:  # the name of the data set is needed before
        if parameters[key].default is inspect.Parameter.empty:
            fewer = with_choice(group, choice)
            del OmegaConf.select(fewer, constructor_of(group))[key]
            with pytest.raises(Refusal, match=key):
                built(group, fewer, folder)


@pytest.mark.parametrize("target", ["dlgd.models.cnn.CN", "dlgd.nowhere.Thing", "nowhere", "os.system"])
@pytest.mark.parametrize("group", sorted(BUILDERS))
def test_an_unknown_target(group, target, folder):
    config = with_choice(group, choices_of(group)[0])
    OmegaConf.update(config, f"{constructor_of(group)}._target_", target)
    with pytest.raises(Refusal, match=target):
        built(group, config, folder)


def test_a_network_that_does_not_fit_the_data():
    labels = replace(tiny(FIELDS[0]).spec, kind="label", name="digits")
    with pytest.raises(Refusal, match="model=resnet predicts fields but data=digits gives labels: try model="):
        build.network(compose("config"), labels)
    with pytest.raises(Refusal, match="loss=relative compares numbers but data=digits gives labels: try loss="):
        build.misfit(compose("config"), labels)


@pytest.mark.parametrize("seed", [-1, 2**32, "many", 1.5, None])
def test_an_impossible_seed(seed):
    config = compose("config")
    config.seed = seed
    with pytest.raises(Refusal, match="seed"):
        build.network(config, tiny(FIELDS[0]).spec)
