"""Every choice builds, fits its neighbours, and takes one step of training; what does not fit is refused."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import hydra
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from dlgd import build
from dlgd.core.contract import Batch, Loss, Network
from dlgd.core.errors import Refusal
from dlgd.core.specs import SequenceSpec
from tests.configs.config_files import (
    BUILDERS,
    CHOICES,
    SETUPS,
    at_home,
    choices_of,
    compose,
    network,
    scalars,
    setup,
    spec,
    tiny,
    with_choice,
)

MODELS, DATA, LOSSES = (choices_of(group) for group in ("model", "data", "loss"))
FIELDS = [name for name, task in SETUPS if task is None]
NAMES = ["-".join(filter(None, one)) for one in SETUPS]
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
    assert isinstance(built(group, at_home(group, choice), folder), BUILDERS[group][1])


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


def objectives(net: Network, batch: Batch, loss: Loss) -> list[tuple[str, torch.Tensor, dict[str, torch.Tensor]]]:
    """With the same draws each time."""
    torch.manual_seed(0)
    return list(net.objectives(batch, loss))


def losses_of_two_steps(config: DictConfig) -> tuple[float, float]:
    """The first player's loss of a batch, before and after a step on it; then the others take theirs."""
    source, net = tiny(config), network(config)
    loss, optimizers = build.loss(config, source.spec), build.optimizers(config, net)
    net.check(loss)
    count = 8 if source.spec.whole else 2  # patches have cells enough for batch normalization
    batch = source.stream(halo=net.halo, batch_size=count, seed=0, device="cpu").batch(0)
    kernels = [parameter for parameter in net.parameters() if parameter.ndim > 1]
    before = [kernel.detach().clone() for kernel in kernels]
    losses = []
    torch.manual_seed(0)
    for number, (player, total, terms) in enumerate(net.objectives(batch, loss)):
        assert torch.isfinite(total)
        assert all(torch.isfinite(term) and not term.requires_grad for term in terms.values())
        net.zero_grad(set_to_none=True)
        total.backward()
        optimizers[player].step()
        if number == 0:
            losses = [total.item(), objectives(net, batch, loss)[0][1].item()]
    assert all((kernel != old).any() for kernel, old in zip(kernels, before, strict=True))
    return losses[0], losses[1]


@pytest.mark.parametrize("setting", SETUPS, ids=NAMES)
@pytest.mark.parametrize("model", MODELS)
def test_one_step_of_every_model_on_all_data(model, setting):
    """With the loss of the data, or one that a refusal names."""
    fits = step_or_refusal(setup(*setting, model=model))
    if not fits:
        step_or_refusal(setup(*setting, model=model, loss="bernoulli"))


@pytest.mark.parametrize("setting", SETUPS, ids=NAMES)
@pytest.mark.parametrize("loss", LOSSES)
def test_one_step_of_every_loss_on_all_data(loss, setting):
    described = spec(setup(*setting))
    forecast = isinstance(described, SequenceSpec) and described.context_steps > 0
    model = {"label": "cnn", "generated": "vae"}.get(described.kind, "gru" if forecast else "resnet")
    step_or_refusal(setup(*setting, model=model, loss=loss))


def step_or_refusal(config: DictConfig) -> bool:
    """What fits takes a step that helps; what does not is refused in a sentence that says what to type instead."""
    config.optimizer.lr = 1e-5
    refused, losses = "", (0.0, 0.0)
    try:
        losses = losses_of_two_steps(config)
    except Refusal as refusal:
        refused = str(refusal)
    if refused:
        assert re.search(r"try (model|loss|data|model\.\w+)=\w+", refused), refused
        return False
    assert losses[1] < losses[0], "a small step on the same batch helps"
    return True


