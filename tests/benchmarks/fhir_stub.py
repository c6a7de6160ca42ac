"""A FHIR server in name only: `python -m tests.benchmarks.fhir_stub PORT PHOTOGRAPHS`.

It knows every id and checks nothing, and of a report it keeps its mark, so that it takes as little as possible from the cores it shares
with what is measured; a few transactions it keeps whole, for whoever compares what was written.
Media and Patient of one event have the event's id, NAME-NUMBER; the number chooses the picture. It counts by Media what
was read and written, so that an event that was lost, tried again or written twice is seen. Its memory is bounded: of a million events
it keeps two bytes each, and the last reports alone.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from tests.benchmarks.counts import Counts
from tests.benchmarks.photographs import photographs

HOST, BASE = "127.0.0.1", "/fhir"
COUNTS: Final = "/counts"
BUNDLES: Final = "/bundles"
"""GET: the transactions kept, by Media's id. DELETE: everything is forgotten, as if it had never been read or written."""
TALLY: Final = "/tally/"
"""GET /tally/NAME: how many events of this name were read and written, and how many once."""
TRAFFIC: Final = "/traffic"
"""GET: every request so far, and the bytes of both directions."""
REPORTS_KEPT: Final = 10_000
"""The last ones; an event ended long before so many others."""
NUMBERS_KEPT: Final = 64
"""Transactions on Media whose ids end in a number below this are kept."""
END_OF_HEAD: Final = b"\r\n\r\n"
JSON_TYPE: Final = b"application/fhir+json"

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MEDIA = re.compile(rb'"Media/([^"]+)"')
_REPORT = re.compile(rb'"DiagnosticReport/([^"]+)"')
_ENTRY = re.compile(rb'"fullUrl"')
_MARK = re.compile(rb'\{"url":"urn:tocsin:mark","extension":\[[^\]]*"valueCode":"([^"]+)"[^\]]*\]\}')

_PATIENT: Final = b'{"resourceType":"Patient","id":"%s","active":true,"gender":"female","birthDate":"1961-04-01"}'
_MEDIA_BODY: Final = (
    b'{"resourceType":"Media","id":"%s","meta":{"versionId":"1"},"status":"completed",'
    b'"modality":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"DMS"}]},'
    b'"subject":{"reference":"Patient/%s"},"createdDateTime":"2026-01-15T09:30:00+00:00",'
    b'"bodySite":{"coding":[{"system":"http://snomed.info/sct","code":"22943007","display":"Trunk structure"}]},'
    b'"content":{"contentType":"image/jpeg","url":"Binary/%s","size":%d,"hash":"%s"}}'
)
_REPORT_BODY: Final = (
    b'{"resourceType":"DiagnosticReport","id":"%s","meta":{"versionId":"1"},"status":"preliminary","subject":{"reference":"Patient/%s"},'
    b'"media":[{"link":{"reference":"Media/%s"}}],"issued":"2026-01-15T09:31:00.000+00:00","extension":[%s],'
    b'"conclusionCode":[{"coding":[{"system":"urn:tocsin:band","code":"%s"}]}]}'
)
_NONE: Final = b'{"resourceType":"Bundle","type":"searchset","total":0}'
_FOUND: Final = b'{"resourceType":"Bundle","type":"searchset","total":1,"entry":[{"resource":%s}]}'


@dataclass(frozen=True, slots=True)
class Reported:
    """What is kept of one report."""

    media: bytes
    """Id of its Media and Patient."""
    mark: bytes
    code: bytes


@dataclass(frozen=True, slots=True)
class Photograph:
    """One picture and what a Media says of it."""

    content: bytes = field(repr=False)
    sha1: bytes
    """In base64, as FHIR's Attachment.hash."""


@dataclass(slots=True)
class Traffic:
    """What went over the wire since the start."""

    requests: int = 0
    received: int = 0
    """Bytes, heads included."""
    sent: int = 0


