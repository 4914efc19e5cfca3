"""Diffusion in steps along levels, then in steps within columns, as a square root of correlations; exact coefficients.

With nodes n in nz levels, random numbers z of variance 1 and weights s (square roots of one over an area or a volume,
or 1), the square root of the correlation is

    L = L_v L_h diag(s)
    L_h = (1 - W^-1 D_h)^m     of each level: W = diag(weight), D_h as in `edges.laplacian`
    L_v = (1 - H^-1 D_v)^m_v   explicit, or ((H + D_v)^-1 H)^m_v implicit, of each column: H = diag(thickness)

    F_pp = sum over k1 of L_v[k, k1]^2 sum over q of L_h[x, q; level k1]^2 s_q^2,      gamma = F_pp^-1/2

SABER's and ROMS's operators are of this form, and exact coefficients follow level by level and column by column.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from dlgd.physics import edges
from dlgd.physics.normalization3d import tridiagonal_sums

ROWS = 2048  # of L_h that are computed together


@dataclass(frozen=True)
class SplitDiffusion:
    """one, other (e,): nodes of each edge. conductance (nz or 1, e), weight (n,), of one horizontal step; one level
    serves all. exchange (nz - 1, n): of one vertical step, between level k and k + 1; thickness (nz, n), above 0.
    variance (nz, n): s^2. steps, vertical_steps: those of the square root, m and m_v. Levels may stand in either order.
    """

    one: np.ndarray
    other: np.ndarray
    conductance: np.ndarray
    weight: np.ndarray
    exchange: np.ndarray
    thickness: np.ndarray
    variance: np.ndarray
    steps: int
    vertical_steps: int
    implicit: bool = False

    @cached_property
    def horizontal_steps(self) -> list[sparse.csr_array]:
        """1 - W^-1 D_h (n, n) of each level, or of the only one that serves all."""
        inverse, unit = sparse.diags_array(1 / self.weight), sparse.eye_array(len(self.weight))
        return [
            sparse.csr_array(unit - inverse @ edges.laplacian(self.one, self.other, level, len(self.weight)))
            for level in self.conductance
        ]

    @cached_property
    def horizontal_energy(self) -> np.ndarray:
        """The sum over q of L_h[p, q]^2 s_q^2 (nz, n)."""
        if len(self.horizontal_steps) == 1:
            return _squares(self.horizontal_steps[0], self.steps, self.variance.T).T
        pairs = zip(self.horizontal_steps, self.variance, strict=True)
        return np.stack([_squares(step, self.steps, level[:, None])[:, 0] for step, level in pairs])

    def gamma(self) -> np.ndarray:
        """The coefficients (nz, n)."""
        if not self.vertical_steps:
            return self.horizontal_energy**-0.5
        if not self.implicit:
            return self._explicit_sums(self.horizontal_energy) ** -0.5
        root = np.sqrt(self.thickness)  # (H + D_v)^-1 H = H^-1/2 A^-1 H^1/2 with A = 1 + H^-1/2 D_v H^-1/2
        diagonal = np.ones(self.thickness.shape)
        diagonal[:-1] += self.exchange / self.thickness[:-1]
        diagonal[1:] += self.exchange / self.thickness[1:]
        coupling = -self.exchange / (root[:-1] * root[1:])
        energy = self.thickness * self.horizontal_energy
        return (tridiagonal_sums(diagonal, coupling, energy, self.vertical_steps) / self.thickness) ** -0.5

    def _explicit_sums(self, energy: np.ndarray) -> np.ndarray:
        """The sum over k1 of L_v[k, k1]^2 energy[k1] (nz, n)."""
        nz, nodes = energy.shape
        total = np.empty(energy.shape)
        for first in range(0, nodes, ROWS):
            some = np.s_[:, first : first + ROWS]
            exchange = self.exchange[some].T[:, :, None]
            above, below = (exchange / h.T[:, :, None] for h in (self.thickness[:-1][some], self.thickness[1:][some]))
            response = np.broadcast_to(np.eye(nz), (len(exchange), nz, nz)).copy()  # node, level, level of the Dirac
            for _ in range(self.vertical_steps):
                difference = response[:, :-1] - response[:, 1:]
                response[:, :-1] -= above * difference
                response[:, 1:] += below * difference
            total[some] = np.einsum("xik,kx->ix", response**2, energy[some])
        return total

    def brute_force(self, cells: np.ndarray) -> np.ndarray:
        """gamma (c,) at cells (c, 2), level and node: the norm of diag(s) L' e_p, step by step with each L'."""
        nz = len(self.thickness)
        gamma = np.empty(len(cells))
        for place, (level, node) in enumerate(cells):
            column = np.eye(nz)[level]
            vertical = self._vertical_step(node)
            for _ in range(self.vertical_steps):
                column = vertical.T @ column
            energy = 0.0
            for k, amount in enumerate(column):
                step = self.horizontal_steps[k % len(self.horizontal_steps)]
                v = np.zeros(len(self.weight))
                v[node] = amount
                for _ in range(self.steps if amount else 0):
                    v = step.T @ v
                energy += v**2 @ self.variance[k]
            gamma[place] = energy**-0.5
        return gamma

    def _vertical_step(self, node: int) -> np.ndarray:
        """One step of a column (nz, nz), as a dense matrix."""
        levels = np.arange(len(self.exchange))
        d = edges.laplacian(levels, levels + 1, self.exchange[:, node], len(self.thickness)).toarray()
        thickness = np.diag(self.thickness[:, node])
        if self.implicit:
            return np.linalg.solve(thickness + d, thickness)
        return np.eye(len(thickness)) - np.linalg.solve(thickness, d)


def _squares(step: sparse.csr_array, power: int, variance: np.ndarray) -> np.ndarray:
    """The sum over q of (step^power)[p, q]^2 variance[q], for variance (n, levels)."""
    if not power:
        return variance.copy()
    found = np.empty(variance.shape)
    for first in range(0, len(found), ROWS):
        rows = step[first : first + ROWS]
        for _ in range(power - 1):
            rows = rows @ step
        found[first : first + ROWS] = rows.multiply(rows) @ variance
    return found
