"""A map that goes all around the globe has no seam: a rolled map is observed, cut into patches and exported as it is
where it is not rolled."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.problems.ssh import seam
from dlgd.problems.ssh.data import other_grids
from dlgd.problems.ssh.data.observing import cell_means
from dlgd.problems.ssh.data.region import amid_sea, cell_km
from dlgd.problems.ssh.data.tiny import random_sea
from dlgd.problems.ssh.methods import sea_points, swath_errors
from dlgd.problems.ssh.scores import tracks
from tests.problems.ssh.data.seas_at_hand import Small, observing

COUNT, BY = 36, 13


def globe(*, days: int = 62) -> xr.Dataset:
    """20 x 36 cells of 1 x 10 degrees, with an island at 90 E."""
    sea = random_sea(days=days, shape=(20, COUNT), land=True, seed=1)
    return sea.assign_coords(lat=-7.0 + np.arange(20), lon=10.0 * np.arange(COUNT))


def observed() -> xr.Dataset:
    """In a tenth of the cells."""
    sea = globe()
    seen = np.random.default_rng(3).random(sea.ssh.shape) < 0.1
    return sea.assign(observations=sea.ssh.where(seen))


def rolled(field: xr.Dataset) -> xr.Dataset:
    """The same globe, whose first column is the one at 130 E."""
    return field.roll(lon=-BY).assign_coords(lon=field.lon.values + 10.0 * BY)


def as_before(values: np.ndarray) -> np.ndarray:
    return np.roll(values, BY, axis=-1)


def test_what_is_closed():
    lon = np.arange(0.0, 360, 90)
    axis, maps, east = seam.closed(lon, np.arange(4.0), np.array([-45.0, 350.0]))
    np.testing.assert_allclose(np.interp(east, axis, maps), [1.5, 3 * 10 / 90])
    assert seam.closed(lon[:3], lon[:3], east)[0] is not axis


@pytest.mark.parametrize("satellites", ["four_nadirs", "swot"])
def test_satellites_see_a_rolled_globe_as_the_same(satellites):
    simulated = observing(satellites=satellites)
    found, other = simulated.observe(globe(days=4)), simulated.observe(rolled(globe(days=4)))
    np.testing.assert_allclose(as_before(other.observations.values), found.observations.values, atol=1e-6)
    east = found.track_lon.values
    assert ((east > 350) & (east < 360)).mean() > 0.02, "between the last column and the first one, too"
    np.testing.assert_allclose((other.track_lon.values - east + 180) % 360, 180, atol=1e-9)
    np.testing.assert_allclose(other.track_ssh, found.track_ssh, atol=1e-6)


def test_points_beside_the_seam_stand_in_their_cells():
    sea = globe(days=2)
    east = np.array([354.0, 356.0, -4.0, 4.0, 364.0, -6.0])
    points = {"ssh": np.arange(6.0), "lat": np.full(6, 3.0), "lon": east, "time": np.repeat(sea.time.values[:1], 6)}
    table = xr.Dataset({f"track_{name}": ("point", values) for name, values in points.items()})
    maps = cell_means(table, sea)
    assert maps[0, 10, -1] == np.mean([0, 5])
    assert maps[0, 10, 0] == np.mean([1, 2, 3, 4])
    assert np.isfinite(maps).sum() == 2
    assert amid_sea(points["lat"], east, sea).all()
    land = sea.copy(deep=True)
    land.ssh[:, :, 0] = np.nan
    assert not amid_sea(points["lat"], east, land).any()


def test_maps_are_interpolated_across_the_seam():
    """At points of held-out tracks and of swaths, and the background there: a plane in latitude, a wave around."""
    sea = globe(days=3)
    east, north = np.array([355.0, -5.0, 359.9, 5.0]), np.array([1.0, 2.0, 3.0, 4.0])

    def height(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        return 0.01 * lat + np.cos(np.deg2rad(lon))

    maps = np.repeat(height(sea.lat.values[:, None], sea.lon.values)[None], 3, 0)
    points = {"ssh": np.zeros(4), "lat": north, "lon": east, "time": np.repeat(sea.time.values[1:2], 4)}
    samples = xr.Dataset(
        {f"track_{name}": ("point", values) for name, values in points.items()}
        | {"held_out": ("point", np.ones(4, bool)), "track_satellite": ("point", np.zeros(4, int))},
        {"lat": sea.lat, "lon": sea.lon, "time": ("sample", sea.time.values)},
    )
    exact = height(north, east)
    np.testing.assert_allclose(tracks.track_of(samples, maps).mapped, exact, atol=0.005)
    np.testing.assert_allclose(swath_errors.at_points(samples, maps, np.arange(4)), exact, atol=0.005)
    mean = xr.DataArray(maps[0], {"lat": sea.lat, "lon": sea.lon}, ("lat", "lon"))
    found = sea_points.with_background(samples, mean, 1.0)
    np.testing.assert_allclose(found.track_background, exact, atol=0.005)


def stream_of(sea: xr.Dataset, **changes: object):
    source = Small(sea, **changes)
    source.prepare()
    return source.stream(halo=3, batch_size=500, seed=0, device="cpu")


def test_training_patches_cross_the_seam():
    """Each patch of a globe is one of the rolled globe; all columns are seen as often."""
    found, other = (
        stream_of(sea, patch=8, first_guess={"km": 800.0, "days": 2.0}) for sea in (observed(), rolled(observed()))
    )
    corners, those = ({tuple(one) for one in stream.corners.tolist()} for stream in (found, other))
    assert {(top, (left + BY) % COUNT) for top, left in those} == corners
    count = np.bincount(found.corners[:, 1].numpy(), minlength=COUNT)
    assert count[COUNT - 7 :].min() > 0
    day, top, left = torch.tensor([10, 11]), torch.tensor([2, 3]), torch.tensor([COUNT - 3, 1])
    here, there = found.windows.batch(day, top, left), other.windows.batch(day, top, (left - BY) % COUNT)
    for name in ("input", "target"):
        torch.testing.assert_close(getattr(here, name), getattr(there, name), atol=1e-5, rtol=0)
    assert here.mask.any(dim=1).all()
    batch = found.batch(0)
    assert batch.target.shape[-2:] == (8, 8)
    assert not stream_of(observed(), patch=None).corners.any()


def test_an_exported_graph_sees_the_other_side():
    graphs, inputs = [], []
    for sea in (observed(), rolled(observed())):
        source = Small(sea, patch=None, first_guess={"km": 800.0, "days": 2.0})
        source.prepare()
        samples = source.samples("test")
        graph = source.physical_graph(halo=4, samples=samples)
        assert graph is not None
        graphs.append(graph)
        inputs.append(graph.encode(*graph.tensors(samples)))
        whole = torch.cat([batch.input for batch in source.encode(samples, halo=4, device="cpu")])
        torch.testing.assert_close(inputs[-1], whole, atol=1e-5, rtol=0)
    assert graphs[0].facts["all_around_the_globe"]
    torch.testing.assert_close(
        inputs[1][..., 4:-4].roll(BY, -1), inputs[0][..., 4:-4], atol=1e-5, rtol=0, equal_nan=True
    )


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_other_cells_of_a_rolled_globe(factor):
    sea = globe(days=3).ssh.values
    lat, lon = 3.0 * np.arange(-9.5, 10), 10.0 * np.arange(COUNT)
    samples = xr.Dataset(
        {name: ((day, "lat", "lon"), sea) for name, day in (("ssh", "sample"), ("observations", "day"))}
        | {"sea": (("lat", "lon"), np.isfinite(sea[0]))},
        {"lat": lat, "lon": lon},
    )
    by = 12  # a whole number of wider cells
    other = samples.roll(lon=-by).assign_coords(lon=lon + 10.0 * by)
    seen, there = (other_grids.as_trained(one, cell_km(lat, lon) / factor) for one in (samples, other))
    assert seam.is_ring(seen.lon.values)
    columns = round(by * factor)
    for name in ("ssh", "observations", "sea"):
        np.testing.assert_allclose(np.roll(there[name], columns, -1), seen[name], atol=1e-6)
    back, again = (other_grids.returned(one.ssh.values, one, own) for one, own in ((seen, samples), (there, other)))
    np.testing.assert_allclose(np.roll(again, by, -1), back, atol=1e-6)
