"""Files of MITgcm's package smooth get exact norms."""

import numpy as np
import pytest

from dlgd.core.errors import Refusal
from dlgd.physics import edges
from dlgd.problems.normalization.files import formats, mds
from dlgd.problems.normalization.files.opened import Sides
from tests.problems.normalization import mitgcm_reference as mitgcm

STEPS = 30


def write(path, field, *, kind=">f4", meta=None):
    """Write a pair as MITgcm does; records first where there are more than three dimensions."""
    records, shape = (field.shape[0], field.shape[1:]) if field.ndim == 4 else (1, field.shape)
    path.with_name(path.name + ".data").write_bytes(field.astype(kind).tobytes())
    sizes = "".join(f"   {n:4d},    1, {n:4d},\n" for n in shape[::-1])
    name = {">f4": "float32", ">f8": "float64"}.get(kind, "float32")
    text = f" nDims = [   {len(shape)} ];\n dimList = [\n{sizes[:-2]}\n ];\n dataprec = [ '{name}' ];\n"
    text += f" nrecords = [     {records} ];\n timeStepNumber = [          0 ];\n"
    path.with_name(path.name + ".meta").write_text(meta or text)


@pytest.fixture
def folder(tmp_path):
    grid = mitgcm.grid()
    (tmp_path / "grid").mkdir()
    for name, field in grid.items():
        if name in ("DRF", "DRC"):
            field = field[:, None, None]
        write(tmp_path / "grid" / name, field)
    horizontal, vertical = (one.astype(np.float32) for one in mitgcm.scales())
    write(tmp_path / "smooth3DscalesH001", horizontal)
    write(tmp_path / "smooth3DscalesZ001", vertical)
    write(tmp_path / "smooth2Dscales003", horizontal[:, :1])
    return tmp_path, grid, horizontal.astype(np.float64), vertical.astype(np.float64)


def read(folder, name, sides=None, **options):
    options = {"steps": STEPS} | options
    return formats.read(folder / name, folder / "grid", sides or Sides(), name=None, options={"mitgcm": options})


def run(folder, name, output, **options):
    found_name, opened = read(folder, name, **options)
    assert found_name == "mitgcm"
    found = formats.exact(opened, check=20, seed=0)
    assert found.worst < 1e-9
    opened.write(found.gamma, folder / output)
    return np.fromfile(folder / f"{output}.data", ">f4"), found


def test_norms_in_three_dimensions_are_those_of_the_scheme(folder):
    place, grid, (lx, ly), lz = folder
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    written, found = run(place, "smooth3DscalesH001.data", "smooth3Dnorm001")
    k = [(one**2 / (2 * STEPS)).astype(np.float32).astype(float) for one in (lx, ly, lz)]
    expected = mitgcm.norms(*k, grid, STEPS)
    np.testing.assert_allclose(written.reshape(expected.shape), expected, rtol=1e-6)
    wet = expected > 0
    gamma = found.gamma["smooth3Dnorm001"].reshape(expected.shape)
    np.testing.assert_allclose(gamma[wet], expected[wet], rtol=1e-11)  # before it is rounded to float32
    np.testing.assert_array_equal(mds.read(place / "smooth3Dnorm001")[0], written.reshape(expected.shape))
    assert all(path.read_bytes() == content for path, content in before.items())  # scales stay as they are


def test_norms_in_two_dimensions_are_those_of_the_scheme(folder):
    place, grid, (lx, ly), _ = folder
    written, _ = run(place, "smooth2Dscales003", "smooth2Dnorm003")
    k = [(one[:1] ** 2 / (2 * STEPS)).astype(np.float32).astype(float) for one in (lx, ly)]
    wet = (grid["hFacC"] > 0).astype(float)
    flat = grid | {
        "DRF": np.ones(1),
        "hFacC": wet[:1],
        "hFacW": wet[:1] * np.roll(wet[:1], 1, axis=2),
        "hFacS": wet[:1] * np.roll(wet[:1], 1, axis=1),
    }
    expected = mitgcm.norms(*k, None, flat, STEPS, three=False)
    np.testing.assert_allclose(written.reshape(expected.shape), expected, rtol=1e-6)


def test_the_file_of_the_operator_gives_the_same_norms(folder):
    place, _, (lx, ly), lz = folder
    operator = np.zeros((10, *lx.shape), np.float32)
    operator[3], operator[4], operator[9] = (one**2 / (2 * STEPS) for one in (lx, ly, lz))
    write(place / "smooth3Doperator002", operator)
    from_operator, _ = run(place, "smooth3Doperator002", "smooth3Dnorm002")
    from_scales, _ = run(place, "smooth3DscalesH001", "smooth3Dnorm001")
    np.testing.assert_array_equal(from_operator, from_scales)


