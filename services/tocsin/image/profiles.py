"""ICC profiles of colour spaces that a picture names without carrying one (ICC.1:2022, matrix/TRC)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Chromaticity = tuple[float, float]

D65: Final[Chromaticity] = (0.3127, 0.3290)
_D50: Final = np.array([0.9642, 1.0, 0.8249])
_BRADFORD: Final = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True, slots=True)
class Primaries:
    """Where a space's red, green, blue and white lie, as CIE 1931 x and y."""

    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity = D65


SRGB: Final = Primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE: Final = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
P3: Final = Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
BT2020: Final = Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))


def _fixed(*values: float) -> bytes:
    """The values as ICC's s15Fixed16Number each."""
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def gamma(exponent: float) -> bytes:
    """An ICC curve in which light is this power of the pixel's value."""
    return b"para" + bytes(8) + _fixed(exponent)


SRGB_CURVE: Final = b"para" + bytes(4) + b"\0\3\0\0" + _fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""The curve of sRGB, IEC 61966-2-1."""


def rgb_profile(primaries: Primaries, curve: bytes) -> bytes:
    """An ICC profile of these primaries, all three with one curve. Raises ValueError where no colour space has such primaries."""
    try:
        matrix = _to_pcs(primaries)
    except (ZeroDivisionError, np.linalg.LinAlgError):
        raise ValueError("no colour space has these primaries") from None
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > 100:
        raise ValueError("no colour space has these primaries")
    tags = {b"wtpt": _xyz(_D50)} | {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), matrix.T, strict=True)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    index, data, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, element in tags.items():
        index += name + struct.pack(">II", at + len(data), len(element))
        data += element + bytes(-len(element) % 4)
    header = bytes(8) + b"\x04\x30\0\0mntrRGB XYZ " + struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(*_D50)
    whole = header + bytes(128 - len(header)) + index + data
    return struct.pack(">I", len(whole)) + whole[4:]


def _xyz(values: npt.ArrayLike) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(*np.asarray(values))


def _to_pcs(primaries: Primaries) -> Matrix:
    """The matrix from RGB to XYZ under D50, adapted by Bradford's method."""
    columns = np.array([_of(each) for each in (primaries.red, primaries.green, primaries.blue)]).T
    white = _of(primaries.white)
    matrix = columns * np.linalg.solve(columns, white)
    adapted: Matrix = np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)) @ _BRADFORD @ matrix
    return adapted


def _of(point: Chromaticity) -> Matrix:
    x, y = point
    return np.array([x / y, 1.0, (1 - x - y) / y])
