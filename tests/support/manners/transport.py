"""How servers speak HTTP: addresses, encodings, headers, connections."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace

from tests.support.manners.basis import Here, Manner, json_of, outcome, with_headers
from tests.support.relay import Ask, Request
from tests.support.web import Reply


def base_wants_its_slash(status: int) -> Manner:
    def manner(request: Request, ask: Ask, here: Here) -> Reply:
        path, question, query = request.path.partition("?")
        if path == here.path:
            return Reply(status, b"", {"Location": f"{here.base_url}/"})
        return ask(replace(request, path=path.removesuffix("/") + question + query))

    return manner


def refused(when: Callable[[Request, Here], bool], status: int = 400) -> Manner:
    return lambda request, ask, here: outcome(status, "not-supported") if when(request, here) else ask(request)


def compressed(name: str, compress: Callable[[bytes], bytes]) -> Manner:
    def manner(request: Request, ask: Ask, _here: Here) -> Reply:
        reply = ask(request)
        return with_headers(replace(reply, body=compress(reply.body)), content_encoding=name) if reply.body else reply

    return manner


def raw_deflate(content: bytes) -> bytes:
    """RFC 1951 alone, which some servers send for what RFC 9110 calls deflate."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


def stored_brotli(content: bytes) -> bytes:
    """A brotli stream of stored pieces (RFC 7932, 9.2): a 16-bit window, then each piece with its length, then the empty last one."""
    stream, bits, count = bytearray(), 0, 1  # the window's one bit is 0
    for at in range(0, len(content), 65_536):
        piece = content[at : at + 65_536]
        header = (len(piece) - 1) << 3 | 1 << 19  # not the last, four nibbles of length, stored
        bits |= header << count
        stream += bits.to_bytes((count + 20 + 7) // 8, "little") + piece
        bits, count = 0, 0
    return bytes(stream) + (bits | 3 << count).to_bytes(1, "little")


def closes_each_connection(request: Request, ask: Ask, _here: Here) -> Reply:
    return with_headers(ask(request), connection="close")


def marks_the_byte_order(request: Request, ask: Ask, _here: Here) -> Reply:
    reply = ask(request)
    return replace(reply, body=b"\xef\xbb\xbf" + reply.body) if json_of(reply) is not None else reply


def types_with_parameters(request: Request, ask: Ask, _here: Here) -> Reply:
    reply = ask(request)
    return with_headers(reply, content_type="Application/FHIR+JSON; fhirVersion=4.0; charset=UTF-8") if json_of(reply) else reply


def lower_case_headers(request: Request, ask: Ask, _here: Here) -> Reply:
    reply = ask(request)
    return replace(reply, headers={name.lower(): value for name, value in reply.headers.items()})
