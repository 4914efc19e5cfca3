"""Whether two versions of the program train the same networks and score them alike, to the last bit.

    python tests/equal_results.py record CHECKOUT BEFORE.json
    python tests/equal_results.py compare BEFORE.json AFTER.json

`record` trains the networks listed in RUNS with the program in CHECKOUT, each in a process of its own on one thread,
and writes digests of their weights and all scores but times. `compare` prints a table, and exits with 1 where anything
differs. Two records can be compared if they were made on one machine with the same libraries.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

# What is typed after `python -m dlgd.train`, by the name of the run.
SHORT = "training=debug device=cpu tracking=off "
OCEAN = SHORT + (
    "data.rows=40 data.columns=48 data.coast=random data.samples.train=2 data.samples.test=1 data.patch=16 "
    "data.tolerance.evaluation=1e-4 "
)
DIGITS = SHORT + (
    "data=mnist_5k data.samples.train=200 data.samples.valid=50 data.samples.test=100 training.batch_size=16 "
)
LORENZ = SHORT + "data.samples.train=40 data.samples.valid=8 data.samples.test=8 training.batch_size=8 "
SEA = SHORT + "~evaluation.methods.oi_tuned data.patch=16 "
SIMULATED = SEA + "data=ssh data.sea.cells=24 data.sea.size_km=600 data.sea.days_of_spinup=200 "
MAPS = "maps.nc"  # written by `write_maps`
FILES = SEA + f"data=ssh_netcdf path=../{MAPS} target=ssh "
RUNS = {
    "nemovar_resnet": OCEAN + "data=nemovar model=resnet model.width=8 augmentation=flips_and_turns",
    "nemovar_unet_averaged": OCEAN + "data=nemovar model=unet model.width=4 training.ema_decay=0.9 loss=mae",
    "mercator_finite_volume": OCEAN + "data=mercator model=finite_volume model.width=8 model.layers=4",
    "digits_cnn": DIGITS + "model=cnn model.width=8 augmentation=digits",
    "digits_mlp": DIGITS + "model=mlp optimizer=sgd scheduler=onecycle",
    "digits_denoise_unet": DIGITS + "data.task=denoise model=unet model.width=4",
    "digits_ae": DIGITS + "data.task=reconstruct model=ae",
    "digits_vae": DIGITS + "data.task=reconstruct data.binarize=stochastic model=vae loss=bernoulli",
    "digits_vae_generate": DIGITS + "data.task=generate model=vae model.conditional=true",
    "digits_gan": DIGITS + "data.task=generate model=gan model.width=8",
    "lorenz63_fourdvarnet": LORENZ + "data=lorenz63 model=fourdvarnet",
    "lorenz63_bilinear_ode": LORENZ + "data=lorenz63 data.task=forecast model=bilinear_ode",
    "lorenz63_neural_ode": LORENZ + "data=lorenz63 data.task=identify model=neural_ode",
    "lorenz96_segments": LORENZ
    + "data=lorenz96 model=overlapping_segments model.width=16 ~evaluation.methods.weak_4dvar",
    "lorenz96_gru": LORENZ + "data=lorenz96 data.task=forecast model=gru",
    "ssh_unet": SIMULATED + "model=unet model.width=8",
    "ssh_dincae": SIMULATED + "data.held_out=hy2a model=dincae augmentation=mirrored_seas loss=gradients",
    "ssh_corrector_from_oi": SIMULATED
    + "model=corrector model.width=8 +baseline@data.first_guess.method=oi data.first_guess.method.reach=1.5",
    "ssh_netcdf_fourdvarnet": FILES + "model=fourdvarnet model.width=8 model.hidden=8",
}


FORMER_NAMES = {"overlapping_segments": "segments"}  # of networks, in checkouts that have no choice of the present name


# --- a record --------------------------------------------------------------------------------------------------------


def record(checkout: Path, *, only: Sequence[str], work: Path, jobs: int) -> dict[str, Any]:
    """{run: {"weights": {checkpoint: digest}, "scores": [...]}}, or {run: {"error": ...}} where a training failed."""
    environment = os.environ | {
        "PYTHONPATH": str(checkout),
        "DLGD_CACHE": str(work / "cache"),
        "OMP_NUM_THREADS": "1",  # sums depend on the number of threads
    }
    refuse_other_program(checkout, environment, work)
    write_maps(work / MAPS)
    former = {
        now: old for now, old in FORMER_NAMES.items() if not (checkout / "conf" / "model" / f"{now}.yaml").exists()
    }
    # numba compiles at the first use in a checkout, and in older ones compiled code rounds otherwise than loaded code
    train(RUNS["nemovar_resnet"].split(), work / "compiling", environment | {"DLGD_CACHE": str(work / "discarded")}, {})

    def one(name: str) -> dict[str, Any]:
        start, found = time.perf_counter(), train(RUNS[name].split(), work / name, environment, former)
        print(f"{name}: {found.get('error', f'{time.perf_counter() - start:.0f} s')}", flush=True)
        return found

    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip(only, pool.map(one, only), strict=True))


def refuse_other_program(checkout: Path, environment: Mapping[str, str], work: Path) -> None:
    """An installed version must not be taken for that of the checkout."""
    ask = [sys.executable, "-c", "import dlgd; print(dlgd.__file__)"]
    found = subprocess.run(ask, cwd=work, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(found).is_relative_to(checkout):
        raise SystemExit(f"{checkout} has no package dlgd: {found} would be used")


def train(
    options: Sequence[str], folder: Path, environment: Mapping[str, str], former: Mapping[str, str]
) -> dict[str, Any]:
    """Train once in a new folder, and say what came out, with the present names of networks."""
    folder.mkdir()
    options = [f"model={former.get(one[6:], one[6:])}" if one.startswith("model=") else one for one in options]
    command = [sys.executable, "-m", "dlgd.train", *options, "hydra.run.dir=run"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"error": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    checkpoints = sorted((folder / "run" / "checkpoints").glob("*.pt"))
    rows = json.loads((folder / "run" / "scores.json").read_text())
    present = {old: now for now, old in former.items()}
    rows[0]["method"] = present.get(rows[0]["method"], rows[0]["method"])
    return {
        "weights": {path.name: digest(path) for path in checkpoints},
        "scores": [{key: value for key, value in row.items() if "seconds" not in key} for row in rows],
    }


def digest(checkpoint: Path) -> str:
    """SHA-256 over the names, types, shapes and bytes of the weights of a checkpoint, averaged ones included."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    total = hashlib.sha256()
    for kind in ("weights", "averaged"):
        for name, weight in sorted((content[kind] or {}).items()):
            values = weight.contiguous().numpy()
            total.update(f"{kind} {name} {values.dtype} {values.shape}".encode())
            total.update(values.tobytes())
    return total.hexdigest()


