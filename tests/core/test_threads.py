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
    print("policy:", os.environ.get("OMP_WAIT_POLICY"))
"""


@pytest.mark.parametrize(
    ("own", "policy"),
    [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"), ({"GOMP_SPINCOUNT": "1000"}, "None")],
)
def test_threads_of_commands_sleep_while_they_wait_unless_a_person_says_otherwise(own, policy, tmp_path):
    kept = {key: value for key, value in os.environ.items() if key not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=kept | own, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert f"policy: {policy}" in done.stdout, done.stderr
