"""The loops in C (pixels.c): one call each, during which other threads run."""

from __future__ import annotations

import ctypes
import hashlib
import math
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tocsin.image.loops.ports import COLOURS, LUMA, Floats, Measures
from tocsin.image.types import Pixels

LIBRARY: Final = Path(__file__).with_name("pixels.so")
"""Where hatch_build.py puts the library when Tocsin is installed."""
SOURCE: Final = Path(__file__).with_name("pixels.c")

_SIZE, _STRIDE, _AT = ctypes.c_size_t, ctypes.c_ssize_t, ctypes.c_void_p
_FUNCTIONS: Final[dict[str, list[Any]]] = {
    "tocsin_luma": [_AT, _STRIDE, _SIZE, _AT, _AT, _SIZE, _SIZE],
    "tocsin_measure": [_AT, _SIZE, _SIZE, _AT],
    "tocsin_resize": [_AT, _STRIDE, _SIZE, _SIZE, _AT, _SIZE, _SIZE, ctypes.c_int],
}


class Compiled:
    """See Loops. Safe for threads.

    C looks at no size: whatever does not fit is refused here with ValueError.
    """

    def __init__(self, library: Path = LIBRARY) -> None:
        """Raises FileNotFoundError where there is no library, and OSError where it cannot be used."""
        self._library = _opened(library)

    def luma(self, pixels: Pixels, step: int) -> Floats:
        """See Loops.luma."""
        packed = _packed(pixels)
        rows, columns = (side // _positive(step) for side in packed.shape[:2])
        weights, luma = LUMA / np.float32(step**2), np.empty((rows, columns), np.float32)
        self._library.tocsin_luma(packed.ctypes.data, packed.strides[0], step, weights.ctypes.data, luma.ctypes.data, rows, columns)
        return luma

    def measures(self, luma: Floats) -> Measures:
        """See Loops.measures."""
        packed, found = np.ascontiguousarray(luma, np.float32), np.empty(3)
        if packed.ndim != 2 or packed.size == 0:
            raise ValueError("not luma, float32 [rows, columns]")
        self._library.tocsin_measure(packed.ctypes.data, *packed.shape, found.ctypes.data)
        mean, variance, detail = found.tolist()
        return Measures(mean, math.sqrt(variance), detail)

    def resized(self, pixels: Pixels, height: int, width: int, dtype: type[np.floating[Any]]) -> npt.NDArray[Any]:
        """See Loops.resized."""
        if dtype not in (np.float16, np.float32):
            raise ValueError("float16 and float32 alone are made")
        packed, target = _packed(pixels), np.empty((_positive(height), _positive(width), COLOURS), dtype)
        at, half = target.ctypes.data, dtype is np.float16
        self._library.tocsin_resize(packed.ctypes.data, packed.strides[0], *packed.shape[:2], at, height, width, half)
        return target


def _packed(pixels: Pixels) -> Pixels:
    """The same pixels, those of a row side by side: a copy where they do not lie so."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != COLOURS or pixels.size == 0:
        raise ValueError("not pixels, uint8 [height, width, 3]")
    return pixels if pixels.strides[1:] == (COLOURS, 1) else np.ascontiguousarray(pixels)


def _positive(count: int) -> int:
    if count < 1:
        raise ValueError("a step or side below 1")
    return count


def _opened(library: Path) -> ctypes.CDLL:
    if not library.exists():
        raise FileNotFoundError("it was not compiled when Tocsin was installed")
    opened = ctypes.CDLL(str(library))
    opened.tocsin_source.restype = ctypes.c_char_p
    if opened.tocsin_source() != hashlib.sha256(SOURCE.read_bytes()).hexdigest().encode():
        raise OSError("it was compiled from another pixels.c")
    for name, takes in _FUNCTIONS.items():
        function = getattr(opened, name)
        function.argtypes, function.restype = takes, None
    return opened
