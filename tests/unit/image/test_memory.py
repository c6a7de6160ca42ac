"""What unfolding takes is what the allowance is told, and a want of memory is never taken for a damaged picture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.pictures import encoded, textured

WIDTH, HEIGHT = 2400, 1600

PROBE = """
import re, resource, sys
from tocsin.image.decode import _opened, decode

def of_this_process(what):
    return int(re.search(what + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

small, large = (open(path, "rb").read() for path in sys.argv[2:])
unfold = lambda content: decode(content, pixels_max=10_000_000, reduce_to_px=None, reference="Media/m1")
unfold(small)
if sys.argv[1] == "measure":
    before = of_this_process("VmHWM")
    unfold(large)
    print((of_this_process("VmHWM") - before) / _opened(large, 10_000_000, "Media/m1").unfolding_bytes)
else:
    seen = set()
    for spare in range(1 << 20, 48 << 20, 3 << 20):
        resource.setrlimit(resource.RLIMIT_AS, (of_this_process("VmSize") + spare, resource.RLIM_INFINITY))
        try:
            unfold(large)
            seen.add("unfolded")
        except Exception as error:
            seen.add(type(error).__name__)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(*sorted(seen))
"""


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "jpeg": ("RGB", "JPEG", {}),
    "turned jpeg": ("RGB", "JPEG", {"exif": turned()}),
    "progressive": ("RGB", "JPEG", {"progressive": True, "subsampling": 0}),
    "progressive for print": ("CMYK", "JPEG", {"progressive": True}),
    "png": ("RGB", "PNG", {"compress_level": 1}),
    "turned png": ("RGBA", "PNG", {"compress_level": 1, "exif": turned()}),
}


def asked(what: str, kind: str, folder: Path) -> str:
    mode, form, options = KINDS[kind]
    (folder / "small").write_bytes(encoded(textured(64, 64).convert(mode), form, **options))
    (folder / "large").write_bytes(encoded(textured(WIDTH, HEIGHT).convert(mode), form, **options))
    command = [sys.executable, "-c", PROBE, what, str(folder / "small"), str(folder / "large")]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.strip()


@pytest.mark.parametrize("kind", KINDS)
def test_unfolding_takes_no_more_than_the_allowance_is_told(kind: str, tmp_path: Path) -> None:
    assert 0.4 < float(asked("measure", kind, tmp_path)) <= 1


@pytest.mark.parametrize("kind", ["jpeg", "progressive for print", "turned png"])
def test_a_want_of_memory_is_not_the_pictures_fault(kind: str, tmp_path: Path) -> None:
    assert "MemoryError" in asked("starve", kind, tmp_path)
    assert set(asked("starve", kind, tmp_path).split()) <= {"MemoryError", "unfolded"}
