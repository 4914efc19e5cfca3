"""Trained networks as files for other programs: they answer as their runs do, for any number of samples."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from dlgd import build
from dlgd.core.errors import Refusal
from dlgd.core.paths import ROOT
from dlgd.interface import exporting
from dlgd.scoring import exported, graph_files, other_sizes
from tests.commands.test_refusals import refused
from tests.configs.config_files import compose
from tests.models.made import narrow

RUNS = ROOT / "tests" / "frozen" / "runs"
C = ROOT / "docs" / "export"


@pytest.fixture(autouse=True)
def extra():
    """What ONNX files need."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)


def tiny(choice: str, *options: str):
    """A small data set, whose statistics are known."""
    data = build.data(compose("config", f"data={choice}", *options)).tiny()
    data.prepare()
    return data


def made(name: str, data, end: str, **options) -> exporting.Made:
    """The graph of a network with weights from seed 0."""
    network = narrow(name, data.spec, **options)
    network.use_scaling(data.spec.scaling)
    return exporting.make(network, data, graph_files.KINDS[end](), input=None)


def answers(one: exporting.Made, *fields: torch.Tensor) -> np.ndarray:
    """Of the finished file."""
    return one.kind.run(one.content({}), fields)


def shapes(one: exporting.Made) -> list:
    """Of the inputs and of the output, None along axes of any size."""
    return [field["shape"] for field in (*one.facts["inputs"], one.facts["output"])]


def assert_near(one: exporting.Made, *fields: torch.Tensor) -> None:
    """The finished file answers as the network does."""
    with torch.no_grad():
        wanted = one.network(*fields).numpy()
    assert wanted.size > 0
    np.testing.assert_allclose(answers(one, *fields), wanted, rtol=1e-4, atol=1e-4)


def one_cell(one: exporting.Made, data) -> list[torch.Tensor]:
    """Fields of one sample that are one cell larger than their padding."""
    graph, size = one.network.graph, 2 * one.facts["padding"] + 1
    fields = graph.tensors(data.samples("test"))
    own = other_sizes.sizes_of(graph, fields, ["sample", "y", "x"])
    return other_sizes.resized(graph, fields, own, {"sample": 1, "y": size, "x": size})


# --- as a command --------------------------------------------------------------------------------------------------


