"""Lines that standard error does not take are counted, and those that it takes are not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.lost_stderr import start

ROOT: Final = Path(__file__).parents[3]
WITHIN_S: Final = 60
SCRIPT: Final = """
import sys
from tocsin.telemetry.stderr import lost_lines, never_fails
never_fails()
from tocsin.settings import LogSettings
from tocsin.telemetry.log import logger, set_up_logs
set_up_logs(LogSettings(form=sys.argv[1]))
for _ in range(3):
    logger().error("dead-lettered")
sys.exit(10 + lost_lines())
"""


def environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")} | {"PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("lost", ["a-full-disk", "a-reader-that-is-gone"])
def test_each_line_that_cannot_be_written_counts(lost: str, form: str) -> None:
    with start([sys.executable, "-c", SCRIPT, form], lost, environment()) as process:
        assert process.wait(WITHIN_S) == 13


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_line_that_is_written_counts(form: str) -> None:
    command = [sys.executable, "-c", SCRIPT, form]
    assert subprocess.run(command, env=environment(), capture_output=True, timeout=WITHIN_S, check=False).returncode == 10
