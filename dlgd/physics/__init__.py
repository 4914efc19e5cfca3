"""The physics, compiled by numba or in torch."""

import os

# numba sets the threads of all that stands on OpenMP, torch's too, to its own number, which is that of the cores unless
# it is told: where fewer are asked for, a run that computes its data would train with more threads than one that finds
# them in the cache, and sums of floating-point numbers depend on that.
if "OMP_NUM_THREADS" in os.environ:
    os.environ.setdefault("NUMBA_NUM_THREADS", os.environ["OMP_NUM_THREADS"])
