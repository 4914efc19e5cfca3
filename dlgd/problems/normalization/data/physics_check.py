"""Does what a file holds go together? Its gamma is compared with that of its operator in a few dozen cells.

Where they differ, the mistakes of `suspicions.py` are tried, and the one that explains the figures is named. Without
gamma, length scales must be plausible. A sample of 292 x 360 cells takes a quarter of a second.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.core.progress import progress
from dlgd.physics import normalization
from dlgd.physics.diffusion import STEPS, Diffusion, open_faces
from dlgd.problems.normalization.data import fields, suspicions
from dlgd.problems.normalization.data.suspicions import Faces, Held, Suspicion

log = logging.getLogger(__name__)

CELLS = 36  # compared in each sample
TOLERANCE = 1e-3  # of the exact gamma^2 there
EXACT = 0.005  # median difference of gamma^2 up to which gamma is that of the operator
FITS = 0.02  # and up to which nothing is said, unless a suspicion explains it; randomization may differ by more
REFUSED = 0.1  # and from which a file is refused, whatever explains it
EXPLAINS = 0.25  # a suspicion that leaves at most this share of the difference, and at most REFUSED / 2, explains it
LEAST_SCALE = 0.05  # cells: below, gamma^2 is the area of the cell, and no one would diffuse
OTHER_STEPS = (2, 4, 6, 8, 10, 12, 14, 16, 20)
LARGEST_CLOSED = 0.01  # share of faces between sea cells that may have no diffusivity
MANY = 10  # samples, whose check takes long enough for a progress bar
NEAR_POLES = 24  # cells about the poles of a fold, whose gamma takes long
AS_IT_IS = " (data.check_physics=false reads the files as they are)"


@dataclass(frozen=True)
class Checked:
    """One sample as it was read: name, operator, gamma (ny, nx) in m, NaN on land, None where there is none; held: what
    the file holds."""

    name: str
    operator: Diffusion
    gamma: np.ndarray | None
    held: Held


def checked(
    samples: xr.Dataset, held: Sequence[Held], names: Sequence[str], steps: int | None, *, otherwise: int = STEPS
) -> xr.Dataset:
    """Return samples, as they were read, with their M. Refusal where what their files hold does not go together.

    names: of the samples, for messages. steps, otherwise: as in `steps_of`.
    """
    gamma = samples.gamma.values if "gamma" in samples else [None] * samples.sizes["sample"]
    read = list(fields.operators(samples))
    is_open = read[0].open_faces()
    for one, name in zip(held, names, strict=True):
        refuse_other_places(one, is_open, name)
    all_of_them = [
        Checked(name, operator, None if values is None or np.isnan(values).all() else values, one)
        for name, operator, values, one in zip(names, read, gamma, held, strict=True)
    ]
    return fields.with_steps(samples, steps_of(all_of_them, steps, otherwise=otherwise))


def steps_of(samples: Sequence[Checked], steps: int | None, *, otherwise: int = STEPS) -> int:
    """Return M, and refuse samples whose gamma is not that of their operator.

    steps: M, if it is known; None: that which gamma fits.
    otherwise: M where it is not known and there is no gamma.
    """
    known = [one for one in samples if one.gamma is not None]
    for one in samples:
        if one.gamma is None:
            _refuse_implausible(one)
    if not known:
        if steps is None:
            log.info(
                "%s: nothing says the number of diffusion steps: it is taken for M = %d", samples[0].name, otherwise
            )
        return otherwise if steps is None else steps
    found, explained = _checked(known[0], known, steps, least=EXACT)
    others = known[1:]
    # what is not exact is so in all samples: the mistakes, which take seconds, are tried once
    for one in progress(others, "gamma against the operator") if len(others) > MANY else others:
        _checked(one, known, found, least=EXACT if explained else REFUSED)
    return found


def _checked(one: Checked, others: Sequence[Checked], steps: int | None, *, least: float) -> tuple[int, bool]:
    """Return M of one sample, `steps` if it is known, and whether its gamma is that of the operator. Refusal where it
    does not fit.

    least: median difference of gamma^2 from which mistakes are tried.
    """
    assert one.gamma is not None
    cells = _cells(one)
    used = STEPS if steps is None else steps
    try:
        exact = _exact(replace(one.operator, steps=used), cells)
    except Refusal as refusal:  # such as length scales that cannot be probed
        _refuse_implausible(one)
        log.warning("%s: gamma is not compared with its operator: %s", one.name, refusal)
        return used, True
    error, worst = _difference(one.gamma, exact), _difference(one.gamma, exact, quantile=0.9)
    if error <= least:
        if error <= FITS and worst > REFUSED:
            log.warning(
                "%s: gamma^2 differs from the operator by %s in the tenth of %d cells that differ most",
                one.name, _percent(worst), cells.sum(),
            )  # fmt: skip
        return used, error <= EXACT
    best, suspicion = min(_tried(one, others, cells, exact, used), key=lambda pair: pair[0])
    differs = (
        f"gamma^2 of {one.name} differs from the operator by {_percent(error)} in the median of {cells.sum()} cells"
    )
    if best > min(EXPLAINS * error, REFUSED / 2):
        if error > REFUSED:
            raise Refusal(
                f"{differs}; nothing that was tried explains it (nearest: with {suspicion.words} by {_percent(best)}): "
                f"is gamma another sample's or another grid's?{AS_IT_IS}"
            )
        if error > FITS:
            log.warning("%s: is it from randomization?", differs)
        return used, False
    if isinstance(suspicion, _Steps) and steps is None:
        log.info("%s; with %s by %s, which is taken for M", differs, suspicion.words, _percent(best))
        return suspicion.steps, True
    raise Refusal(f"{differs}; with {suspicion.words} by {_percent(best)}: {suspicion.question}{AS_IT_IS}")


@dataclass(frozen=True)
class _Steps(Suspicion):
    """Another number of steps."""

    steps: int = STEPS


def _tried(
    one: Checked, others: Sequence[Checked], cells: np.ndarray, exact: np.ndarray, used: int
) -> Iterator[tuple[float, Suspicion]]:
    """Yield the difference of gamma^2 that each suspicion leaves."""
    gamma, read = one.gamma, replace(one.operator, steps=used)
    assert gamma is not None
    for other in others:
        if other is not one and other.gamma is not None:
            words = Suspicion(f"the gamma of {other.name}", "are their gamma exchanged?")
            yield _difference(other.gamma, exact), words
    for suspicion, meant in suspicions.coefficients(gamma):
        yield _difference(meant, exact), suspicion
    for suspicion, operator in suspicions.operators(one.held, read):
        yield _difference(gamma, _exact_or_nan(operator, cells)), suspicion
    for steps in OTHER_STEPS:
        if steps != used:
            words = _Steps(f"M = {steps} steps", f"is M = {steps} (data.steps={steps})?", steps)
            yield _difference(gamma, _exact_or_nan(replace(read, steps=steps), cells)), words


def _cells(one: Checked) -> np.ndarray:
    """Bool (ny, nx): cells at sea with gamma, drawn at random, the same for each call."""
    assert one.gamma is not None
    usable = one.operator.sea & (one.gamma > 0)
    ny, nx = usable.shape
    if one.operator.topology.south_north == "fold" and min(ny, nx) > 4 * NEAR_POLES:
        for pole in (0, nx // 2):
            usable[-NEAR_POLES:, np.arange(pole - NEAR_POLES, pole + NEAR_POLES) % nx] = False
    places = np.flatnonzero(usable)
    drawn = np.random.default_rng(0).permutation(len(places))[:CELLS]
    chosen = np.zeros(usable.shape, bool)
    chosen.flat[places[drawn]] = True
    return chosen


def _exact(operator: Diffusion, cells: np.ndarray) -> np.ndarray:
    return normalization.exact(operator, TOLERANCE, cells=cells)


def _exact_or_nan(operator: Diffusion, cells: np.ndarray) -> np.ndarray:
    """The exact gamma of an operator that may be impossible: NaN then."""
    try:
        with np.errstate(all="ignore"):
            return _exact(operator, cells)
    except (Refusal, ValueError, ArithmeticError):
        return np.full(cells.shape, np.nan)


def _difference(gamma: np.ndarray, exact: np.ndarray, quantile: float = 0.5) -> float:
    """The median relative difference of gamma^2 where the exact one is known; infinite where many cells have none."""
    asked = np.isfinite(exact)
    with np.errstate(all="ignore"):
        ratio = (gamma[asked] / exact[asked]) ** 2
    known = ratio[np.isfinite(ratio)]
    if len(known) <= asked.sum() // 4:
        return np.inf
    return float(np.quantile(np.abs(known - 1), quantile))


# --- without gamma ---------------------------------------------------------------------------------------------


def scales(alpha: Faces, operator: Diffusion) -> tuple[float, float]:
    """The median length scales along columns and rows, in cells; 0 where there is no open face."""
    found = []
    for faces, is_open in zip(alpha, open_faces(operator.sea, operator.topology), strict=True):
        inner, w = faces[: operator.sea.shape[0]], operator.area
        chosen = is_open[: len(w)] & (inner > 0)
        found.append(float(np.sqrt(np.median(inner[chosen] / w[chosen]))) if chosen.any() else 0.0)
    return found[0], found[1]


def _refuse_implausible(one: Checked) -> None:
    """Refuse length scales of a file that are far too short; name what would make them plausible."""
    held = one.held
    longest = max(scales(held.alpha, one.operator))
    if longest >= LEAST_SCALE:
        return
    tried = []
    for suspicion, alpha in suspicions.units(held, one.operator.area):
        scale = max(scales(alpha, one.operator))
        if scale > 0:
            tried.append((abs(np.log(scale)), scale, suspicion))
    said = [
        f"with {suspicion.words} they are {scale:.2g} cells: {suspicion.question}"
        for distance, scale, suspicion in sorted(tried, key=lambda each: each[0])[:2]
        if distance < np.log(1 / LEAST_SCALE)
    ]
    raise Refusal(
        f"the length scales of {one.name}, sqrt(alpha / w), are {longest:.2g} cells in the median, with which nothing "
        f"diffuses; {', or '.join(said) or 'alpha and w must be in m2'}{AS_IT_IS}"
    )


# --- faces and coast -------------------------------------------------------------------------------------------


def refuse_other_places(held: Held, is_open: Faces, name: str) -> None:
    """Refuse a file in which diffusivities are 0 on many faces between sea cells, if other places of them explain it.
    If none does, the log says it.

    is_open: faces with sea on both sides.
    """
    closed, count = _closed(held.alpha, is_open)
    if closed <= LARGEST_CLOSED:
        return
    differs = f"{held.both} of {name} are 0 on {count} faces between sea cells ({_percent(closed)})"
    shares = [(_closed(alpha, is_open)[0], one) for one, alpha in suspicions.arrangements(held)]
    best, suspicion = min(shares, key=lambda pair: pair[0])
    if best <= closed / 4:
        raise Refusal(f"{differs}; with {suspicion.words} on {_percent(best)}: {suspicion.question}{AS_IT_IS}")
    log.warning("%s, which count as closed", differs)


def _closed(alpha: Faces, is_open: Faces) -> tuple[float, int]:
    """The share of open faces without diffusivity, and their number."""
    count = sum(int((one & ~(faces > 0)).sum()) for faces, one in zip(alpha, is_open, strict=True))
    return count / max(sum(int(one.sum()) for one in is_open), 1), count


def _percent(share: float) -> str:
    """Return a share in words; large ones of gamma^2 as a factor."""
    percent = 100 * share
    if share >= 10:
        return f"a factor of {1 + share:.2g}"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"
