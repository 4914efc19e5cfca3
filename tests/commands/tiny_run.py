"""Overrides that make a command quick: data=nemovar on a grid of 40 x 48 cells."""

TINY = [
    "data.rows=40",
    "data.columns=48",
    "data.coast=random",
    "data.samples.train=2",
    "data.samples.test=1",
    "data.patch=16",
    "data.tolerance.evaluation=1e-4",
]
