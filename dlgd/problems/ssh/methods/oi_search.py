"""A search for a few positive parameters of a cost that is expensive and has no derivative."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def search(
    cost: Callable[[Sequence[float]], float], start: Sequence[float], factors: Sequence[float] = (1.5, 1.2)
) -> tuple[list[float], float]:
    """Return parameters and their cost, such that a change of any one by the last of the factors does not cost less.

    One parameter at a time is multiplied or divided by the first factor, as long as that helps; then by the next one.
    """
    best, least = list(start), cost(start)
    for factor in factors:
        failed = 0  # moves in sequence that did not help
        moves = [(number, step) for number in range(len(best)) for step in (factor, 1 / factor)]
        while failed < len(moves):
            number, step = moves[0]
            moved = [value * step if n == number else value for n, value in enumerate(best)]
            if (value := cost(moved)) < least:
                best, least, failed = moved, value, 0
            else:
                moves, failed = [*moves[1:], moves[0]], failed + 1
    return best, least
