"""Two layers of quasi-geostrophic flow on a doubly periodic beta plane: baroclinic turbulence (Phillips 1954).

Streamfunctions psi_i and potential vorticities q_i of the upper (1) and the lower layer (2) are departures from mean
flows U_i, uniform and eastward; u_i = -d psi_i / dy and v_i = d psi_i / dx (Vallis 2017, sections 5.3.2 and 9.6):

    q_1 = lap psi_1 + F_1 (psi_2 - psi_1)            F_1 = 1 / (L_d^2 (1 + d)),   F_2 = d F_1,   d = H_1 / H_2
    q_2 = lap psi_2 + F_2 (psi_1 - psi_2)
    dq_1/dt = -J(psi_1, q_1) - U_1 dq_1/dx - (beta + F_1 (U_1 - U_2)) v_1 - dissipation
    dq_2/dt = -J(psi_2, q_2) - U_2 dq_2/dx - (beta - F_2 (U_1 - U_2)) v_2 - r lap psi_2 - dissipation

The Jacobians are computed from the velocities alone, by nine transforms of a layer instead of ten (after Basdevant
1983, J. Comput. Phys. 50, 209-214):

    J(psi_1, q_1) = (d2/dx2 - d2/dy2)(u_1 v_1) + d2/dxdy (v_1^2 - u_1^2) + F_1 (u_1 v_2 - v_1 u_2)

and that of the lower layer likewise, with -F_2. Wavenumbers are cut at a circle of two thirds of the grid's largest, so
that products are free of aliasing (Orszag 1971) and energy and potential enstrophy are conserved but for the steps in
time. These are of Runge and Kutta's fourth order: for waves that travel it allows steps four times as long as the
Adams-Bashforth method of third order (2.83 against 0.72), at four times the work, is more accurate, and keeps no
history: a state alone is enough to go on, with another step if need be.

All in SI units. A state is the spectrum of q: complex (..., 2, n, m), layers, wavenumbers south-north (in the order of
`torch.fft.fft`) and the m = (n - 1) // 3 + 1 west-east ones from 0 that are kept. Leading dimensions are other seas.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dlgd.core.errors import Refusal
from dlgd.physics.integrators import RK4

COURANT = 2.0  # largest wavenumber x fastest flow x step; unstable from 2.83, the rest is room for faster flow to come
BLOCK_BYTES = 100_000  # of the states advanced together on a CPU: one sea of 128 x 128 points in float32
DISSIPATION_ORDER = 8  # the power of the wavenumber in the rate of dissipation: lap^4 of q


class TwoLayerFlow:
    """The equations at the head of this file, on a square of `cells` x `cells` points.

    size: side of the square, m. deformation_radius: L_d, m. depth_ratio: d = H_1 / H_2. beta: 1/(m s).
    mean_flow: (U_1, U_2), m/s. drag: r, 1/s. dissipation: rate at the largest wavenumber kept, 1/s; that at k is
    (k / largest)^8 times as much, and its effect on a step is exact.
    """

    def __init__(
        self,
        *,
        size: float,
        cells: int,
        deformation_radius: float,
        depth_ratio: float,
        beta: float,
        mean_flow: tuple[float, float] = (0.0, 0.0),
        drag: float = 0.0,
        dissipation: float = 0.0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if cells < 8 or min(size, deformation_radius, depth_ratio) <= 0 or min(drag, dissipation) < 0:
            raise Refusal(
                f"a sea of {cells} x {cells} points, {size:g} m, with L_d = {deformation_radius:g} m, H_1 / H_2 = "
                f"{depth_ratio:g}, drag {drag:g} 1/s and dissipation {dissipation:g} 1/s cannot be: take 8 points at "
                "least, positive lengths and depths, and rates that are not negative"
            )
        self.cells, self.mean_flow = cells, mean_flow
        self.dtype, self.device = dtype, torch.device(device)
        self.columns = (cells - 1) // 3 + 1
        self.largest_wavenumber = 2 * math.pi / size * (self.columns - 1)
        self.shares = (depth_ratio / (1 + depth_ratio), 1 / (1 + depth_ratio))  # of the layers in the depth
        coupling = (deformation_radius**-2 * self.shares[1], deformation_radius**-2 * self.shares[0])  # F_1, F_2
        shear = mean_flow[0] - mean_flow[1]
        gradient = (beta + coupling[0] * shear, beta - coupling[1] * shear)  # of the mean potential vorticity

        step = 2 * math.pi / size
        ky = (torch.fft.fftfreq(cells, 1 / cells, dtype=torch.float64) * step)[:, None]
        kx = (torch.arange(self.columns, dtype=torch.float64) * step)[None, :]
        k2 = kx**2 + ky**2
        self._wavenumbers = (kx.to(self.device), ky.to(self.device))
        kept = (k2 > 0) & (k2 <= (self.largest_wavenumber * (1 + 1e-9)) ** 2)
        self.inversion = self._constant(_inversion(k2, coupling) * kept)
        self.relation = self._constant(_relation(k2, coupling) * kept)
        self._multiplicity = self._real(torch.where(kx == 0, 1, 2).expand_as(k2) * kept)
        self._rates = self._real(dissipation * (k2.sqrt() / self.largest_wavenumber) ** DISSIPATION_ORDER)

        psi = _inversion(k2, coupling) * kept  # psi_i = sum_j psi[i, j] q_j
        # u_1, u_2, v_1, v_2 from q_1, q_2: (2, 4, n, m)
        self._velocity = self._constant(torch.cat((-1j * ky * psi, 1j * kx * psi)).movedim(1, 0))
        flow, slope = (torch.tensor(pair, dtype=torch.float64)[:, None, None, None] for pair in (mean_flow, gradient))
        identity = torch.eye(2, dtype=torch.float64)[:, :, None, None] * kept
        linear = -1j * kx * (flow * identity + slope * psi)
        linear[1] += drag * k2 * psi[1]
        self._linear = self._constant(linear.movedim(1, 0))  # (2 of q, 2 of dq/dt, n, m)
        self._uv = self._constant((kx**2 - ky**2) * kept)
        self._squares = self._constant(kx * ky * kept)
        self._exchange = self._constant(torch.stack((-coupling[0] * kept, coupling[1] * kept)))

    def _constant(self, values: Tensor) -> Tensor:
        """Complex, as it multiplies spectra: with real numbers torch would convert them at each product."""
        precision = torch.complex64 if self.dtype == torch.float32 else torch.complex128
        return values.to(self.device, precision).contiguous()

    def _real(self, values: Tensor) -> Tensor:
        return values.to(self.device, self.dtype)

    # --- spectra and maps --------------------------------------------------------------------------------------

    def spectrum(self, maps: Tensor) -> Tensor:
        """(..., n, n) -> (..., n, m): without the columns of waves that are not kept; `potential_vorticity` drops the
        rest of these waves."""
        return torch.fft.rfft2(maps)[..., : self.columns]

    def maps(self, spectrum: Tensor) -> Tensor:
        """(..., n, m) -> (..., n, n), south-north and west-east."""
        return torch.fft.irfft(torch.fft.ifft(spectrum, dim=-2), n=self.cells)

    def streamfunction(self, state: Tensor) -> Tensor:
        """The spectrum of psi (..., 2, n, m), m2/s, from that of q; its mean is 0."""
        return (self.inversion * state.unsqueeze(-4)).sum(-3)

    def potential_vorticity(self, psi: Tensor) -> Tensor:
        """A state, from the spectrum of psi (..., 2, n, m): the inverse of `streamfunction`."""
        return (self.relation * psi.unsqueeze(-4)).sum(-3)

    def velocity(self, state: Tensor) -> Tensor:
        """Maps of u_1, u_2, v_1, v_2 (..., 4, n, n), m/s, without the mean flow."""
        return self._velocity_maps(state, _Room(self, state))

    def random_state(self, *, speed: float, seed: int, wavelength: float, count: tuple[int, ...] = ()) -> Tensor:
        """Gaussian noise of waves around a wavelength (m), equal in both layers, (*count, 2, n, m).

        speed: rms velocity, m/s. The same seed gives the same waves in either precision and on any device.
        """
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(*count, 1, self.cells, self.cells, generator=generator, dtype=torch.float64)
        kx, ky = self._wavenumbers
        ratio = torch.hypot(kx, ky) * wavelength / (2 * math.pi)
        shape = ratio * torch.exp(-(ratio**2))
        psi = (self.spectrum(noise.to(self.device)) * shape).expand(*count, 2, -1, -1)
        state = self.potential_vorticity(psi.to(self.relation.dtype))
        state = state / self.rms_speed(state).amax(-1)[..., None, None, None]
        return speed * state

    def rms_speed(self, state: Tensor) -> Tensor:
        """(..., 2), m/s: the root of the mean of u^2 + v^2 of each layer, without the mean flow."""
        u1, u2, v1, v2 = self.velocity(state).unbind(-3)
        squares = torch.stack((u1**2 + v1**2, u2**2 + v2**2), -3)
        return squares.mean((-2, -1)).sqrt()

    # --- in time -----------------------------------------------------------------------------------------------

    def tendency(self, state: Tensor) -> Tensor:
        """dq/dt without dissipation, (..., 2, n, m), 1/s2."""
        return self._tendency(state, _Room(self, state))

    def _velocity_maps(self, state: Tensor, room: _Room) -> Tensor:
        """See `velocity`; four transforms in one call, for all seas at once."""
        torch.mul(self._velocity[0], state[..., :1, :, :], out=room.velocity)
        room.velocity.addcmul_(self._velocity[1], state[..., 1:, :, :])
        return self.maps(room.velocity)

    def _tendency(self, state: Tensor, room: _Room) -> Tensor:
        """See `tendency`; nine transforms in two calls."""
        u, v = self._velocity_maps(state, room).unflatten(-3, (2, 2)).unbind(-4)
        uv, squares, exchanged = room.products.split((2, 2, 1), -3)
        torch.mul(u, v, out=uv)
        torch.mul(v, v, out=squares).addcmul_(u, u, value=-1)
        torch.mul(u[..., :1, :, :], v[..., 1:, :, :], out=exchanged)
        exchanged.addcmul_(v[..., :1, :, :], u[..., 1:, :, :], value=-1)
        uv, squares, exchanged = self.spectrum(room.products).split((2, 2, 1), -3)
        torch.mul(self._linear[0], state[..., :1, :, :], out=room.slope)
        room.slope.addcmul_(self._linear[1], state[..., 1:, :, :])
        room.slope.addcmul_(self._uv, uv).addcmul_(self._squares, squares)
        return room.slope.addcmul_(self._exchange, exchanged)

    def steps(self, state: Tensor, seconds: float) -> int:
        """Return how many steps a time needs at the fastest flow in all seas. Waits for the device."""
        u, v = self.velocity(state).unflatten(-3, (2, 2)).unbind(-4)
        mean = self._real(torch.tensor(self.mean_flow))[:, None, None]
        fastest = float(torch.hypot(u + mean, v).max())
        if not math.isfinite(fastest):
            raise ArithmeticError("the flow has become infinite: raise the drag or the dissipation")
        return max(1, math.ceil(seconds * fastest * self.largest_wavenumber / COURANT))

    @torch.no_grad()
    def advance(self, state: Tensor, seconds: float, steps: int) -> Tensor:
        """The state after a time, by equal steps, without derivatives; see `steps` for how many.

        On the CPU it advances as many seas at a time as fit into the cache, with the memory that they need.
        """
        seas = state.reshape(-1, *state.shape[-3:])
        together = max(1, BLOCK_BYTES // seas[:1].nbytes) if self.device.type == "cpu" else len(seas)
        return torch.cat([self._advance(some, seconds, steps) for some in seas.split(together)]).reshape(state.shape)

    def _advance(self, state: Tensor, seconds: float, steps: int) -> Tensor:
        """See `advance`; seas (count, 2, n, m)."""
        dt = seconds / steps
        decay = torch.exp(-self._rates * dt).to(state.dtype)
        room, state = _Room(self, state), state.clone()
        for _ in range(steps):
            start, place = room.start.copy_(state), state
            for node, weight in zip((*RK4.nodes[1:], None), RK4.weights, strict=True):
                slope = self._tendency(place, room)
                if node is not None:
                    place = torch.add(start, slope, alpha=node * dt, out=room.place)
                state.add_(slope, alpha=weight * dt)
            state.mul_(decay)
        return state

    # --- what is conserved -------------------------------------------------------------------------------------

    def energy(self, state: Tensor) -> Tensor:
        """Kinetic and potential energy over mass, m2/s2, (...): -1/2 times the mean of psi q, by the layers' depths."""
        return -0.5 * self._depth_mean(self.streamfunction(state), state)

    def potential_enstrophy(self, state: Tensor) -> Tensor:
        """1/s2, (...): half the mean of q^2, by the layers' depths."""
        return 0.5 * self._depth_mean(state, state)

    def _depth_mean(self, first: Tensor, second: Tensor) -> Tensor:
        """The mean over the sea of the product of two fields given by their spectra (Parseval)."""
        products = (first.conj() * second).real * self._multiplicity
        by_layer = products.sum((-2, -1)) / self.cells**4
        return self.shares[0] * by_layer[..., 0] + self.shares[1] * by_layer[..., 1]


