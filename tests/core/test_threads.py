"""How threads wait, which a command must say before PyTorch is imported."""

import os
import subprocess
import sys

import pytest

ASK = """
import sys
import dlgd.simulate
assert "torch" not in sys.modules, "too late for the library of threads"
sys.argv[1:] = ["--cfg", "job"]
try:
    dlgd.simulate.main()
finally:
    import os
    print("spins:", os.environ.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize(
    ("own", "spins"),
    [({}, "1000"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "None"), ({"GOMP_SPINCOUNT": "7"}, "7")],
)
def test_threads_of_commands_wait_briefly_unless_a_person_says_otherwise(own, spins, tmp_path):
    kept = {key: value for key, value in os.environ.items() if key not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=kept | own, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert f"spins: {spins}" in done.stdout, done.stderr