def test_a_constant_vertical_scale_is_at_most_a_layer(folder):
    place, grid, (lx, ly), _ = folder
    for suffix in ("data", "meta"):
        (place / f"smooth3DscalesZ001.{suffix}").unlink()
    written, _ = run(place, "smooth3DscalesH001", "smooth3Dnorm001", Lz0=20.0)
    lz = np.broadcast_to(np.minimum(20.0, grid["DRC"])[:, None, None], lx.shape)
    k = [(one**2 / (2 * STEPS)).astype(np.float32).astype(float) for one in (lx, ly, lz)]
    np.testing.assert_allclose(written, mitgcm.norms(*k, grid, STEPS).ravel(), rtol=1e-6)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-4])


def swapped(path):
    path.write_bytes(np.fromfile(path, ">f4").astype("<f4").tobytes())


def of_a_tile(path):
    meta = path.with_suffix(".meta")
    meta.write_text(meta.read_text().replace("   7,    1,    7", "  14,    1,    7"))


def slanted(path):
    write(path.with_name("smooth3DscalesH001"), np.ones((3, mitgcm.NZ, mitgcm.NY, mitgcm.NX)))


def below_zero(path):
    path.write_bytes((-np.fromfile(path, ">f4")).astype(">f4").tobytes())


def without_precision(path):
    meta = path.with_suffix(".meta")
    meta.write_text(meta.read_text().replace("dataprec", "prec"))


def other_records(path):
    meta = path.with_suffix(".meta")
    meta.write_text(meta.read_text().replace("nrecords = [     2", "nrecords = [ two"))


WRONG = {
    "nrecords in .* must be whole numbers, not two": other_records,
    "is it cut off": cut_off,
    "is little-endian": swapped,
    "is a tile of a field": of_a_tile,
    "has 3 records, and must have 2": slanted,
    "must hold numbers of 0 or above": below_zero,
    "lacks dataprec": without_precision,
}


@pytest.mark.parametrize("why", WRONG)
def test_wrong_files_are_refused(folder, why):
    place = folder[0]
    WRONG[why](place / "smooth3DscalesH001.data")
    with pytest.raises(Refusal, match=why):
        read(place, "smooth3DscalesH001")


def test_the_llc_grid_is_joined_as_mitgcm_joins_it(tmp_path):
    """Thirteen squares, wet everywhere, of equal cells: a cell far from the ends of the faces is like any other."""
    width, steps = 10, 20
    plane = (13 * width, width)
    (tmp_path / "grid").mkdir()
    for name, value in {"RAC": 1e10, "DXC": 1e5, "DYC": 1e5, "DXG": 1e5, "DYG": 1e5, "hFacC": 1.0}.items():
        write(tmp_path / "grid" / name, np.full(plane, value))
    write(tmp_path / "smooth2Dscales001", np.full((2, 1, *plane), 0.7e5))
    written, _ = run(tmp_path, "smooth2Dscales001", "smooth2Dnorm001", steps=steps)
    faces = edges.of_llc(width)
    far = np.ones(13 * width**2, bool)
    near = np.bincount(np.concatenate([faces.one, faces.other]), minlength=far.size) < 4  # walls
    near.reshape(plane)[np.ix_([6 * width, 7 * width - 1], [0, -1])] = True  # corners, where three faces meet
    for _ in range(4):
        touched = near[faces.one] | near[faces.other]
        near[faces.one[touched]] = near[faces.other[touched]] = True
    far &= ~near
    assert far.any()
    corner = written.reshape(plane)[3 * width - 1, 0]  # three faces meet there
    assert np.ptp(written[far]) < 1e-4 * written[far].mean()  # seams between faces are not felt
    assert abs(corner / written[far].mean() - 1) > 1e-3


def test_wrong_grids_and_options_are_refused(folder):
    place = folder[0]
    with pytest.raises(Refusal, match=r"mitgcm\.steps must be given"):
        read(place, "smooth3DscalesH001", steps=None)
    with pytest.raises(Refusal, match="is unstable: it needs"):
        read(place, "smooth3DscalesH001", steps=2)
    with pytest.raises(Refusal, match="Lz0 has no effect"):
        read(place, "smooth3DscalesH001", Lz0=5.0)
    with pytest.raises(Refusal, match="west_east=closed has no effect"):
        read(place, "smooth3DscalesH001", Sides("closed"))
    (place / "grid" / "DXC.data").unlink()
    with pytest.raises(Refusal, match=r"lacks DXC\.data"):
        read(place, "smooth3DscalesH001")
    write(place / "grid" / "DXC", np.ones((mitgcm.NY, mitgcm.NX + 1)))
    with pytest.raises(Refusal, match="but hFacC"):
        read(place, "smooth3DscalesH001")


def test_a_pair_of_another_name_is_there_all_the_same(folder):
    with pytest.raises(Refusal, match=r"has no format that is known: .* a name such as smooth3DscalesH001"):
        read(folder[0], "smooth3DscalesZ001")


def test_a_grid_without_water_is_refused(folder):
    place, grid, *_ = folder
    write(place / "grid" / "hFacC", 0 * grid["hFacC"])
    with pytest.raises(Refusal, match="smooth3Dnorm001 has no cell at sea"):
        run(place, "smooth3DscalesH001", "smooth3Dnorm001")
