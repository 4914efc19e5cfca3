"""Diffusion operators flipped, turned and shifted as physical objects: nothing here knows of channels or scalings."""

from __future__ import annotations

import numpy as np
import xarray as xr
from omegaconf import OmegaConf

from dlgd.core.paths import CONF
from dlgd.physics.diffusion import Diffusion, open_faces
from dlgd.physics.halo import Topology, pad_west_faces
from dlgd.physics.normalization import brute_force
from dlgd.problems.normalization.data import fields
from dlgd.problems.normalization.data.features import Features
from dlgd.problems.normalization.data.simulated import NormalizationCoefficients

CLOSED = Topology("closed", "closed")
CHANNEL = Topology("periodic", "closed")
TORUS = Topology("periodic", "periodic")
FOLD = Topology("periodic", "fold")

CELL = 1e10  # m2


def rough_operator(topology: Topology, shape: tuple[int, int], seed: int = 0) -> Diffusion:
    """Islands, cells whose areas differ by up to a half, and length scales that differ along the two axes."""
    rng = np.random.default_rng(seed)
    sea = rng.random(shape) > 0.25
    open_i, open_j = open_faces(sea, topology)
    alpha_i = np.where(open_i, CELL * rng.uniform(0.3, 0.8, open_i.shape) ** 2, 0.0)
    alpha_j = np.where(open_j, CELL * rng.uniform(0.6, 1.3, open_j.shape) ** 2, 0.0)
    if topology.south_north == "periodic":
        alpha_i[-1] = alpha_i[0]
    if topology.south_north == "fold":
        alpha_i[-1] = (alpha_i[-1] + alpha_i[-1, ::-1]) / 2
    return Diffusion(alpha_i, alpha_j, CELL * rng.uniform(0.8, 1.2, shape), sea, topology)


def turned(operator: Diffusion, transpose: bool, mirror_i: bool, mirror_j: bool) -> Diffusion:
    """The same sea on a map that was transposed, then mirrored south-north, then west-east.

    South faces have a north side and west faces an east side here, so no face ever has to move. A folded grid
    can only be mirrored west-east.
    """
    kind, area, sea = operator.topology, operator.area, operator.sea
    south, west = operator.alpha_i, pad_west_faces(operator.alpha_j, 0, kind)
    if transpose:
        south, west, area, sea = west.T, south.T, area.T, sea.T
        kind = Topology(west_east=kind.south_north, south_north=kind.west_east)
    rows, columns = np.s_[:: -1 if mirror_i else 1], np.s_[:: -1 if mirror_j else 1]
    south, west, area, sea = (field[rows, columns].copy() for field in (south, west, area, sea))
    return Diffusion(south, west[:, :-1], area, sea, kind)


def turned_field(field: np.ndarray, transpose: bool, mirror_i: bool, mirror_j: bool) -> np.ndarray:
    """The same of values at the centres of cells, or of south and west faces with all of their sides."""
    field = field.T if transpose else field
    return field[:: -1 if mirror_i else 1, :: -1 if mirror_j else 1].copy()


def rolled(operator: Diffusion, columns: int) -> Diffusion:
    """The same sea on a map that begins so many columns further east."""
    arrays = (operator.alpha_i, operator.alpha_j, operator.area, operator.sea)
    return Diffusion(*(np.roll(field, -columns, axis=1) for field in arrays), operator.topology)


def exact_gamma(operator: Diffusion) -> np.ndarray:
    """gamma (ny, nx) in m by sparse LU in float64, NaN on land."""
    gamma = np.full(operator.sea.shape, np.nan)
    gamma[operator.sea] = brute_force(operator, np.argwhere(operator.sea))
    return gamma


def samples(operator: Diffusion, seen: Features) -> xr.Dataset:
    """One physical sample, with exact coefficients of the operator as it is, and what the features ask for."""
    nowhere = np.zeros(operator.sea.shape)
    base = fields.base(nowhere, nowhere, operator.area, operator.sea, operator.topology)
    one = fields.sample(operator, exact_gamma(operator)).expand_dims("sample")
    return fields.complete(base.merge(one), seen.distance_metric, seen.closed_form)


def data_set(**changes: object) -> NormalizationCoefficients:
    """data=mercator, with some options changed; not prepared."""
    config = OmegaConf.to_container(OmegaConf.load(CONF / "data" / "mercator.yaml"))
    options = {key: value for key, value in config.items() if key not in ("defaults", "_target_")}
    return NormalizationCoefficients(**(options | {"in_memory": True} | changes))
