"""MITgcm's package smooth once more, as its equations stand: fields (vector, nz, ny, nx), periodic.

Nothing here uses `dlgd.physics`; the adjoint is never needed, since each Dirac is one of the vectors.
"""

import numpy as np

NZ, NY, NX = 3, 6, 7
AB_EPS = 0.01


def grid(seed=0):
    """A small ocean with a wall in the south and the west, an island, a bottom with partial cells, uneven spacing."""
    rng = np.random.default_rng(seed)
    hfac = np.ones((NZ, NY, NX))
    hfac[:, 0], hfac[:, :, 0], hfac[:, 3, 4] = 0, 0, 0
    hfac[2, 2:4, 2:5] = 0
    hfac[2, 4, 1:] = 0.4
    hfac[1, 2, 2] = 0.3
    one = {"RAC": rng.uniform(0.8, 1.2, (NY, NX)) * 1e10, "DRF": np.array([10.0, 20.0, 50.0]), "hFacC": hfac}
    one |= {name: rng.uniform(0.8e5, 1.2e5, (NY, NX)) for name in ("DXC", "DYC", "DXG", "DYG")}
    one["DRC"] = np.array([5.0, 15.0, 35.0])
    one["hFacW"] = np.minimum(hfac, np.roll(hfac, 1, axis=2))
    one["hFacS"] = np.minimum(hfac, np.roll(hfac, 1, axis=1))
    return {name: field.astype(np.float32).astype(np.float64) for name, field in one.items()}


def scales(seed=1):
    """Lx, Ly, Lz (nz, ny, nx) in m."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.5e5, 1.5e5, (2, NZ, NY, NX)), rng.uniform(5.0, 40.0, (NZ, NY, NX))


def tendency(x, kux, kvy, g):
    """G: the divergence of the fluxes through west and south faces."""
    thickness = g["DRF"][:, None, None]
    zonal = -kux * g["DYG"] * thickness * g["hFacW"] * (x - np.roll(x, 1, axis=-1)) / g["DXC"]
    meridional = -kvy * g["DXG"] * thickness * g["hFacS"] * (x - np.roll(x, 1, axis=-2)) / g["DYC"]
    divergence = np.roll(zonal, -1, axis=-1) - zonal + np.roll(meridional, -1, axis=-2) - meridional
    wet = g["hFacC"] > 0
    return np.where(wet, -divergence / (np.where(wet, g["hFacC"], 1) * thickness * g["RAC"]), 0)


def implicit(x, kappa, g):
    """The backward step of every column, with MITgcm's a, b and c."""
    out = x.copy()
    for y, i in np.ndindex(NY, NX):
        wet = g["hFacC"][:, y, i] > 0
        a, c = np.zeros(NZ), np.zeros(NZ)
        for k in range(1, NZ):
            if wet[k] and wet[k - 1]:
                a[k] = -kappa[k, y, i] / (g["hFacC"][k, y, i] * g["DRF"][k] * g["DRC"][k])
                c[k - 1] = -kappa[k, y, i] / (g["hFacC"][k - 1, y, i] * g["DRF"][k - 1] * g["DRC"][k])
        matrix = np.diag(1 - a - c) + np.diag(a[1:], -1) + np.diag(c[:-1], 1)
        out[..., y, i] = np.linalg.solve(matrix, x[..., y, i].T).T
    return out


def diffuse(x, kux, kvy, kappa, g, steps, step_implicit=implicit):
    """smooth_diff3D: as many steps."""
    before = np.zeros_like(x)
    for n in range(steps):
        now = tendency(x, kux, kvy, g)
        extrapolated = now if n == 0 else (1.5 + AB_EPS) * now - (0.5 + AB_EPS) * before
        x, before = step_implicit(x + extrapolated, kappa, g), now
    return x


def norms(kux, kvy, kappa, g, nbt, *, three=True):
    """1 / sqrt(diag(L S L')) (nz, ny, nx), 0 where dry, from the dense matrix of L."""
    thickness = g["DRF"][:, None, None] if three else 1.0
    start = 1 / np.sqrt(g["RAC"] * thickness * np.ones((len(kux), 1, 1)))
    wet = g["hFacC"][: len(kux)] > 0
    places = np.argwhere(wet)
    diracs = np.zeros((len(places), *wet.shape))
    for dirac, place in zip(diracs, map(tuple, places), strict=True):
        dirac[place] = start[place]
    after = diffuse(diracs, kux, kvy, kappa, g, nbt // 2, implicit if three else lambda x, *_: x)
    variance = (after**2).sum(axis=0)
    return np.divide(1, np.sqrt(variance), out=np.zeros(wet.shape), where=wet)
