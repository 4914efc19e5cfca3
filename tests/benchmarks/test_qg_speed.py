"""Two-layer flow, 128 x 128 points on one core: ours against the usual program in NumPy, in one run.

The usual program is that of pyqg: float64, maps of q, u and v of both layers from their spectra, the fluxes u q and v q
back (ten transforms), third-order Adams-Bashforth steps, a spectral filter. What is counted is evaluations of dq/dt: an
Adams-Bashforth step takes one and ours four, and is four times as long at the same distance from instability.
"""

import time

import numpy as np
import pytest
import torch

from dlgd.physics.qg import TwoLayerFlow

N, SIZE, RADIUS, RATIO, BETA, FLOW, DRAG = 128, 1e6, 4e4, 0.25, 1.8e-11, (0.2, 0.0), 1 / (7 * 86400)
SEAS, DT = 8, 600.0


class Usual:
    """State (2, n, n / 2 + 1), the spectrum of q."""

    def __init__(self) -> None:
        step = 2 * np.pi / SIZE
        kx, ky = step * np.arange(N // 2 + 1)[None], step * np.fft.fftfreq(N, 1 / N)[:, None]
        self.ikx, self.iky, self.k2 = 1j * kx, 1j * ky, kx**2 + ky**2
        f1 = 1 / (RADIUS**2 * (1 + RATIO))
        f2 = RATIO * f1
        determinant = self.k2 * (self.k2 + f1 + f2)
        determinant[0, 0] = np.inf
        self.a, self.b = -(self.k2 + f2) / determinant, -f1 / determinant
        self.c, self.d = -f2 / determinant, -(self.k2 + f1) / determinant
        shear = FLOW[0] - FLOW[1]
        self.gradient = np.array([BETA + f1 * shear, BETA - f2 * shear])[:, None, None] * self.ikx
        self.mean = np.array(FLOW)[:, None, None]
        reach = np.hypot(kx, ky) * SIZE / N
        self.filter = np.where(reach < 0.65 * np.pi, 1, np.exp(-23.6 * np.maximum(reach - 0.65 * np.pi, 0) ** 4))
        self.before = None

    def tendency(self, q: np.ndarray) -> np.ndarray:
        psi = np.stack((self.a * q[0] + self.b * q[1], self.c * q[0] + self.d * q[1]))
        u, v, on_grid = np.fft.irfft2(-self.iky * psi), np.fft.irfft2(self.ikx * psi), np.fft.irfft2(q)
        u += self.mean
        slope = -self.ikx * np.fft.rfft2(u * on_grid) - self.iky * np.fft.rfft2(v * on_grid) - self.gradient * psi
        slope[1] += DRAG * self.k2 * psi[1]
        return slope

    def step(self, q: np.ndarray) -> np.ndarray:
        slope = self.tendency(q)
        last, older = self.before or (slope, slope)
        self.before = slope, last
        return self.filter * (q + DT / 12 * (23 * slope - 16 * last + 5 * older))


def cpu_seconds(work) -> float:
    """Of this process alone, so that other programs on the machine count little."""
    began = time.process_time()
    work()
    return time.process_time() - began


def flow_and_state(dtype: torch.dtype, count: tuple[int, ...] = ()) -> tuple[TwoLayerFlow, torch.Tensor]:
    flow = TwoLayerFlow(
        size=SIZE,
        cells=N,
        deformation_radius=RADIUS,
        depth_ratio=RATIO,
        beta=BETA,
        mean_flow=FLOW,
        drag=DRAG,
        dissipation=1e-4,
        dtype=dtype,
    )
    return flow, flow.random_state(speed=0.5, seed=0, wavelength=2.5e5, count=count)


def seconds_per_evaluation(
    usual: Usual, wide: np.ndarray, flow: TwoLayerFlow, state: torch.Tensor
) -> tuple[float, float]:
    """The usual program's and ours, of one sea."""
    seas = state[..., 0, 0, 0].numel()

    def usual_steps() -> None:
        q = wide
        for _ in range(3 * seas):
            q = usual.step(q)

    # in turns, so that both meet the same machine; the best of many
    pairs = [(cpu_seconds(usual_steps), cpu_seconds(lambda: flow.advance(state, 2 * DT, 2))) for _ in range(25)]
    slow, fast = (min(seconds) for seconds in zip(*pairs, strict=True))
    return slow / (3 * seas), fast / (2 * 4 * seas)


@pytest.mark.bench
def test_an_evaluation_is_many_times_faster_than_numpys():
    torch.set_num_threads(1)
    usual = Usual()
    flow, state = flow_and_state(torch.float64)
    wide = np.zeros((2, N, N // 2 + 1), complex)
    wide[..., : flow.columns] = state.numpy()
    kept = (flow.relation != 0).any(0).any(0).numpy()  # our cut, which theirs does not make
    theirs = usual.tendency(wide)[..., : flow.columns] * kept
    np.testing.assert_allclose(flow.tendency(state), theirs, rtol=0, atol=1e-10 * np.abs(theirs).max())

    cases = {
        "one sea, float64": (torch.float64, ()),
        "one sea, float32": (torch.float32, ()),
        f"{SEAS} seas, float32": (torch.float32, (SEAS,)),
    }
    ratios = {}
    for name, (dtype, count) in cases.items():
        slow, fast = seconds_per_evaluation(usual, wide, *flow_and_state(dtype, count))
        ratios[name] = slow / fast
        print(f"\n{name}: {1 / fast:.0f} evaluations/s of a sea, NumPy {1 / slow:.0f}, {slow / fast:.1f} times", end="")
    print()
    assert ratios["one sea, float64"] > 1.1
    assert ratios["one sea, float32"] > 2
    assert ratios[f"{SEAS} seas, float32"] > 2
