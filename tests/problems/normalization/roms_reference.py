"""ROMS's convolution at rho points, as its loops stand: fields (vector, nz, ny, nx) with a boundary, bottom first.

Nothing here uses `dlgd.physics`; each Dirac is one of the vectors.
"""

import numpy as np

NY, NX, NZ = 7, 8, 4
HC = 20.0


def grid(seed=0):
    """pm, pn, mask_rho, h of a small closed sea with an island."""
    rng = np.random.default_rng(seed)
    mask = np.ones((NY, NX))
    mask[0], mask[3, 4], mask[5, 1:3] = 0, 0, 0
    return {
        "pm": 1 / rng.uniform(0.8e4, 1.2e4, (NY, NX)),
        "pn": 1 / rng.uniform(0.8e4, 1.2e4, (NY, NX)),
        "mask_rho": mask,
        "h": rng.uniform(60.0, 200.0, (NY, NX)),
    }


def stretching():
    """s_w, Cs_w, s_rho, Cs_r of levels that are thinner near the surface."""
    s_w = np.linspace(-1, 0, NZ + 1)
    s_r = (s_w[1:] + s_w[:-1]) / 2

    def curve(s):
        return (1 - np.cosh(3 * s)) / (np.cosh(3) - 1)

    return {"s_w": s_w, "Cs_w": curve(s_w), "s_rho": s_r, "Cs_r": curve(s_r)}


def depths(h, transform):
    """z_w and z_r, point by point."""
    s = stretching()

    def z(sigma, c):
        if transform == 1:
            return HC * sigma + (h - HC) * c
        return h * (HC * sigma + h * c) / (HC + h)

    w = np.stack([z(a, b) for a, b in zip(s["s_w"], s["Cs_w"], strict=True)])
    return w, np.stack([z(a, b) for a, b in zip(s["s_rho"], s["Cs_r"], strict=True)])


def boundary(a, periodic):
    """dabc_r2d and dabc_r3d: the gradient across a closed boundary is 0."""
    a[..., 0, :], a[..., -1, :] = a[..., 1, :], a[..., -2, :]
    if periodic:
        a[..., 0], a[..., -1] = a[..., -2], a[..., 1]
    else:
        a[..., 0], a[..., -1] = a[..., 1], a[..., -2]


def convolve(a, g, steps, dt, vertical=None, *, periodic=False):
    """tl_conv_r2d and tl_conv_r3d. vertical: steps, dt, Hz, z_r and whether they are implicit."""
    pm, pn, mask = g["pm"], g["pn"], g["mask_rho"]
    a = a.copy()
    boundary(a, periodic)
    pmon_u = (pm[:, 1:] + pm[:, :-1]) / (pn[:, 1:] + pn[:, :-1]) * mask[:, 1:] * mask[:, :-1]
    pnom_v = (pn[1:] + pn[:-1]) / (pm[1:] + pm[:-1]) * mask[1:] * mask[:-1]
    for _ in range(steps):
        fx = pmon_u * (a[..., 1:] - a[..., :-1])
        fe = pnom_v * (a[..., 1:, :] - a[..., :-1, :])
        inside = np.s_[..., 1:-1, 1:-1]
        flux = fx[..., 1:-1, 1:] - fx[..., 1:-1, :-1] + fe[..., 1:, 1:-1] - fe[..., :-1, 1:-1]
        a[inside] += dt * (pm * pn)[1:-1, 1:-1] * flux
        boundary(a, periodic)
    if vertical is None:
        return a
    count, dt_v, hz, z_r, is_implicit = vertical
    for _ in range(count):
        if is_implicit:
            for y, x in np.ndindex(a.shape[-2:]):
                fc = -dt_v / np.diff(z_r[:, y, x])
                matrix = np.diag(hz[:, y, x]) + np.diag(fc, 1) + np.diag(fc, -1)
                matrix -= np.diag(np.append(fc, 0)) + np.diag(np.insert(fc, 0, 0))
                a[..., y, x] = np.linalg.solve(matrix, (hz[:, y, x] * a[..., y, x]).T).T
        else:
            fs = np.pad(dt_v / np.diff(z_r, axis=0) * np.diff(a, axis=1), ((0, 0), (1, 1), (0, 0), (0, 0)))
            a += np.diff(fs, axis=1) / hz
    return a


def norms(g, hdecay, vdecay=None, *, transform=2, hgamma=0.5, vgamma=0.05, implicit=False, periodic=False):
    """1 / sqrt(variance) (nz, ny, nx) of the interior points at sea, NaN elsewhere. vdecay None: no levels."""
    dt = hgamma * min((1 / g["pm"]).min(), (1 / g["pn"]).min()) ** 2 / 4
    steps = round(hdecay**2 / (2 * dt))
    steps += steps % 2
    area, vertical, nz = 1 / (g["pm"] * g["pn"]), None, 1
    scale = 1 / np.sqrt(area)[None]
    if vdecay is not None:
        z_w, z_r = depths(g["h"], transform)
        hz, nz = np.diff(z_w, axis=0), NZ
        dt_v = vgamma * (hz.max() if implicit else hz.min()) ** 2 / 2
        count = max(round(vdecay**2 / (2 * dt_v)), int(implicit))
        vertical = ((count + count % 2) // 2, dt_v, hz, z_r, implicit)
        scale = 1 / np.sqrt(area * hz)
    wet = np.zeros((NY, NX), bool)
    wet[1:-1, 1:-1] = g["mask_rho"][1:-1, 1:-1] > 0
    places = [place for place in np.ndindex(nz, NY, NX) if wet[place[1:]]]
    diracs = np.zeros((len(places), nz, NY, NX))
    for dirac, place in zip(diracs, places, strict=True):
        dirac[place] = scale[place]
    variance = (convolve(diracs, g, steps // 2, dt, vertical, periodic=periodic) ** 2).sum(axis=0)
    return np.where(wet, 1 / np.sqrt(np.where(wet, variance, 1)), np.nan)
