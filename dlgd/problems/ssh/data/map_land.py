"""Which cells of daily maps are land, by their values alone."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from dlgd.core.errors import Refusal

log = logging.getLogger(__name__)

INCOMPLETE = 0.5  # a map with less than this share of the usual number of cells counts as missing
RARELY = 0.05  # of the days with a map: a cell that has a value on fewer is land


def mask_land(values: np.ndarray, where: Path) -> None:
    """Set the land cells of maps (day, lat, lon) to NaN, in place.

    A cell is land if hardly a day with a map has a value of it, less than a share RARELY; where it lacks a value on
    another day, as under ice or clouds, it is not known on that day alone. Where no cell is land by this rule, cells
    that are exactly 0 on all days are. A map that lacks most of its cells counts as missing.
    """
    cells = np.array([np.isfinite(day).sum() for day in values])
    if not cells.any():
        raise Refusal(f"{where} has no finite height in the box and the period: choose others, or another data.target")
    poor = (cells > 0) & (cells < INCOMPLETE * np.median(cells[cells > 0]))
    values[poor] = np.nan
    if poor.any():
        log.info("%s: %d maps have less than half of the usual cells and count as missing", where, poor.sum())
    whole = np.flatnonzero((cells > 0) & ~poor)
    counts, moved = np.zeros(values.shape[1:], int), np.zeros(values.shape[1:], bool)
    for day in whole:  # one at a time: together they would take as much memory again
        counts += np.isfinite(values[day])
        moved |= values[day] != 0
    sea = (counts > 0) & (counts >= RARELY * len(whole))
    holes, ever = int((sea & (counts < len(whole))).sum()), int((counts > 0).sum())
    if holes:
        log.info("%s: %d of %d sea cells lack a value on some days, and are not known on these", where, holes, ever)
    if sea.sum() < ever:
        log.info("%s: %d cells have a value on hardly any day and count as land", where, ever - sea.sum())
    if sea.all():
        sea = moved
        if not sea.all():
            log.info("%s: %d cells are exactly 0 on all days and count as land", where, (~sea).sum())
    if not sea.any():
        raise Refusal(f"{where} has no cell with a height on more than a few days: choose another box or period")
    values[:, ~sea] = np.nan
