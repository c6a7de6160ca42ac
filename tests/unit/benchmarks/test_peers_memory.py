"""Whoever is given Tocsin's decoder is given what Tocsin's process does for it; what is written by documentation alone is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STARTED = """
import os, runpy, sys
import celery, uvloop
import tocsin.image.malloc as malloc

malloc.keep_memory = lambda: print("keeps", len(os.listdir("/proc/self/task")))

def serves(coroutine):
    coroutine.close()
    print("works")

uvloop.run = serves
celery.Celery.worker_main = lambda self, arguments: print("works")
runpy.run_module("tests.benchmarks.peers." + sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (("faststream_service", "given"), ["keeps 1", "works"]),
        (("faststream_service", "documented"), ["works"]),
        (("celery_tasks",), ["keeps 1", "works"]),
    ],
    ids=" ".join,
)
def test_a_given_peer_keeps_the_memory_of_its_pictures_before_its_first_thread(program: tuple[str, ...], told: list[str]) -> None:
    variables = {
        **os.environ,
        "OPENBLAS_NUM_THREADS": "1",
        "TOCSIN_MODEL__CARD": str(ROOT / "deploy/triton/sklesion/card.yaml"),
        "TOCSIN_REDIS__URL": "redis://127.0.0.1:1/0",
    }
    command = [sys.executable, "-c", STARTED, *program]
    done = subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == told