@pytest.mark.parametrize(
    ("model", "data", "task", "fits"),
    [
        ("resnet", "nemovar", None, True),
        ("resnet", "mnist_5k", "classify", True),
        ("resnet", "mnist_5k", "inpaint", True),
        ("unet", "mnist_5k", "classify", False),
        ("unet", "mnist_5k", "denoise", True),
        ("ae", "nemovar", None, False),
        ("ae", "fashion_mnist", "inpaint", True),
        ("mlp", "mnist_5k", "classify", True),
        ("mlp", "mnist_5k", "reconstruct", True),
        ("vae", "mnist_5k", "generate", True),
        ("gan", "mnist", "generate", True),
        ("gan", "mnist_5k", "reconstruct", False),
        ("cnn", "mnist_5k", "generate", False),
        ("bilinear_ode", "lorenz63", "forecast", True),
        ("gru", "lorenz96", "identify", True),
        ("tcn", "lorenz96", "assimilate", False),
        ("fourdvarnet", "lorenz63", "assimilate", True),
        ("resnet", "lorenz96", "assimilate", True),
        ("unet", "lorenz63", "forecast", False),
        ("overlapping_segments", "lorenz63", "assimilate", True),
        ("unet", "ssh", None, True),
        ("dincae", "ssh", None, True),
        ("fourdvarnet", "ssh", None, True),
        ("dincae", "nemovar", None, False),
    ],
)
def test_what_fits(model, data, task, fits):
    """The test above would pass if all were refused."""
    assert step_or_refusal(setup(data, task, model=model)) == fits


def test_a_network_that_needs_a_likelihood():
    """Of which the loss of data to be reconstructed is none."""
    with pytest.raises(Refusal, match=r"model=vae needs a likelihood.*try loss=bernoulli"):
        losses_of_two_steps(setup("mnist_5k", "reconstruct", model="vae"))
    assert step_or_refusal(setup("mnist_5k", "reconstruct", model="vae", loss="bernoulli"))


@pytest.mark.parametrize("optimizer", choices_of("optimizer"))
def test_one_step_of_every_optimizer(optimizer):
    first, second = losses_of_two_steps(compose("config", f"optimizer={optimizer}", "optimizer.lr=1e-4"))
    assert second < first


# --- seeds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_weights_come_from_the_seed(model):
    """Seed 0 counts as any other. The three weights of lorenz_ode start where its factor says."""

    def weights(seed: int) -> torch.Tensor:
        config = at_home("model", model)
        config.seed = seed
        net = network(config)
        return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])

    first = weights(0)
    torch.rand(7)
    assert torch.equal(weights(0), first)
    assert torch.equal(weights(1), first) == (model == "lorenz_ode")


@pytest.mark.parametrize("data", [name for name in FIELDS if name != "ssh_tracks"])  # of which nothing is simulated
def test_samples_come_from_the_seed_of_the_data(data):
    def checksum(seed: int) -> str:
        return build.data(compose("config", f"data={data}", f"data.seed={seed}")).tiny().checksum()

    assert checksum(0) == tiny(setup(data, None)).checksum() != checksum(1)


# --- every value counts ------------------------------------------------------------------------------------


def fingerprint(config: DictConfig) -> list[object]:
    """What two networks of other options differ in: halo, shapes of weights, what is minimized, or scores."""
    source = tiny(config)
    net, loss = build.network(config, source.spec), build.loss(config, source.spec)
    batch = source.stream(halo=net.halo, batch_size=2, seed=0, device="cpu").batch(0)
    players = [(player, total.item(), sorted(terms)) for player, total, terms in objectives(net, batch, loss)]
    scores = {name: value.item() for name, value in net.scores(batch, loss).items()}
    return [net.halo, [parameter.shape for parameter in net.parameters()], players, scores]


OTHERWISE = {
    "activation": "elu",
    "normalization": "group",
    "skip": "concatenation",
    "form": "linear",
    "objective": "wasserstein",
    "dropout": 0.7,
    "label_smoothing": 0.3,
    "iterations": 1,  # a new prior is near its fixed point after five
    "kernel": 7,
    "scheme": "euler",
    "prior": "cnn",
    "descent": 0.5,
    "upsampling": "bilinear",
    "laplacian": 5.0,
    "day_weights": "equal",
}
# data for which a model's option means something, where those that it fits first may pass over it
WHERE_READ = {"kernel": "lorenz96", "predict_std": "lorenz96"}
WHERE_READ |= dict.fromkeys(("halo", "prior_cells", "solver_cells", "day_weights"), "ssh")
IN_TRAINING_THE_SAME = {"recompute", "mirrored"}  # tested with their networks


def other(key: str, value: object) -> object:
    """A value that means something else."""
    if key in OTHERWISE:
        assert OTHERWISE[key] != value
        return OTHERWISE[key]
    return not value if isinstance(value, bool) else 2 * value


