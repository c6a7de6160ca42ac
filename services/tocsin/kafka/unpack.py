"""Unpacking what producers and topics compress, piece by piece, so that a few bytes never fill the memory.

Kafka's codecs: https://kafka.apache.org/documentation/#recordbatch (attributes, bits 0-2). kafka-python unpacks a batch whole, however
large it becomes.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator
from typing import Any, Final

from tocsin.errors import ContractError

PIECE_BYTES: Final = 1_048_576
"""Bytes that are unpacked at a time."""
GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
XERIAL: Final = b"\x82SNAPPY\x00"
"""What snappy data of Java's clients begins with, which they cut into blocks.

Others (librdkafka) pack the batch in one block without it.
"""
XERIAL_HEADER_BYTES: Final = 16

NAMES: Final = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
PACKAGES: Final = {"snappy": ("snappy", "python-snappy"), "lz4": ("lz4.frame", "lz4"), "zstd": ("zstandard", "zstandard")}
"""Codec -> the module that unpacks it, and the package that brings the module."""


class Damaged(Exception):
    """What a batch holds is damaged, and cannot be unpacked or read."""


class TooLarge(Exception):
    """A block that cannot be unpacked piece by piece is larger than may be held."""


def pieces(codec: int, packed: bytes, block_bytes_max: int) -> Iterator[bytes]:
    """The unpacked bytes, little by little. Raises Damaged, TooLarge, and ContractError where this process lacks the codec."""
    name = NAMES.get(codec)
    if name is None:
        raise ContractError(f"kafka: a batch is compressed with codec {codec}, which this Tocsin does not know: run one that does")
    library = module(name)
    try:
        match name:
            case "gzip":
                yield from _gzip(packed)
            case "zstd":
                yield from _zstd(library, packed)
            case "lz4":
                yield from _lz4(library, packed)
            case _:
                yield from _snappy(library, packed, block_bytes_max)
    except _failures(name, library) as error:
        raise Damaged(f"its {name} data is damaged ({type(error).__name__})") from None


def module(name: str) -> Any:
    """What unpacks this codec; None for gzip, which Python does itself. Raises ContractError where its package is missing."""
    if name not in PACKAGES:
        return None
    wanted, package = PACKAGES[name]
    try:
        return importlib.import_module(wanted)
    except ModuleNotFoundError:
        raise ContractError(f"kafka: a batch is compressed with {name}, and the Python package {package} is not installed") from None


def _failures(name: str, library: Any) -> tuple[type[Exception], ...]:
    """What a codec's library raises for damaged data."""
    match name:
        case "gzip":
            return (zlib.error, EOFError)
        case "zstd":
            return (library.ZstdError, EOFError)
        case "lz4":
            return (RuntimeError, EOFError)
        case _:
            return (library.UncompressError, EOFError, ValueError)


def _gzip(packed: bytes) -> Iterator[bytes]:
    while packed:  # a file may have several members
        member = zlib.decompressobj(GZIP_OR_ZLIB)
        yield member.decompress(packed, PIECE_BYTES)
        while not member.eof:
            if not member.unconsumed_tail and not (more := member.decompress(b"", PIECE_BYTES)):
                raise EOFError
            yield more if not member.unconsumed_tail else member.decompress(member.unconsumed_tail, PIECE_BYTES)
        packed = member.unused_data


def _zstd(zstandard: Any, packed: bytes) -> Iterator[bytes]:
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
        while piece := reader.read(PIECE_BYTES):
            yield piece


def _lz4(frame: Any, packed: bytes) -> Iterator[bytes]:
    while packed:
        member = frame.LZ4FrameDecompressor()
        yield member.decompress(packed, max_length=PIECE_BYTES)
        while not member.eof:
            if member.needs_input:
                raise EOFError
            yield member.decompress(b"", max_length=PIECE_BYTES)
        packed = member.unused_data or b""


def _snappy(snappy: Any, packed: bytes, block_bytes_max: int) -> Iterator[bytes]:
    for block in _blocks(packed):
        unpacked_bytes = _length(block)
        if unpacked_bytes > block_bytes_max:
            raise TooLarge(f"it unpacks to {unpacked_bytes} bytes in one block")
        yield snappy.uncompress(block)


def _blocks(packed: bytes) -> Iterator[bytes]:
    if not packed.startswith(XERIAL):
        yield packed
        return
    at = XERIAL_HEADER_BYTES
    while at < len(packed):
        end = at + 4 + int.from_bytes(packed[at : at + 4], "big")
        if end > len(packed):
            raise EOFError
        yield packed[at + 4 : end]
        at = end


def _length(block: bytes) -> int:
    """The unpacked size that a snappy block states, a varint.

    https://github.com/google/snappy/blob/main/format_description.txt, 1.
    """
    length = 0
    for shift, byte in enumerate(block[:5]):
        length |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return length
    raise EOFError


class Stream:
    """Pieces read as if they were one."""

    def __init__(self, of: Iterator[bytes]) -> None:
        """Nothing is unpacked before it is read."""
        self._of = of
        self._held = b""
        self._at = 0

    def some(self, most: int) -> bytes:
        """The next bytes: at least one and `most` at most, none only at the end."""
        while self._at >= len(self._held):
            following = next(self._of, None)
            if following is None:
                return b""
            self._held, self._at = following, 0
        found = self._held[self._at : self._at + most]
        self._at += len(found)
        return found

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes. Raises Damaged where there are fewer."""
        parts = []
        while count:
            part = self.some(count)
            if not part:
                raise Damaged("its data ends early")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)