def test_the_command(dlgd, tmp_path):
    """The file of a run answers as the run does, and says what it takes and where it comes from."""
    import onnxruntime

    done = dlgd("export", f"run={RUNS / 'digits_cnn'}", "output=digits.onnx")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "digits.onnx: intensity(sample, y, x) -> probability(sample, class); largest difference"
    )
    assert len((done.stdout + done.stderr).splitlines()) == 1, "the exporters log much about themselves"
    session = onnxruntime.InferenceSession(tmp_path / "digits.onnx")
    facts = graph_files.Onnx().facts((tmp_path / "digits.onnx").read_bytes())
    assert (facts["run"], facts["data"], facts["task"]) == ("digits_cnn", "mnist_5k", "classify")
    assert facts["checked"]["relative_difference"] < 1e-4
    assert facts["physical_inputs"]
    assert len(facts["weights_sha256"]) == 64
    assert session.get_inputs()[0].shape[0] == session.get_outputs()[0].shape[0] == "sample"
    (probability,) = session.run(None, {"intensity": np.zeros((5, 28, 28), np.float32)})
    np.testing.assert_allclose(probability.sum(axis=1), np.ones(5), rtol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digits.onnx"]

    refused(dlgd("export", f"run={RUNS / 'digits_cnn'}", "output=digits.onnx", "tolerance=1e-30"), "is not written")
    refused(dlgd("export", f"run={RUNS / 'digits_cnn'}", "output=digits.pt"), "must end in .onnx or .pt2")


def test_random_networks_are_refused():
    _, data, network, _ = build.trained(RUNS / "digits_gan" / "checkpoints" / "best_frechet_pca.pt", None, None)
    with pytest.raises(Refusal, match="draws random numbers"):
        exporting.make(network, data, graph_files.Program(), input=None)


def test_without_the_packages(monkeypatch):
    import builtins

    real = builtins.__import__

    def lacking(name, *rest):
        if name == "onnxscript":
            raise ImportError(name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(Refusal, match=r"ONNX files need onnxscript.*pip install onnx onnxruntime onnxscript"):
        graph_files.of_name(Path("model.onnx"))
    assert isinstance(graph_files.of_name(Path("model.pt2")), graph_files.Program)


# --- each problem ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("system", "end"), [("lorenz63", ".onnx"), ("lorenz63", ".pt2"), ("lorenz96", ".pt2")])
def test_assimilation(system, end):
    """Windows of any length, too, and variables of which nothing is observed."""
    data = tiny(system)
    one = made("unet", data, end, levels=1)
    assert one.difference.relative < 1e-5
    assert shapes(one)[0][:2] == shapes(one)[1][:2] == [None, None]
    samples = data.samples("test").isel(time=slice(0, 23), sample=[0])
    samples.observations[:, :, 0] = np.nan
    (fields,) = one.network.graph.tensors(samples)
    found = answers(one, fields)
    assert exported.difference(found, one.network.answer(samples)).relative < 1e-5
    for steps in (1, 2, 3):
        assert_near(one, fields[:, :steps])


def test_forecasts():
    data = tiny("lorenz63", "data.task=forecast", "data.history=3", "data.leads=4", "data.rollout=2")
    one = made("gru", data, ".pt2")
    assert one.difference.relative < 1e-5
    assert shapes(one) == [[None, 3, 3], [None, 4, 3]]


@pytest.mark.parametrize(("task", "end"), [("classify", ".pt2"), ("reconstruct", ".pt2"), ("inpaint", ".onnx")])
def test_pictures(task, end):
    name, options = {
        "classify": ("cnn", {"width": 4, "layers": 4}),
        "reconstruct": ("ae", {"width": 2}),
        "inpaint": ("unet", {"levels": 1}),
    }[task]
    one = made(name, tiny("mnist_5k", f"data.task={task}"), end, **options)
    assert one.difference.relative < 1e-4, "an untrained network answers nearly the same everywhere"
    assert [field["name"] for field in one.facts["inputs"]] == list(one.network.data.inputs)
    assert all(shape[0] is None for shape in shapes(one))


@pytest.mark.parametrize(("features", "end"), [("dimensionless", ".onnx"), ("standardized", ".pt2")])
def test_normalization(features, end):
    """Fields are padded by the caller; a grid of another size is taken as well."""
    data = tiny("nemovar", f"data.features={features}", "data.closed_form=homogeneous")
    one = made("resnet", data, end, layers=4)
    halo = one.facts["halo"]
    assert one.difference.relative < 1e-5
    assert one.facts["padding"] == halo + 1
    assert one.facts["topology"] == {"west_east": "periodic", "south_north": "fold"}
    assert [field["units"] for field in one.facts["inputs"]][:4] == ["m2", "m2", "m2", "1"]
    assert shapes(one)[-1] == [None, None, None]
    assert_near(one, *one_cell(one, data))


@pytest.mark.parametrize(
    ("options", "end"), [([], ".onnx"), (["data.coordinates=true", "data.predict=centre"], ".pt2")]
)
def test_maps(options, end):
    """Of any size, also where those of the trace are multiples of the strides of a U-Net."""
    one = made("unet", tiny("ssh", *options), end, levels=1)
    names = ["observations", "sea", *(["day_of_year"] if options else [])]
    assert one.difference.relative < 1e-5
    assert [field["name"] for field in one.facts["inputs"]] == names
    assert one.facts["output"]["units"] == "m"
    assert shapes(one)[0][-2:] == shapes(one)[-1][-2:] == [None, None]


def test_maps_that_are_not_there():
    """The size of their cells is part of the graph."""
    data = tiny("ssh")
    with pytest.raises(Refusal, match="no maps of data=ssh are in the cache"):
        data.physical_graph(halo=0, samples=None)


def test_data_without_a_graph():
    """The encoded channels are the input, and the file says so."""
    data = tiny("nemovar", "data.features=standardized")
    data.physical_graph = lambda *, halo, samples: None
    one = made("resnet", data, ".pt2", layers=4)
    assert one.difference.relative < 1e-5
    assert not one.facts["physical_inputs"]
    assert one.facts["input_channels"] == list(data.spec.input_channels)
    assert one.facts["output"]["units"] == "m"


# --- other languages -------------------------------------------------------------------------------------------------


def compiled(folder: Path, compiler: str, *sources: str | Path) -> Path:
    """A program that is linked to the library of the Python package."""
    import onnxruntime

    (library,) = Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*")
    (folder / "libonnxruntime.so.1").symlink_to(library)
    (folder / "libonnxruntime.so").symlink_to("libonnxruntime.so.1")
    flags = [f"-I{Path(__file__).parent}", f"-I{C}", "-D_POSIX_C_SOURCE=200809L"]
    graph = folder / "graph_c.o"
    subprocess.run(["cc", "-std=c11", "-Wall", "-Werror", *flags, "-c", C / "graph.c", "-o", graph], check=True)
    program = folder / "program"
    link = [graph, f"-L{folder}", "-lonnxruntime", f"-Wl,-rpath,{folder}", "-o", program]
    subprocess.run([compiler, *flags[:2], *sources, *link], check=True, cwd=folder)
    return program


@pytest.mark.skipif(os.name != "posix" or shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize(("compiler", "sources"), [("cc", ["classify.c"]), ("gfortran", ["graph.f90", "classify.f90"])])
def test_the_programs_of_the_page(tmp_path, compiler, sources):
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    one = made("cnn", tiny("mnist_5k", "data.task=classify"), ".onnx")
    (tmp_path / "model.onnx").write_bytes(one.content({}))
    program = compiled(tmp_path, compiler, *(C / name for name in sources))
    text = subprocess.run([program, "model.onnx"], check=True, cwd=tmp_path, capture_output=True, text=True).stdout
    picture = torch.zeros(1, 28, 28)
    picture[0, 4:24, 13:15] = 1
    with torch.no_grad():
        (wanted,) = one.network(picture).numpy()
    np.testing.assert_allclose(np.loadtxt(text.splitlines())[:, 1], wanted, atol=2e-6)
