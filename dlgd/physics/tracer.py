"""A passive tracer that a flow stirs on a doubly periodic square, such as the temperature of the sea's surface.

The tracer is a uniform gradient G to the north and a departure theta from it, which a flow (u, v) without divergence
carries along, which returns to the gradient in the time tau, and which is dissipated at small scales:

    d theta/dt = -d(u theta)/dx - d(v theta)/dy - G v - theta / tau - dissipation

Wavenumbers are cut as in `dlgd.physics.qg`, so that products are free of aliasing: without the last three terms the
mean and the variance of theta are conserved but for the steps in time. These are of Runge and Kutta's fourth order in
a steady flow; a flow that changes is taken to change linearly within a step, which is accurate to the second order.

A departure is a spectrum: complex (n, m), in the order of `TwoLayerFlow.spectrum`, in the tracer's unit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlgd.physics.integrators import RK4
from dlgd.physics.qg import DISSIPATION_ORDER, TwoLayerFlow


class PassiveTracer:
    """The equation at the head of this file on the grid of `flow`, whose precision and device it takes.

    gradient: G, the tracer's unit per m. restoring: 1 / tau, 1/s. dissipation: rate at the largest wavenumber kept,
    1/s; that at k is (k / largest)^8 times as much, and its effect on a step is exact.
    """

    def __init__(self, flow: TwoLayerFlow, *, gradient: float, restoring: float, dissipation: float) -> None:
        self.flow, self.gradient, self.restoring = flow, gradient, restoring
        largest = flow.columns - 1
        ky = torch.fft.fftfreq(flow.cells, 1 / flow.cells, dtype=torch.float64)[:, None]
        kx = torch.arange(flow.columns, dtype=torch.float64)[None, :]
        k = torch.hypot(kx, ky) / largest  # as a share of the largest
        kept, unit = k <= 1 + 1e-9, flow.largest_wavenumber / largest
        precision = torch.complex64 if flow.dtype == torch.float32 else torch.complex128
        slopes = torch.stack(((-1j * unit * kx).expand_as(k), (-1j * unit * ky).expand_as(k)))
        self._convergence = (slopes * kept).to(flow.device, precision)  # of the flux
        self._kept = kept.to(flow.device, precision)
        self._rates = (dissipation * k**DISSIPATION_ORDER).to(flow.device, flow.dtype)

    def tendency(self, theta: Tensor, velocity: Tensor) -> Tensor:
        """d theta/dt without dissipation, (n, m). velocity: maps of u and v, (2, n, n), m/s."""
        flux = self.flow.spectrum(self.flow.maps(theta) * velocity)
        change = (self._convergence * flux).sum(0) - self.restoring * theta
        return change if self.gradient == 0 else change - self.gradient * self._kept * self.flow.spectrum(velocity[1])

    @torch.no_grad()
    def advance(self, theta: Tensor, before: Tensor, after: Tensor, seconds: float) -> Tensor:
        """The departure after one step. before, after: maps of the velocity, (2, n, n), as the step begins and ends.

        It is stable with steps that are short enough for the flow, see `TwoLayerFlow.steps`.
        """
        between = {0.0: before, 0.5: (before + after) / 2, 1.0: after}
        place, total = theta, theta
        for number, (node, weight) in enumerate(zip(RK4.nodes, RK4.weights, strict=True)):
            slope = self.tendency(place, between[node])
            total = total + weight * seconds * slope
            if number + 1 < len(RK4.nodes):
                place = theta + RK4.nodes[number + 1] * seconds * slope
        return total * torch.exp(-self._rates * seconds)
