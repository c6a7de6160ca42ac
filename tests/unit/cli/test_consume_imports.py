"""What `tocsin consume` holds in memory for as long as it runs is what it has a use for."""

from __future__ import annotations

import os
import subprocess
import sys

WITHOUT_USE = {"typer", "rich", "pygments", "celery", "kombu", "redis", "onnx", "onnxruntime", "h5py", "requests", "aiohttp", "fpdf"}
"""Each took memory once, or would come with one careless import."""

EVERYTHING_LOADED = """
import sys
from pathlib import Path
from tocsin import cli

sys.argv = ["tocsin", "consume"]
try:
    cli.main()
except SystemExit as ending:
    assert ending.code == 78, ending.code
    from tocsin.bootstrap import consume, telemetry

def kilobytes(mapping):
    begin, _, end = mapping.split()[0].partition("-")
    return (int(end, 16) - int(begin, 16)) // 1024

mappings = Path("/proc/self/maps").read_text().splitlines()
print(sum(" ---p " in each and kilobytes(each) > 32 * 1024 for each in mappings), *sorted(sys.modules))
"""
"""The service, ended by a setting that is refused, and then all that it would have imported. Prints for how many threads malloc has
reserved memory (64 MB of addresses each, of which most cannot be used yet), and the modules."""


def everything_loaded() -> list[str]:
    environment = os.environ | {"TOCSIN_NO_SETTING": "1"}
    done = subprocess.run(
        [sys.executable, "-c", EVERYTHING_LOADED], check=True, capture_output=True, text=True, timeout=120, env=environment
    )
    return done.stdout.split()


def test_consume_imports_nothing_that_it_has_no_use_for() -> None:
    loaded = {each.partition(".")[0] for each in everything_loaded()[1:]}
    assert {"tocsin", "kafka", "grpc", "numpy"} <= loaded
    assert loaded & WITHOUT_USE == set()


def test_no_thread_of_a_library_keeps_memory_for_itself() -> None:
    assert everything_loaded()[0] == "0"
