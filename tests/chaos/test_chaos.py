"""Fifteen faults, one of every kind, on the real parts: nothing lost, nothing twice."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.__main__ import COULD_NOT_RUN

ROOT = Path(__file__).parents[2]
FAULTS, SEED = 15, 31


@pytest.mark.timeout(300)
def test_fifteen_faults_lose_nothing_and_duplicate_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.chaos", f"--faults={FAULTS}", f"--seed={SEED}", "--settle=90", f"--keep={tmp_path}"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=290, check=False)
    if ran.returncode == COULD_NOT_RUN and os.environ.get("CI") != "true":
        pytest.skip(ran.stderr.splitlines()[-1])
    told = f"{ran.stdout}\n{ran.stderr}"
    assert ran.returncode == 0, told
    assert re.fullmatch(rf"faults {FAULTS} events [1-9]\d+ lost 0 duplicated 0", ran.stdout.splitlines()[-1]), told