class Site:
    """Every answer, and the counts."""

    def __init__(self, pictures: list[bytes]) -> None:
        self._pictures = [Photograph(each, base64.b64encode(hashlib.sha1(each).digest())) for each in pictures]
        self.traffic = Traffic()
        self._forget()

    def _forget(self) -> None:
        self._read = Counts()
        self._written = Counts()
        self._reports: dict[bytes, Reported] = {}
        """By the id of the DiagnosticReport."""
        self._reported: dict[bytes, bytes] = {}
        """Id of a Media -> that of its DiagnosticReport."""
        self._bundles: dict[str, bytes] = {}

    def count(self, received: int, sent: int) -> None:
        """One request and its answer, bytes."""
        self.traffic.requests += 1
        self.traffic.received += received
        self.traffic.sent += sent

    def answer(self, method: bytes, path: bytes, body: bytes) -> bytes:
        """The whole HTTP answer."""
        told = None if path.startswith(BASE.encode()) else self._told(method, path.decode())
        if told is not None:
            return _http(b"200 OK", b"application/json", told)
        address, _, query = path.removeprefix(BASE.encode()).lstrip(b"/").partition(b"?")
        kind, _, id_ = address.partition(b"/")
        match method, kind:
            case b"GET", b"DiagnosticReport" if query.startswith(b"media="):
                return _http(b"200 OK", JSON_TYPE, self._search(query.partition(b"&")[0].rpartition(b"/")[2]))
            case b"GET", b"DiagnosticReport" if id_ in self._reports:
                return _http(b"200 OK", JSON_TYPE, self._report(id_))
            case b"GET", b"Media":
                return _http(b"200 OK", JSON_TYPE, self._media(id_))
            case b"GET", b"Patient":
                return _http(b"200 OK", JSON_TYPE, _PATIENT % id_)
            case b"GET", b"Binary":
                return _http(b"200 OK", b"image/jpeg", self._picture(id_).content)
            case b"PUT", _:
                return _http(b"200 OK", JSON_TYPE, body)
            case b"POST", b"":
                return _http(b"200 OK", JSON_TYPE, self._transacted(body))
        return _http(b"404 Not Found", JSON_TYPE, b'{"resourceType":"OperationOutcome"}')

    def _told(self, method: bytes, path: str) -> bytes | None:
        """What the benchmark asks; None where it asks nothing of the kind."""
        if path == BUNDLES:
            return self._kept(method)
        if path == COUNTS:
            return json.dumps({"read": self._read.by_id(), "written": self._written.by_id()}).encode()
        if path == TRAFFIC:
            return json.dumps(asdict(self.traffic)).encode()
        if path.startswith(TALLY):
            name = path.removeprefix(TALLY)
            return json.dumps({"read": asdict(self._read.tally(name)), "written": asdict(self._written.tally(name))}).encode()
        return None

    def _media(self, id_: bytes) -> bytes:
        self._read.add(id_.decode())
        picture = self._picture(id_)
        return _MEDIA_BODY % (id_, id_, id_, len(picture.content), picture.sha1)

    def _picture(self, id_: bytes) -> Photograph:
        return self._pictures[int(id_.rpartition(b"-")[2]) % len(self._pictures)]

    def _report(self, id_: bytes) -> bytes:
        kept = self._reports[id_]
        return _REPORT_BODY % (id_, kept.media, kept.media, kept.mark, kept.code)

    def _search(self, media: bytes) -> bytes:
        report = self._reported.get(media)
        return _NONE if report is None else _FOUND % self._report(report)

    def _transacted(self, body: bytes) -> bytes:
        media, report, mark = _MEDIA.search(body), _REPORT.search(body), _MARK.search(body)
        if media and report and mark:
            self._remember(report[1], Reported(media[1], mark[0], mark[1]))
        if media:
            self._written.add(media[1].decode())
            self._keep(media[1].decode(), body)
        entries = [b'{"response":{"status":"201 Created"}}'] * len(_ENTRY.findall(body))
        return b'{"resourceType":"Bundle","type":"transaction-response","entry":[%s]}' % b",".join(entries)

    def _remember(self, id_: bytes, report: Reported) -> None:
        self._reports[id_], self._reported[report.media] = report, id_
        if len(self._reports) > REPORTS_KEPT:
            oldest = self._reports.pop(next(iter(self._reports)))
            self._reported.pop(oldest.media, None)

    def _keep(self, media: str, bundle: bytes) -> None:
        if int(media.rpartition("-")[2]) < NUMBERS_KEPT:
            self._bundles[media] = bundle

    def _kept(self, method: bytes) -> bytes:
        kept = b",".join(b'"%s":%s' % (media.encode(), bundle) for media, bundle in self._bundles.items())
        if method == b"DELETE":
            self._forget()
        return b"{%s}" % kept


class Connection(asyncio.Protocol):
    """HTTP/1.1, kept alive, one request after the other; as much of it as curl needs."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by asyncio; answers once the request is whole."""
        self._received += data
        end = self._received.find(END_OF_HEAD)
        if end < 0:
            return
        head = bytes(self._received[:end])
        length = _LENGTH.search(head)
        whole = end + len(END_OF_HEAD) + (int(length[1]) if length else 0)
        if len(self._received) >= whole and self._transport is not None:
            method, path, _ = head.split(b" ", 2)
            answer = self._site.answer(method, path, bytes(self._received[end + len(END_OF_HEAD) : whole]))
            self._transport.write(answer)
            self._site.count(whole, len(answer))
            self._received.clear()


def main() -> None:
    """Serves until the process is ended."""
    site = Site([file.read_bytes() for file in photographs(Path(sys.argv[2]))])
    asyncio.run(_serve(int(sys.argv[1]), site))


async def _serve(port: int, site: Site) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(site), HOST, port, backlog=64)
    await server.serve_forever()


def _http(status: bytes, media_type: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (status, media_type, len(body), body)


if __name__ == "__main__":
    main()