class _Room:
    """Memory for all evaluations of dq/dt: to allocate it anew for each would double the time.

    The results of transforms have memory of their own: transforms are slower where they write into given memory.
    """

    def __init__(self, flow: TwoLayerFlow, state: Tensor) -> None:
        batch, (_, n, m) = state.shape[:-3], state.shape[-3:]
        self.start, self.place, self.slope = (torch.empty_like(state) for _ in range(3))
        self.velocity = state.new_empty(*batch, 4, n, m)
        self.products = torch.empty(*batch, 5, n, n, dtype=flow.dtype, device=state.device)


def _relation(k2: Tensor, coupling: tuple[float, float]) -> Tensor:
    """(2, 2, n, m): q_i = sum_j relation_ij psi_j."""
    one = torch.ones_like(k2)
    upper = torch.stack((-(k2 + coupling[0]), coupling[0] * one))
    lower = torch.stack((coupling[1] * one, -(k2 + coupling[1])))
    return torch.stack((upper, lower))


def _inversion(k2: Tensor, coupling: tuple[float, float]) -> Tensor:
    """(2, 2, n, m): psi_i = sum_j inversion_ij q_j, without a meaning where k = 0."""
    determinant = torch.where(k2 > 0, k2 * (k2 + sum(coupling)), 1)
    (a, b), (c, d) = _relation(k2, coupling)
    return torch.stack((torch.stack((d, -b)), torch.stack((-c, a)))) / determinant
