"""The memory limits that compose, systemd and the chart set let `consume` start, with the workers that their pages promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tocsin.bootstrap.sizing import MIB, sizes
from tocsin.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("file", "limit", "workers"),
    [
        ("deploy/compose.yaml", r"mem_limit: \$\{MEMORY_CONSUME:-(\d+)m\}", 8),
        ("deploy/systemd/tocsin-consume@.service", r"MemoryMax=(\d+)M", 8),
        ("helm/tocsin/values.yaml", r"memory: (\d+)Mi # room for the largest picture", 3),
    ],
)
def test_a_shipped_limit_holds_the_largest_picture_and_these_workers(file: str, limit: str, workers: int) -> None:
    [said] = re.findall(limit, (ROOT / file).read_text())
    found = sizes(Settings(), int(said) * MIB)
    assert found.needed_bytes <= int(said) * MIB
    assert found.workers == workers
