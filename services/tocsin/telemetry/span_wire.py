"""Writes spans as OTLP's protobuf has them, at the price that a journey can bear.

OpenTelemetry's own encoder makes a message for each attribute, its value, each status and each span; here their bytes are written, and read
once by protobuf's own code, which sends them. Field numbers are those of opentelemetry/proto (trace/v1, common/v1, resource/v1; OTLP 1.9),
the wire that of protobuf's encoding guide. A test holds both encoders against each other.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status
from opentelemetry.util.types import AttributeValue

_TRACE_ID, _SPAN_ID, _PARENT_ID = b"\x0a\x10", b"\x12\x08", b"\x22\x08"
"""Tag and length; the first two are the same in a span and in a link."""
_TIMES: Final = struct.Struct("<BQBQ")
_DOUBLE: Final = struct.Struct("<Bd")
_FLAGS: Final = struct.Struct("<I")
_SPAN_FLAGS, _LINK_FLAGS = b"\x85\x01", b"\x35"
_REMOTE_IS_SAID, _REMOTE = 0x100, 0x200


def request(spans: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
    """What exports these spans, which are as Tocsin records them: without events or trace state.

    Raises TypeError for an attribute that is no text, number, truth value or sequence of them.
    """
    origins = groupby(spans, key=lambda span: (id(span.resource), id(span.instrumentation_scope)))
    read: ExportTraceServiceRequest = ExportTraceServiceRequest.FromString(
        b"".join([_sized(b"\x0a", _of_one_origin(list(each))) for _, each in origins])
    )
    return read


def _of_one_origin(spans: Sequence[ReadableSpan]) -> bytes:
    resource, scope = spans[0].resource, spans[0].instrumentation_scope
    scoped = _sized(b"\x0a", _scope(scope)) + b"".join([_sized(b"\x12", _span(each)) for each in spans])
    return _sized(b"\x0a", _attributes(b"\x0a", resource.attributes)) + _sized(b"\x12", scoped) + _text(b"\x1a", resource.schema_url)


def _scope(scope: InstrumentationScope | None) -> bytes:
    return b"" if scope is None else _text(b"\x0a", scope.name) + _text(b"\x12", scope.version or "")


def _span(span: ReadableSpan) -> bytes:
    parent = span.parent
    return b"".join(
        (
            _ids(span.context),
            b"" if parent is None else _PARENT_ID + parent.span_id.to_bytes(8, "big"),
            _named(span.name, span.kind.value + 1),
            _TIMES.pack(0x39, span.start_time or 0, 0x41, span.end_time or 0),
            _attributes(b"\x4a", span.attributes or {}),
            b"".join([_sized(b"\x6a", _link(each)) for each in span.links]),
            _sized(b"\x7a", _status(span.status)),
            _SPAN_FLAGS + _FLAGS.pack(_remote(parent)),
        )
    )


def _ids(of: SpanContext) -> bytes:
    return _TRACE_ID + of.trace_id.to_bytes(16, "big") + _SPAN_ID + of.span_id.to_bytes(8, "big")


@lru_cache(256)
def _named(name: str, kind: int) -> bytes:
    return _text(b"\x2a", name) + b"\x30" + _varint(kind)


def _link(link: Link) -> bytes:
    return _ids(link.context) + _attributes(b"\x22", link.attributes or {}) + _LINK_FLAGS + _FLAGS.pack(_remote(link.context))


def _remote(above: SpanContext | None) -> int:
    return _REMOTE_IS_SAID | (_REMOTE if above is not None and above.is_remote else 0)


def _status(status: Status) -> bytes:
    code = status.status_code.value
    return _text(b"\x12", status.description or "") + (b"\x18" + _varint(code) if code else b"")


def _attributes(tag: bytes, of: Mapping[str, AttributeValue]) -> bytes:
    return b"".join([tag + (_short(key, value) if isinstance(value, str | int) else _attribute(key, value)) for key, value in of.items()])


@lru_cache(2048, typed=True)
def _short(key: str, value: str | int) -> bytes:
    return _attribute(key, value)


def _attribute(key: str, value: AttributeValue) -> bytes:
    return _sized(b"", _text(b"\x0a", key) + _sized(b"\x12", _value(value)))


def _value(value: AttributeValue) -> bytes:
    if isinstance(value, str):
        return _sized(b"\x0a", value.encode())
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + _varint(value)
    if isinstance(value, float):
        return _DOUBLE.pack(0x21, value)
    if isinstance(value, Sequence):
        return _sized(b"\x2a", b"".join([_sized(b"\x0a", _value(each)) for each in value]))
    raise TypeError(f"no attribute of a span: {type(value).__name__}")


def _text(tag: bytes, text: str) -> bytes:
    return _sized(tag, text.encode()) if text else b""


def _sized(tag: bytes, content: bytes) -> bytes:
    size = len(content)
    return tag + (_ONE_BYTE[size] if size < 0x80 else _varint(size)) + content


_ONE_BYTE: Final = [bytes((number,)) for number in range(0x80)]


def _varint(number: int) -> bytes:
    rest, written = number & 0xFFFF_FFFF_FFFF_FFFF, bytearray()
    while rest >= 0x80:
        written.append(rest & 0x7F | 0x80)
        rest >>= 7
    written.append(rest)
    return bytes(written)