def write_maps(path: Path) -> None:
    """A hundred daily maps of sea surface height in m, of waves that move, with land in a corner."""
    draw = np.random.default_rng(0)
    day, lat, lon = np.arange(100.0), 34 + 0.125 * np.arange(20), -62 + 0.125 * np.arange(24)
    t, y, x = np.meshgrid(day, lat, lon, indexing="ij")
    ssh = np.zeros(t.shape)
    for north, east, speed, phase in draw.uniform((-4, -4, -0.3, 0), (4, 4, 0.3, 2 * np.pi), (30, 4)):
        ssh += 0.06 * np.sin(north * y + east * x + speed * t + phase)
    ssh[:, :5, :6] = np.nan
    coordinates = {"time": np.datetime64("2012-10-01T12", "ns") + day.astype("timedelta64[D]"), "lat": lat, "lon": lon}
    xr.Dataset({"ssh": (("time", "lat", "lon"), ssh.astype(np.float32), {"units": "m"})}, coordinates).to_netcdf(path)


# --- two records -----------------------------------------------------------------------------------------------------


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Print a table of all runs, then what differs. Returns whether nothing does."""
    lines, equal = [], True
    print("| run | weights equal | scores equal |\n| --- | --- | --- |")
    for name in sorted({*first, *second}):
        one, two = first.get(name, {"error": "not run"}), second.get(name, {"error": "not run"})
        answers = ["error" not in one and "error" not in two and one[key] == two[key] for key in ("weights", "scores")]
        print(f"| {name} | {' | '.join('yes' if answer else '**no**' for answer in answers)} |")
        if not all(answers):
            equal = False
            lines += [f"- {name}: {line}" for line in differences(flat(one), flat(two))]
    print("\n" + ("\n".join(lines) if lines else "Nothing differs."))
    return equal


def flat(value: Any, key: str = "") -> dict[str, Any]:
    """Numbers and words of a run by their place: {"scores 0 eps_mean": 0.1}."""
    if not isinstance(value, dict | list):
        return {key: value}
    pairs: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    return {place: leaf for name, inner in pairs for place, leaf in flat(inner, f"{key} {name}".strip()).items()}


def differences(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[str]:
    """A line for each place at which two runs differ."""
    absent = "absent"
    places = [place for place in dict.fromkeys([*one, *two]) if one.get(place, absent) != two.get(place, absent)]
    return [f"{place}: {one.get(place, absent)} and {two.get(place, absent)}" for place in places]


def main() -> int:
    """Read the command line, do as it says, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="train, and write what came out")
    recording.add_argument("checkout", type=Path, help="folder of a version of the program")
    recording.add_argument("out", type=Path, help="JSON file to write")
    recording.add_argument("--only", action="append", choices=RUNS, help="a run of the list; may be given again")
    recording.add_argument("--jobs", type=int, default=1, help="trainings at a time, which changes no result")
    recording.add_argument("--work", type=Path, help="new folder in which the runs are kept; else a passing one")
    comparing = commands.add_parser("compare", help="compare two records")
    comparing.add_argument("first", type=Path)
    comparing.add_argument("second", type=Path)
    given = parser.parse_args()
    if given.command == "compare":
        return 0 if compare(json.loads(given.first.read_text()), json.loads(given.second.read_text())) else 1
    with tempfile.TemporaryDirectory() as passing:
        work = Path(passing) if given.work is None else given.work.resolve()
        work.mkdir(parents=True, exist_ok=True)
        found = record(given.checkout.resolve(), only=given.only or list(RUNS), work=work, jobs=given.jobs)
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if any("error" in run for run in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
