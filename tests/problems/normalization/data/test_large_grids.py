"""Large grids are worked through window by window, as if whole."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.contract import Network
from dlgd.core.paths import ROOT
from dlgd.models.finite_volume import FiniteVolume
from dlgd.physics import coastline, diffusion, normalization
from dlgd.physics.bridges import bridged
from dlgd.physics.halo import Topology, windows
from dlgd.physics.separable import separable
from dlgd.problems.normalization.data import closed_forms, fields, operator_source
from dlgd.problems.normalization.data.closed_forms import GUESS
from dlgd.scoring.trained import Trained
from tests.problems.normalization.data.small_data import CPU, FEATURES, ready

GRIDS = ("nemovar", "mercator")  # a fold at sea, and closed sides


@pytest.fixture(params=GRIDS)
def source(request):
    return ready(request.param)


@pytest.fixture
def small_windows(monkeypatch):
    """Windows of 16 cells, none of which has the size of the grid."""
    monkeypatch.setattr(fields, "KEPT", 16)
    for module in (diffusion, operator_source):
        monkeypatch.setattr(module, "WINDOW", 16)
    monkeypatch.setattr(coastline, "WINDOW", 16)
    monkeypatch.setattr(normalization, "PIECE", 16)


def method(data) -> Trained:
    torch.manual_seed(0)
    network: Network = FiniteVolume(
        spec=data.spec, layers=2, width=8, messages=3, activation="elu", normalization="batch"
    )
    return Trained(name="network", network=network.eval(), data=data, device=CPU)


def test_windows_make_up_a_grid():
    count = np.zeros((40, 33), int)
    for south, north, west, east in windows((40, 33), 16):
        count[south:north, west:east] += 1
    assert (count == 1).all()


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("name", GRIDS)
def test_predictions(name, features, request, monkeypatch):
    data = ready(name, **FEATURES[features])
    samples = data.samples("train")
    expected = method(data).predict(samples)
    request.getfixturevalue("small_windows")
    sizes = []
    monkeypatch.setattr(
        data, "encode", lambda part, **given: sizes.append(part.sizes) or type(data).encode(data, part, **given)
    )
    derived = [GUESS, *(name for name, field in samples.items() if field.attrs.get("derived") and name != "distance")]
    found = method(data).predict(samples.drop_vars(derived, errors="ignore"))
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    assert len(sizes) == 2 * 3 * 3
    assert max(one["x"] for one in sizes) < 48


def test_closed_forms(source, small_windows):
    (operator, _) = fields.operators(source.samples("train"))
    expected = separable(operator)
    for solve, wanted in (
        (separable, closed_forms.Separable()(operator)[GUESS]),
        (bridged, closed_forms.Bridge()(operator)[GUESS]),
        (normalization.homogeneous, closed_forms.Homogeneous()(operator)[GUESS]),
    ):
        np.testing.assert_allclose(solve(operator), wanted, rtol=1e-12)
    assert np.isnan(expected).any()


@pytest.mark.parametrize("tolerance", [1e-6, 1e-3])
def test_exact_coefficients(source, small_windows, monkeypatch, tolerance):
    (operator, _) = fields.operators(source.samples("train"))
    found = normalization.exact(operator, tolerance)
    monkeypatch.setattr(normalization, "PIECE", 512)
    np.testing.assert_allclose(found, normalization.exact(operator, tolerance), rtol=tolerance / 10)


def test_randomization_has_noise_of_a_window_alone(monkeypatch):
    """Its error is that of its vectors, at the seams of windows too, in the memory of one window."""
    rng = np.random.default_rng(0)
    sea = rng.random((72, 80)) > 0.1
    topology = Topology("periodic", "closed")
    is_open = diffusion.open_faces(sea, topology)
    alpha = [rng.uniform(0.2, 1.0, faces.shape) * faces for faces in is_open]
    operator = diffusion.Diffusion(*alpha, np.ones(sea.shape), sea, topology)
    exact = normalization.exact(operator, 1e-4)
    for module, name, size in ((normalization, "PIECE", 16), (diffusion, "WINDOW", 16), (normalization, "AROUND", 24)):
        monkeypatch.setattr(module, name, size)
    sizes, plan = [], normalization._plan
    monkeypatch.setattr(
        normalization,
        "_plan",
        lambda part, *given, **named: sizes.append(part.sea.shape) or plan(part, *given, **named),
    )
    vectors = 1600
    found = normalization.randomization(operator, vectors, rng)
    eps = (found / exact) ** 2 - 1
    np.testing.assert_array_equal(np.isnan(found), ~sea)
    assert max(max(shape) for shape in sizes) == 16 + 2 * 24
    seams = np.zeros(sea.shape, bool)
    seams[::16] = seams[:, ::16] = True
    for cells in (sea, sea & seams):
        assert np.sqrt(np.mean(eps[cells] ** 2)) == pytest.approx(np.sqrt(2 / vectors), rel=0.1)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
def test_distances(source, request, metric):
    samples = source.samples("train")
    given = samples.mask.values, fields.topology(samples), metric, 12
    expected = coastline.signed_distance(*given)
    request.getfixturevalue("small_windows")
    np.testing.assert_array_equal(coastline.signed_distance(*given), expected)


def test_a_part_is_cut_without_a_copy_of_the_grid():
    fields_of = {"alpha_i": (("sample", "y_face", "x"), np.ones((1, 1001, 1000)))}
    fields_of |= {"alpha_j": (("sample", "y", "x"), np.ones((1, 1000, 1000)))}
    plane = ("y", "x"), np.ones((1000, 1000))
    samples = xr.Dataset(
        fields_of | {"w": plane, "mask": (plane[0], plane[1] > 0), "distance": plane},
        attrs={"west_east": "periodic", "south_north": "closed"},
    )
    tracemalloc.start()
    fields.part(samples, 0, (0, 64, 0, 64), 16)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < samples.w.nbytes / 2


PEAK = """
import resource, sys
import numba, scipy.ndimage
import dlgd
from dlgd.problems.normalization.data import operator_source

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

run = dlgd.load(sys.argv[1], device="cpu")
run.built
before = peak()
run.predict(sys.argv[2], check=20, tolerance=1.0)
print(peak() - before)
"""


@pytest.mark.slow
def test_memory(tmp_path):
    """Of 1200 x 1400 cells, beyond the imports: 24 times one field; encoded whole it was 59 times."""
    file = large_file(tmp_path / "large.nc", 1200, 1400)
    run = ROOT / "tests" / "frozen" / "runs" / "nemovar_resnet"
    done = subprocess.run([sys.executable, "-c", PEAK, run, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    field = 8 * 1200 * 1400
    assert int(done.stdout) < 36 * field


def large_file(path: Path, ny: int, nx: int) -> Path:
    """Fields of some seas on much land, which take the memory of an ocean and not its time."""
    sea = np.zeros((ny, nx), "int8")
    sea[ny // 4 : ny // 2, nx // 4 : nx // 2] = sea[-ny // 8 : -4, : nx // 8] = 1
    w = np.full((ny, nx), 8e7)
    alpha = w * (1 + 0.5 * np.sin(np.arange(nx) / 50))
    fields = {
        "alpha_i": (("y_face", "x"), np.concatenate([alpha, alpha[:1]])),
        "alpha_j": (("y", "x"), alpha),
        "w": (("y", "x"), w),
        "mask": (("y", "x"), sea),
    }
    xr.Dataset(fields, attrs={"west_east": "periodic", "south_north": "closed"}).to_netcdf(path)
    return path
