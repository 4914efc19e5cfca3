"""Averages of points along tracks, by a loop."""

import numpy as np

from dlgd.problems.ssh.methods.sea_points import Points, superobservations


def test_superobservations_by_a_loop():
    """Two passes of one satellite, with a gap in the first, and then another satellite at the same place."""
    lat = np.concatenate((30 + 0.06 * np.arange(12), 40 + 0.06 * np.arange(7), 30 + 0.06 * np.arange(4)))
    lat[8:12] += 0.3
    days = np.concatenate((np.arange(12.0), 20000 + np.arange(7), 20007 + np.arange(4))) / 86400
    satellite = np.repeat([0, 0, 1], [12, 7, 4])
    rng = np.random.default_rng(0)
    lon, ssh = rng.normal(0, 1e-3, 23), rng.normal(size=23)
    points = superobservations(Points(days, lat, lon, ssh), satellite, 5)
    groups = ([*range(5)], [5, 6, 7], [8, 9, 10, 11], [*range(12, 17)], [17, 18], [*range(19, 23)])
    for name, values in (("days", days), ("lat", lat), ("lon", lon), ("ssh", ssh)):
        np.testing.assert_allclose(getattr(points, name), [values[group].mean() for group in groups], atol=1e-12)
    single = superobservations(points, np.zeros(6), 1)
    np.testing.assert_array_equal(single.ssh, points.ssh)


def test_a_later_pass_over_the_same_place_is_not_averaged_with_the_first():
    points = Points(np.array([0.0, 9.9156]), np.full(2, 30.0), np.zeros(2), np.array([1.0, 2.0]))
    np.testing.assert_array_equal(superobservations(points, np.zeros(2), 5).ssh, [1.0, 2.0])