@pytest.mark.parametrize(
    ("model", "key"),
    [
        (model, key)
        for model in MODELS
        for key in scalars(with_choice("model", model).model)
        if key not in IN_TRAINING_THE_SAME
    ],
)
def test_every_value_of_a_model_changes_the_network(model, key):
    config = at_home("model", model, "ssh" if model == "corrector" else WHERE_READ.get(key))
    if model == "vae":
        config = setup("mnist_5k", "generate", model=model, loss="gaussian")  # where all its options may be used
    if "width" in config.model:
        config.model.width = 8
    if config.model.get("activation") == "elu" and key == "activation":
        config.model.activation = "relu"
    if config.model.get("normalization") == "group" and key == "normalization":
        config.model.normalization = "batch"
    usual = fingerprint(config)
    config.model[key] = other(key, config.model[key])
    assert fingerprint(config) != usual


@pytest.mark.parametrize(
    ("loss", "key"), [(loss, key) for loss in LOSSES for key in scalars(with_choice("loss", loss).loss)]
)
def test_every_value_of_a_loss_changes_it(loss, key):
    config = at_home("loss", loss, WHERE_READ.get(key))
    label = spec(config).kind == "label"
    shape = (6,) if label else (1, len(spec(config).output_channels), 4, 4)
    target = torch.arange(6) if label else torch.rand(shape)
    given = {"prediction": torch.rand(6, 10) if label else torch.rand(shape), "target": target}
    given["mask"] = torch.ones_like(target, dtype=torch.bool)
    usual, _ = build.loss(config, spec(config))(**given)
    config.loss[key] = other(key, config.loss[key])
    assert build.loss(config, spec(config))(**given)[0] != usual


# any text will do, or is looked at when the run starts
FREE = {"data.name", "data.path", "data.sst.path", "data.target", "data.observations", "baseline.variable"}
FREE |= {"tracking.uri", "tracking.note"}
FREE |= {f"data.names.{name}" for name in ("lat", "lon", "time", "observations", "background", "land")}
FREE_OF = {("ssh_tracks", "data.held_out")}  # of one choice alone: files say which satellites there are
SCALARS = [
    (group, choice, key)
    for group, choice in BUILT
    for key in scalars(with_choice(group, choice)[group], group)
    # the methods of an evaluation are choices of baseline, whose values have their own turn
    if key not in FREE
    and (choice, key) not in FREE_OF
    and not (group == "evaluation" and re.search(r"\.(by|methods)\.", key))
]


@pytest.mark.parametrize(("group", "choice", "key"), SCALARS)
def test_nonsense_is_refused(group, choice, key, folder):
    config = at_home(group, choice)
    OmegaConf.update(config, key, "nonsense")
    with pytest.raises(Refusal) as caught:
        built(group, config, folder)
    assert "nonsense" in str(caught.value) or "str" in str(caught.value)


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "choice"), BUILT)
def test_a_misspelt_key(group, choice, folder):
    config = at_home(group, choice)
    OmegaConf.update(config, f"{constructor_of(group)}.misspelt_key", 1)
    with pytest.raises(Refusal, match=f"{group}.*misspelt_key"):
        built(group, config, folder)


@pytest.mark.parametrize(("group", "choice"), BUILT)
def test_a_key_left_out(group, choice, folder):
    node = OmegaConf.select(with_choice(group, choice), constructor_of(group))
    parameters = inspect.signature(hydra.utils.get_object(node._target_)).parameters
    for key in parameters.keys() & set(node) - {"name"}:  # the name of the data set is needed before
        if parameters[key].default is inspect.Parameter.empty:
            fewer = at_home(group, choice)
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


def test_what_does_not_fit_the_data():
    labels = spec(setup("mnist_5k", "classify"))
    with pytest.raises(Refusal, match=r"model=unet predicts fields or .* data=mnist_5k gives labels: try model=cnn"):
        build.network(compose("config", "model=unet"), labels)
    with pytest.raises(Refusal, match="loss=relative_norms compares numbers but data=mnist_5k gives labels: try loss="):
        build.loss(compose("config"), labels)
    with pytest.raises(Refusal, match="model=ae needs whole samples but data=nemovar trains on patches: try model=re"):
        build.network(compose("config", "model=ae"), spec(setup("nemovar", None)))


@pytest.mark.parametrize("seed", [-1, 2**32, "many", 1.5, None])
def test_an_impossible_seed(seed):
    config = compose("config")
    config.seed = seed
    with pytest.raises(Refusal, match="seed"):
        build.network(config, spec(config))


def test_classes_of_which_samples_are_made_cannot_be_changed_against_the_network():
    config = setup("mnist_5k", "generate", model="vae")
    config.training.adversarial = 0.1
    with pytest.raises(Refusal, match=r"training.adversarial=0.1 changes the input of a network, but .* is a class"):
        build.options(config, spec(config))
