"""A process starts no thread for arithmetic: journeys run side by side already."""

from __future__ import annotations

import os
import subprocess
import sys

THREADS = """
import os, sys
from tocsin import cli

sys.argv = ["tocsin", "--version"]
try:
    cli.main()
except SystemExit:
    from tocsin.bootstrap import consume, telemetry
print(len(os.listdir("/proc/self/task")))
"""


def test_a_process_that_has_loaded_everything_has_one_thread() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    said = subprocess.run([sys.executable, "-c", THREADS], check=True, capture_output=True, text=True, timeout=120, env=environment).stdout
    assert said.split()[-1] == "1"
