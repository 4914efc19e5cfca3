"""ROMS's convolution: at rho points as its loops stand, of fields (vector, nz, ny, nx) with a boundary, bottom first;
at u and v points as dense matrices.

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


def horizontal_steps(g, hdecay, hgamma):
    """Their number, and dt."""
    dt = hgamma * min((1 / g["pm"]).min(), (1 / g["pn"]).min()) ** 2 / 4
    steps = round(hdecay**2 / (2 * dt))
    return steps + steps % 2, dt


def vertical_steps(hz, vdecay, vgamma, *, implicit):
    """Their number, and dt."""
    dt = vgamma * (hz.max() if implicit else hz.min()) ** 2 / 2
    count = max(round(vdecay**2 / (2 * dt)), int(implicit))
    return count + count % 2, dt


def norms(g, hdecay, vdecay=None, *, transform=2, hgamma=0.5, vgamma=0.05, implicit=False, periodic=False):
    """1 / sqrt(variance) (nz, ny, nx) of the interior points at sea, NaN elsewhere. vdecay None: no levels."""
    steps, dt = horizontal_steps(g, hdecay, hgamma)
    area, vertical, nz = 1 / (g["pm"] * g["pn"]), None, 1
    scale = 1 / np.sqrt(area)[None]
    if vdecay is not None:
        z_w, z_r = depths(g["h"], transform)
        hz, nz = np.diff(z_w, axis=0), NZ
        count, dt_v = vertical_steps(hz, vdecay, vgamma, implicit=implicit)
        vertical = (count // 2, dt_v, hz, z_r, implicit)
        scale = 1 / np.sqrt(area * hz)
    wet = np.zeros((NY, NX), bool)
    wet[1:-1, 1:-1] = g["mask_rho"][1:-1, 1:-1] > 0
    places = [place for place in np.ndindex(nz, NY, NX) if wet[place[1:]]]
    diracs = np.zeros((len(places), nz, NY, NX))
    for dirac, place in zip(diracs, places, strict=True):
        dirac[place] = scale[place]
    variance = (convolve(diracs, g, steps // 2, dt, vertical, periodic=periodic) ** 2).sum(axis=0)
    return np.where(wet, 1 / np.sqrt(np.where(wet, variance, 1)), np.nan)


def slip(mask, i, j):
    """pmask(i, j): the psi point south-west of rho point (i, j)."""
    west_south, south, west, own = (int(mask[b, a]) for a, b in ((i - 1, j - 1), (i, j - 1), (i - 1, j), (i, j)))
    sea = west_south + south + west + own
    if sea >= 3:
        return 1.0
    return 2.0 if sea == 2 and west_south != own else 0.0


def velocity_norms(
    g, hdecay, vdecay=None, *, points, transform=2, hgamma=0.5, vgamma=0.05, implicit=False, periodic=False
):
    """1 / sqrt(variance) by dense matrices, of u points (nz, NY, NX - 1) or v points (nz, NY - 1, NX); NaN on land and
    on the boundary. u(i) lies between rho(i - 1) and rho(i), and stands at i - 1 of its array, as in ROMS's files."""
    pm, pn, mask = g["pm"], g["pn"], g["mask_rho"]
    lm, mm, is_u = NX - 2, NY - 2, points == "u"
    first_i, first_j = 2 if is_u and not periodic else 1, 1 if is_u else 2
    places = [(i, j) for j in range(first_j, mm + 1) for i in range(first_i, lm + 1)]
    number = {place: count for count, place in enumerate(places)}

    def beside(i, j):
        return ((i - 1, j), (i, j)) if is_u else ((i, j - 1), (i, j))

    def mean(a, i, j):
        return sum(a[..., y, x] for x, y in beside(i, j)) / 2

    def psi(a, b, i, j):
        around = ((i - 1, j - 1), (i, j - 1), (i - 1, j), (i, j))
        return sum(a[y, x] for x, y in around) / sum(b[y, x] for x, y in around) * slip(mask, i, j)

    steps, dt = horizontal_steps(g, hdecay, hgamma)
    step = np.eye(len(places))
    for (i, j), row in number.items():
        if is_u:
            faces = {(i + 1, j): pm[j, i] / pn[j, i], (i - 1, j): pm[j, i - 1] / pn[j, i - 1]}
            faces |= {(i, to): None for to in (j - 1, j + 1)}
        else:
            faces = {(i, j + 1): pn[j, i] / pm[j, i], (i, j - 1): pn[j - 1, i] / pm[j - 1, i]}
            faces |= {(to, j): None for to in (i - 1, i + 1)}
        for (a, b), known in faces.items():
            to = ((a - 1) % lm + 1, b) if periodic else (a, b)
            if to not in number:
                continue  # the gradient across the boundary is 0
            corner = (i, max(j, b)) if is_u else (max(i, a), j)
            ratio = psi(*((pn, pm) if is_u else (pm, pn)), *corner) if known is None else known
            rate = dt * mean(pm, i, j) * mean(pn, i, j) * ratio
            step[row, number[to]] += rate
            step[row, row] -= rate
    area = np.array([1 / (mean(pm, i, j) * mean(pn, i, j)) for i, j in places])
    nz = 1 if vdecay is None else NZ
    root = np.kron(np.eye(nz), np.linalg.matrix_power(step, steps // 2))
    hz = np.ones((1, len(places)))
    if vdecay is not None:
        z_w, z_r = depths(g["h"], transform)
        count, dt_v = vertical_steps(np.diff(z_w, axis=0), vdecay, vgamma, implicit=implicit)
        hz = np.stack([mean(np.diff(z_w, axis=0), i, j) for i, j in places], axis=1)
        columns = np.zeros((nz, len(places), nz, len(places)))
        for node, (i, j) in enumerate(places):
            flux = np.diff(np.eye(nz), axis=0) * (dt_v / np.diff(mean(z_r, i, j)))[:, None]
            change = np.diff(np.pad(flux, ((1, 1), (0, 0))), axis=0) / hz[:, [node]]
            one = np.linalg.inv(np.eye(nz) - change) if implicit else np.eye(nz) + change
            columns[:, node, :, node] = np.linalg.matrix_power(one, count // 2)
        root = columns.reshape(root.shape) @ root
    variance = ((root / np.sqrt((area * hz).ravel())) ** 2).sum(axis=1).reshape(nz, -1)
    found = np.full((nz, NY, NX - 1) if is_u else (nz, NY - 1, NX), np.nan)
    for (i, j), node in number.items():
        if all(mask[y, x] > 0 for x, y in beside(i, j)):
            found[:, j - (not is_u), i - is_u] = variance[:, node] ** -0.5
    return found
