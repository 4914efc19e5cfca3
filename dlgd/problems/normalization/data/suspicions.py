"""Mistakes that files of diffusion operators are known for, each as the operator or the gamma that was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dlgd.physics.diffusion import Diffusion, open_faces
from dlgd.physics.grids import great_circle_m, unit_vectors

Faces = tuple[np.ndarray, np.ndarray]  # alpha_i (..., ny + 1, nx) on south faces, alpha_j (..., ny, nx) on west faces


@dataclass(frozen=True)
class Suspicion:
    """words: how it reads after "with", and question: after the figures."""

    words: str
    question: str


@dataclass(frozen=True)
class Held:
    """What a file holds of one sample: alpha_i and alpha_j on all faces, m2, with anything on land; what it means is
    computed where it is needed, since grids may be large.

    find_ratio: gives the lengths of the faces over the distances of the centres; None where they are not known.
    names: what the file calls the diffusivities along columns and rows.
    """

    given: Faces
    find_ratio: Callable[[], Faces] | None
    names: tuple[str, str] = ("alpha_i", "alpha_j")

    @property
    def alpha(self) -> Faces:
        """alpha_i and alpha_j, 0 where they are NaN or negative."""
        alpha_i, alpha_j = (one if (one >= 0).all() else np.maximum(one, 0.0) for one in map(_finite, self.given))
        return alpha_i, alpha_j

    @cached_property
    def ratio(self) -> Faces | None:
        """Lengths of the faces over the distances of the centres; None where they are not known."""
        return None if self.find_ratio is None else self.find_ratio()

    @property
    def both(self) -> str:
        """Both names."""
        return " and ".join(sorted(self.names))

    @property
    def squared_lengths(self) -> Faces:
        """K on all faces, m2; alpha itself where the ratios are not known."""
        alpha = self.alpha
        if self.ratio is None:
            return alpha
        with np.errstate(all="ignore"):  # on land
            return _finite(alpha[0] / self.ratio[0]), _finite(alpha[1] / self.ratio[1])

    def scaled(self, k_i: np.ndarray, k_j: np.ndarray) -> Faces:
        """The alpha of squared lengths on all faces."""
        if self.ratio is None:
            return k_i, k_j
        with np.errstate(all="ignore"):
            return _finite(k_i * self.ratio[0]), _finite(k_j * self.ratio[1])


def ratio_of(lat: np.ndarray, lon: np.ndarray, w: np.ndarray) -> Faces:
    """Lengths of the faces over the distances of the centres, from degrees and areas (m2): cells are nearly squares of
    lengths and distances. (ny + 1, nx) and (ny, nx); on the sides of the grid those of the next faces."""
    place = unit_vectors(lat, lon)
    south, west = great_circle_m(place[:-1], place[1:]), great_circle_m(place[:, :-1], place[:, 1:])
    with np.errstate(all="ignore"):  # on land
        rows = _finite(np.sqrt(w[:-1] * w[1:]) / south**2)
        columns = _finite(np.sqrt(w[:, :-1] * w[:, 1:]) / west**2)
    return np.concatenate([rows[:1], rows, rows[-1:]]), np.concatenate([columns[:, :1], columns], axis=1)


def arrangements(held: Held) -> Iterator[tuple[Suspicion, Faces]]:
    """Yield other places of the same numbers: exchanged, in reverse rows, on other faces."""
    alpha_i, alpha_j = held.alpha
    k_i, k_j = held.squared_lengths
    exchanged = np.concatenate([k_j, k_j[-1:]]), k_i[:-1]
    yield Suspicion(f"{held.both} exchanged", "are they exchanged?"), held.scaled(*exchanged)
    in_reverse = Suspicion(
        f"the rows of {held.both} in reverse order", "do their rows run from the north to the south?"
    )
    yield in_reverse, held.scaled(k_i[::-1], k_j[::-1])
    yield in_reverse, held.scaled(np.concatenate([k_i[:-1][::-1], 0 * k_i[:1]]), k_j[::-1])
    others = np.concatenate([np.zeros_like(alpha_i[:1]), alpha_i[:-1]]), np.roll(alpha_j, 1, axis=-1)
    yield (
        Suspicion(f"{held.both} of north and east faces", "are they those of north and east faces (data.faces)?"),
        others,
    )


def units(held: Held, w: np.ndarray) -> Iterator[tuple[Suspicion, Faces]]:
    """Yield other meanings of the same numbers. w (ny, nx) m2."""
    alpha_i, alpha_j = held.alpha
    k_i, k_j = held.squared_lengths
    yield (
        Suspicion(f"{held.both} in km2", "are they in km2 and not in m2?"),
        (alpha_i * 1e6, alpha_j * 1e6),
    )
    yield (
        Suspicion(f"{held.both} as length scales", "are they length scales in m and not their squares?"),
        held.scaled(k_i**2, k_j**2),
    )
    yield (
        Suspicion(f"{held.both} as length scales in km", "are they length scales in km and not their squares in m2?"),
        held.scaled((1e3 * k_i) ** 2, (1e3 * k_j) ** 2),
    )
    on_south = np.concatenate([w[:1], w])
    yield (
        Suspicion(f"{held.both} multiplied by w", "are they over the area of the cell, without unit?"),
        (alpha_i * on_south, alpha_j * w),
    )
    if held.ratio is not None:
        yield (
            Suspicion(
                f"{held.both} times the length of the face over the distance of the centres",
                "are they squared length scales, without that ratio?",
            ),
            held.scaled(alpha_i, alpha_j),
        )


def operators(held: Held, read: Diffusion) -> Iterator[tuple[Suspicion, Diffusion]]:
    """Yield the operators that may be meant. read: as the file was read."""
    is_open = open_faces(read.sea, read.topology)
    for suspicion, (alpha_i, alpha_j) in [*arrangements(held), *units(held, read.area)]:
        yield (
            suspicion,
            replace(read, alpha_i=np.where(is_open[0], alpha_i, 0.0), alpha_j=np.where(is_open[1], alpha_j, 0.0)),
        )
    alpha_i, alpha_j = held.alpha
    if (alpha_i > read.alpha_i).any() or (alpha_j > read.alpha_j).any():
        everywhere = np.ones_like(read.sea)
        is_open = open_faces(everywhere, read.topology)
        yield (
            Suspicion(
                f"the faces open on which {held.both} touch land",
                f"was gamma computed with {held.both} above 0 on land?",
            ),
            replace(
                read,
                alpha_i=np.where(is_open[0], alpha_i, 0.0),
                alpha_j=np.where(is_open[1], alpha_j, 0.0),
                sea=everywhere,
            ),
        )


def coefficients(gamma: np.ndarray) -> Iterator[tuple[Suspicion, np.ndarray]]:
    """Yield the gamma (ny, nx) in m that may be meant by a field of gamma, NaN on land."""
    yield Suspicion("the rows of gamma in reverse order", "do its rows run from the north to the south?"), gamma[::-1]
    yield Suspicion("gamma in km", "is it in km and not in m?"), gamma * 1e3
    yield Suspicion("gamma as its square", "is it gamma^2?"), np.sqrt(gamma)
    yield Suspicion("gamma as its inverse", "is it 1 / gamma?"), 1 / gamma
    yield Suspicion("gamma as a variance, F_pp", "is it 1 / gamma^2?"), 1 / np.sqrt(gamma)


def _finite(values: np.ndarray) -> np.ndarray:
    return values if np.isfinite(values).all() else np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
