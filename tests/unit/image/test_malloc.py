"""A process keeps the memory of its pictures for the next ones, and not that of one that was far larger than any other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image
from tocsin.image.malloc import KEPT_BYTES

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
