"""A process keeps the memory of its pictures for the next ones, and not that of one that was far larger than any other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tocsin.image.malloc import (
    KEPT_BYTES,
    M_ARENA_MAX,
    M_MMAP_THRESHOLD,
    M_TRIM_THRESHOLD,
    keep_by,
)

PIXELS = 8000 * 7500

PROBE = """
import sys
from pathlib import Path
from tests.benchmarks.processes import rss_mb
from tocsin.image.decode import decode
from tocsin.image.malloc import keep_memory
import os, threading

keep_memory()
content = Path(sys.argv[1]).read_bytes()

def unfold():
    decode(content, pixels_max=10**8, reduce_to_px=None, reference="Media/m1")

before = rss_mb(os.getpid())
for _ in range(int(sys.argv[2])):
    thread = threading.Thread(target=unfold)
    thread.start()
    thread.join()
print(rss_mb(os.getpid()) - before)
"""


def grown_mb(picture: Path, times: int) -> float:
    command = [sys.executable, "-c", PROBE, str(picture), str(times)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)


def saved(folder: Path, width: int, height: int) -> Path:
    Image.new("RGB", (width, height), "tan").save(folder / "picture.jpg")
    return folder / "picture.jpg"


def test_one_huge_picture_does_not_stay_in_memory(tmp_path: Path) -> None:
    assert 3 * PIXELS > KEPT_BYTES
    assert grown_mb(saved(tmp_path, 8000, 7500), 1) < KEPT_BYTES / 1e6 / 2


def test_one_thread_after_the_other_takes_no_more_memory_than_one_thread(tmp_path: Path) -> None:
    picture = saved(tmp_path, 4000, 3000)
    assert grown_mb(picture, 8) < grown_mb(picture, 1) + 36 / 2


class Mallopt:
    """glibc's, which takes an M_MMAP_THRESHOLD up to a limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.taken: dict[int, int] = {}

    def __call__(self, parameter: int, value: int) -> int:
        if parameter == M_MMAP_THRESHOLD and value > self._most:
            return 0
        self.taken[parameter] = value
        return 1


@pytest.mark.parametrize(("most", "threshold"), [(1 << 40, KEPT_BYTES), (32 << 20, 32 << 20)], ids=["2.35", "before 2.35"])
def test_every_glibc_keeps_blocks_as_large_as_it_can(most: int, threshold: int) -> None:
    mallopt = Mallopt(most)
    keep_by(mallopt)
    assert mallopt.taken == {M_ARENA_MAX: 1, M_MMAP_THRESHOLD: threshold, M_TRIM_THRESHOLD: KEPT_BYTES}


def test_where_no_threshold_is_taken_the_c_library_goes_on_fitting_its_own() -> None:
    mallopt = Mallopt(512 << 10)
    keep_by(mallopt)
    assert mallopt.taken == {M_ARENA_MAX: 1}
