"""Digits drawn by a few strokes, for tests: no file is needed, and a network can tell them apart."""

from __future__ import annotations

import numpy as np

# Corners of the strokes of each digit: x to the right, y downwards, both from 0 to 1; a digit may have several strokes.
STROKES: tuple[tuple[tuple[tuple[float, float], ...], ...], ...] = (
    (((0.5, 0), (0.1, 0.25), (0.1, 0.75), (0.5, 1), (0.9, 0.75), (0.9, 0.25), (0.5, 0)),),
    (((0.3, 0.2), (0.55, 0), (0.55, 1)),),
    (((0.1, 0.2), (0.5, 0), (0.9, 0.25), (0.1, 1), (0.9, 1)),),
    (((0.1, 0.05), (0.85, 0.05), (0.45, 0.42), (0.85, 0.7), (0.5, 1), (0.1, 0.9)),),
    (((0.65, 1), (0.65, 0), (0.1, 0.65), (0.9, 0.65)),),
    (((0.85, 0), (0.2, 0), (0.15, 0.45), (0.65, 0.42), (0.85, 0.7), (0.5, 1), (0.1, 0.9)),),
    (((0.75, 0), (0.25, 0.4), (0.15, 0.8), (0.5, 1), (0.85, 0.75), (0.5, 0.5), (0.2, 0.7)),),
    (((0.1, 0), (0.9, 0), (0.4, 1)),),
    (((0.5, 0.47), (0.2, 0.22), (0.5, 0), (0.8, 0.22), (0.15, 0.78), (0.5, 1), (0.85, 0.78), (0.5, 0.47)),),
    (((0.85, 0.3), (0.5, 0.5), (0.15, 0.25), (0.5, 0), (0.85, 0.25), (0.7, 1)),),
)
SIDE = 28  # rows and columns of a picture


def draw(labels: np.ndarray, seed: int) -> np.ndarray:
    """Pictures uint8 (sample, y, x) of the digits, each somewhat moved, turned, stretched, and thick or thin."""
    rng = np.random.default_rng(seed)
    return np.stack([_one(int(label), rng) for label in labels])


def _one(digit: int, rng: np.random.Generator) -> np.ndarray:
    turn, slant = rng.uniform(-0.2, 0.2, size=2)
    width, height = rng.uniform(9, 12), rng.uniform(16, 18)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ [[1, slant], [0, 1]]
    centre = SIDE / 2 - 0.5 + rng.uniform(-1, 1, size=2)
    thickness = rng.uniform(0.8, 1.5)
    y, x = np.mgrid[:SIDE, :SIDE]
    pixels = np.stack([x, y], axis=-1)[:, :, None]
    nearest = np.full((SIDE, SIDE), np.inf)
    for stroke in STROKES[digit]:
        corners = (np.array(stroke) - 0.5) * (width, height) @ matrix.T + centre
        nearest = np.minimum(nearest, _distance(pixels, corners[:-1], corners[1:]).min(axis=-1))
    return np.round(255 * np.clip(1.5 - nearest / thickness, 0, 1)).astype(np.uint8)


def _distance(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """From points (y, x, 1, 2) to the segments between corners (n, 2): (y, x, n)."""
    along = end - start
    share = np.clip(((points - start) * along).sum(-1) / (along**2).sum(-1), 0, 1)
    return np.linalg.norm(points - start - share[..., None] * along, axis=-1)
