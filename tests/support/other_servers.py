"""A real FHIR server that answers as other servers do: each of their ways is one entry of QUIRKS."""

from __future__ import annotations

import base64
import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import orjson

from tests.support.relay import Ask, Request, relay, server_at
from tests.support.web import Reply

Json = dict[str, Any]

FHIR_JSON: Final = "application/fhir+json"
BINARY_ACCESS: Final = "$binary-access-read"
EXTERNALIZED: Final = "http://hapifhir.io/fhir/StructureDefinition/externalized-binary-id"

_REFERENCE = re.compile(r"^[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}$")


@dataclass(frozen=True)
class Here:
    """Where the server that answers in its own way seems to be."""

    base_url: str
    store: str
    """scheme://host:port of the store it keeps its files in."""

    @property
    def path(self) -> str:
        """Of its base address."""
        return urlsplit(self.base_url).path

    def rest(self, request: Request) -> str:
        """What the request asks below the base, without its query."""
        return request.path.partition("?")[0][len(self.path) :].lstrip("/")


Manner = Callable[[Request, Ask, Here], Reply]
"""Answers a request by asking the real server for as much as it wants."""


@dataclass(frozen=True)
class Quirk:
    """One way in which servers differ from the one that the tests start."""

    what: str
    """And whose way it is, where that is known."""
    manner: Manner
    serves: bool = True
    """Whether events end with it as ever; else they all wait, are refused, or stop the process: which `tocsin check` says before."""
    written_by_others: bool = False
    """Whether each new report looks as if another process had written it meanwhile, so that only the next attempt finds it written."""


def _json(reply: Reply) -> Json | None:
    """The resource of an answer; None where it has none."""
    if "json" not in _header(reply, "content-type"):
        return None
    try:
        content = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None


def _header(reply: Reply, name: str) -> str:
    return next((value for each, value in reply.headers.items() if each.lower() == name), "")


def _saying(reply: Reply, content: Json) -> Reply:
    return replace(reply, body=orjson.dumps(content))


def _with_headers(reply: Reply, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(reply, headers={name: value for name, value in reply.headers.items() if name.lower() not in named} | named)


def _outcome(status: int, code: str) -> Reply:
    issue = {"severity": "error", "code": code, "diagnostics": "Jane Canary"}
    return Reply(status, orjson.dumps({"resourceType": "OperationOutcome", "issue": [issue]}), {"Content-Type": FHIR_JSON})


def _without(request: Request, *parameters: str) -> Request:
    path, _, query = request.path.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in parameters]
    return replace(request, path=f"{path}?{urlencode(kept)}" if kept else path)


def _asks_with(request: Request, parameter: str) -> bool:
    return any(name == parameter for name, _ in parse_qsl(request.path.partition("?")[2], keep_blank_values=True))


def _resources(content: Json) -> Iterator[Json]:
    """The resource itself, or those of a Bundle."""
    if content.get("resourceType") != "Bundle":
        yield content
    for entry in content.get("entry", []):
        if "resource" in entry:
            yield entry["resource"]


def _rewritten(value: Any, key: str, change: Callable[[str], str]) -> Any:
    """With every text under this key changed, however deep it lies."""
    if isinstance(value, dict):
        return {
            name: change(each) if name == key and isinstance(each, str) else _rewritten(each, key, change) for name, each in value.items()
        }
    return [_rewritten(each, key, change) for each in value] if isinstance(value, list) else value


def _references(change: Callable[[str, Here], str]) -> Manner:
    """In what is read; what is written stays as it came."""

    def manner(request: Request, ask: Ask, here: Here) -> Reply:
        reply = ask(request)
        content = _json(reply) if request.method == "GET" else None
        if content is None:
            return reply
        return _saying(reply, _rewritten(content, "reference", lambda text: change(text, here) if _REFERENCE.match(text) else text))

    return manner


def _is_a_picture_in_a_binary(request: Request, here: Here) -> bool:
    return request.method == "GET" and here.rest(request).startswith("Binary/")


def _binary_in_a_store(request: Request, ask: Ask, here: Here) -> Reply:
    if _is_a_picture_in_a_binary(request, here):
        return Reply(302, b"", {"Location": f"{here.store}/{here.rest(request)}?X-Amz-Signature={quote('s/e=cret')}"})
    return ask(request)


def _binary_wants_a_fhir_type(request: Request, ask: Ask, here: Here) -> Reply:
    wanted = ("application/fhir+json", "application/json", "*/*")
    if _is_a_picture_in_a_binary(request, here) and not any(each in request.header("Accept") for each in wanted):
        return _outcome(406, "not-supported")
    return ask(request)


def _binary_as_fhir_alone(request: Request, ask: Ask, here: Here) -> Reply:
    if _is_a_picture_in_a_binary(request, here):
        return ask(replace(request, headers={"Accept": FHIR_JSON}))
    return ask(request)


def _binary_under_another_type(request: Request, ask: Ask, here: Here) -> Reply:
    if _is_a_picture_in_a_binary(request, here):
        return _with_headers(ask(request), content_type="application/octet-stream")
    return ask(request)


def _data_in_its_own_storage(request: Request, ask: Ask, here: Here) -> Reply:
    rest = here.rest(request)
    if rest.endswith(f"/{BINARY_ACCESS}"):
        whole = _json(ask(Request("GET", f"{here.path}/{rest.removesuffix(f'/{BINARY_ACCESS}')}", {"Accept": FHIR_JSON}))) or {}
        attachment = whole.get("content", {})
        if "data" not in attachment or not _asks_with(request, "path"):
            return _outcome(400, "invalid")
        return Reply(200, base64.b64decode(attachment["data"]), {"Content-Type": attachment.get("contentType", "")})
    reply = ask(request)
    content = _json(reply) if request.method == "GET" else None
    attachment = (content or {}).get("content")
    if content is None or content.get("resourceType") != "Media" or not isinstance(attachment, dict) or "data" not in attachment:
        return reply
    moved = {"_data": {"extension": [{"url": EXTERNALIZED, "valueString": "x7Wm2"}]}}
    return _saying(reply, content | {"content": {name: value for name, value in attachment.items() if name != "data"} | moved})


def _if_match_is_required(status: int) -> Manner:
    """Of everything that stands already, alone or in a transaction."""

    def manner(request: Request, ask: Ask, here: Here) -> Reply:
        if request.method == "PUT" and not request.header("If-Match") and _stands(here.rest(request), ask, here):
            return _outcome(status, "conflict")
        if request.method == "POST" and not here.rest(request):
            for entry in orjson.loads(request.body).get("entry", []):
                asked = entry["request"]
                if asked["method"] == "PUT" and "ifMatch" not in asked and _stands(asked["url"], ask, here):
                    return _outcome(status, "conflict")
        return ask(request)

    return manner


def _if_match_is_ignored(request: Request, ask: Ask, here: Here) -> Reply:
    kept = {name: value for name, value in request.headers.items() if name.lower() != "if-match"}
    body = request.body
    if _posts(request, here):
        bundle = orjson.loads(body)
        for entry in bundle["entry"]:
            entry["request"].pop("ifMatch", None)
        body = orjson.dumps(bundle)
    return ask(replace(request, headers=kept, body=body))


def _stands(reference: str, ask: Ask, here: Here) -> bool:
    return ask(Request("GET", f"{here.path}/{reference}", {"Accept": FHIR_JSON})).status == 200


def _base_wants_its_slash(status: int) -> Manner:
    def manner(request: Request, ask: Ask, here: Here) -> Reply:
        path, question, query = request.path.partition("?")
        if path == here.path:
            return Reply(status, b"", {"Location": f"{here.base_url}/"})
        return ask(replace(request, path=path.removesuffix("/") + question + query))

    return manner


def _refused(when: Callable[[Request, Here], bool], status: int = 400) -> Manner:
    return lambda request, ask, here: _outcome(status, "not-supported") if when(request, here) else ask(request)


def _searches(request: Request, here: Here, parameter: str) -> bool:
    return here.rest(request) == "DiagnosticReport" and _asks_with(request, parameter)


def _posts(request: Request, here: Here) -> bool:
    return request.method == "POST" and not here.rest(request)


def _creates(request: Request, ask: Ask, here: Here) -> bool:
    if _posts(request, here):
        return any(not _stands(entry["request"]["url"], ask, here) for entry in orjson.loads(request.body)["entry"])
    return request.method == "PUT" and not _stands(here.rest(request), ask, here)


def _parameter_is_refused(name: str) -> Manner:
    return lambda request, ask, _here: _outcome(400, "not-supported") if _asks_with(request, name) else ask(request)


def _sorted_the_other_way(request: Request, ask: Ask, _here: Here) -> Reply:
    path, _, query = request.path.partition("?")
    asked = [(name, ",".join(f"-{each}" for each in value.split(",")) if name == "_sort" else value) for name, value in parse_qsl(query)]
    return ask(replace(request, path=f"{path}?{urlencode(asked)}")) if _asks_with(request, "_sort") else ask(request)


def _parameter_is_ignored(name: str) -> Manner:
    return lambda request, ask, _here: ask(_without(request, name))


def _compressed(name: str, compress: Callable[[bytes], bytes]) -> Manner:
    def manner(request: Request, ask: Ask, _here: Here) -> Reply:
        reply = ask(request)
        return _with_headers(replace(reply, body=compress(reply.body)), content_encoding=name) if reply.body else reply

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


def _absent_without_an_outcome(request: Request, ask: Ask, _here: Here) -> Reply:
    reply = ask(request)
    return Reply(reply.status, b"", {"Content-Type": FHIR_JSON}) if reply.status in (404, 410) else reply


def _entry_responses(change: Callable[[Json, Here], Json]) -> Manner:
    """Of a transaction that was taken."""

    def manner(request: Request, ask: Ask, here: Here) -> Reply:
        reply = ask(request)
        content = _json(reply)
        if content is None or content.get("type") != "transaction-response":
            return reply
        entries = [{**entry, "response": change(entry["response"], here)} for entry in content["entry"]]
        return _saying(reply, content | {"entry": entries})

    return manner


def _transactions_are_answered(body: bytes) -> Manner:
    """In these words, once they are taken."""

    def manner(request: Request, ask: Ask, here: Here) -> Reply:
        reply = ask(request)
        return replace(reply, body=body) if request.method == "POST" and not here.rest(request) and reply.status < 300 else reply

    return manner


def _answers_hold_at_most(count: int) -> Manner:
    def manner(request: Request, ask: Ask, _here: Here) -> Reply:
        return (
            ask(replace(_without(request, "_count"), path=f"{_without(request, '_count').path}&_count={count}"))
            if (request.method == "GET" and _asks_with(request, "_count"))
            else ask(request)
        )

    return manner


def _says_little_of_writes(request: Request, ask: Ask, _here: Here) -> Reply:
    reply = ask(request)
    return replace(reply, body=b"") if request.method == "PUT" and reply.status < 300 else reply


def _opaque_versions(request: Request, ask: Ask, _here: Here) -> Reply:
    """Both ways: as MTc... in what is read and in If-Match."""
    body = re.sub(rb'W/\\"v-([0-9]+)-x\\"', rb'W/\\"\1\\"', request.body)
    if b'W/\\"v-' in body:
        return _outcome(412, "conflict")  # no version of its own
    matched = {"If-Match": re.sub(r"v-([0-9]+)-x", r"\1", request.header("If-Match"))} if request.header("If-Match") else {}
    kept = {name: value for name, value in request.headers.items() if name.lower() != "if-match"}
    reply = ask(replace(request, headers=kept | matched, body=body, path=re.sub(r"_history/v-([0-9]+)-x", r"_history/\1", request.path)))
    content = _json(reply)
    if content is None:
        return reply
    said = _rewritten(content, "versionId", lambda version: f"v-{version}-x")
    return _with_headers(_saying(reply, said), etag=re.sub(r'W/"([0-9]+)"', r'"v-\1-x"', _header(reply, "etag")))


def _versions_in_the_etag_alone(request: Request, ask: Ask, _here: Here) -> Reply:
    reply = ask(request)
    content = _json(reply)
    if content is None:
        return reply
    for resource in _resources(content):
        resource.get("meta", {}).pop("versionId", None)
    return _saying(reply, content)


def _search_adds_an_outcome(request: Request, ask: Ask, here: Here) -> Reply:
    reply = ask(request)
    content = _json(reply)
    if content is None or content.get("type") != "searchset":
        return reply
    said = {"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "informational"}]}}
    return _saying(reply, content | {"entry": [*content.get("entry", []), said | {"search": {"mode": "outcome"}}]})


def _closes_each_connection(request: Request, ask: Ask, _here: Here) -> Reply:
    return _with_headers(ask(request), connection="close")


def _marks_the_byte_order(request: Request, ask: Ask, _here: Here) -> Reply:
    reply = ask(request)
    return replace(reply, body=b"\xef\xbb\xbf" + reply.body) if _json(reply) is not None else reply


def _types_with_parameters(request: Request, ask: Ask, _here: Here) -> Reply:
    reply = ask(request)
    return _with_headers(reply, content_type="Application/FHIR+JSON; fhirVersion=4.0; charset=UTF-8") if _json(reply) else reply


def _lower_case_headers(request: Request, ask: Ask, _here: Here) -> Reply:
    reply = ask(request)
    return replace(reply, headers={name.lower(): value for name, value in reply.headers.items()})


QUIRKS: Final[dict[str, Quirk]] = {
    "binary-in-a-store": Quirk("A Binary is answered with 302 to a signed address of a store", _binary_in_a_store),
    "binary-wants-a-fhir-type": Quirk("A Binary is 406 unless Accept names a FHIR type", _binary_wants_a_fhir_type),
    "binary-as-fhir-alone": Quirk("A Binary comes wrapped in JSON whatever is asked for", _binary_as_fhir_alone),
    "binary-under-another-type": Quirk("A Binary's bytes come as application/octet-stream", _binary_under_another_type),
    "data-in-its-own-storage": Quirk("content.data is moved out and an extension stays (HAPI's binary storage)", _data_in_its_own_storage),
    "if-match-required-400": Quirk("An update without If-Match is 400 (versioned-update)", _if_match_is_required(400)),
    "if-match-required-412": Quirk("An update without If-Match is 412 (versioned-update, FHIR R4)", _if_match_is_required(412)),
    "if-match-required-428": Quirk("An update without If-Match is 428 (RFC 6585)", _if_match_is_required(428)),
    "if-match-ignored": Quirk("An update is taken whatever version it names (FirelyTeam/spark 714)", _if_match_is_ignored),
    "references-with-versions": Quirk(
        "References read back name a version (HAPI, auto_version_reference_at_paths)",
        _references(lambda text, _here: f"{text}/_history/1"),
    ),
    "references-in-full": Quirk("References read back are absolute", _references(lambda text, here: f"{here.base_url}/{text}")),
    **{
        f"base-wants-its-slash-{status}": Quirk(
            f"POST [base] is answered with {status} to [base]/", _base_wants_its_slash(status), serves=False
        )
        for status in (301, 302, 307, 308)
    },
    "reports-not-searched-by-media": Quirk(
        "DiagnosticReport cannot be searched by media", _refused(lambda request, here: _searches(request, here, "media")), serves=False
    ),
    "transactions-refused": Quirk("Transactions are 403 though the statement offers them", _refused(_posts, 403), serves=False),
    "transactions-not-offered": Quirk("Transactions are 405", _refused(_posts, 405), serves=False),
    "ids-of-clients-refused": Quirk(
        "PUT of what does not stand is 405 (no update as create)",
        lambda request, ask, here: _outcome(405, "not-supported") if _creates(request, ask, here) else ask(request),
        serves=False,
    ),
    "reads-lead-to-a-login": Quirk(
        "Whatever is no statement is answered with 302 to a login page",
        lambda request, ask, here: (
            ask(request) if here.rest(request) == "metadata" else Reply(302, b"", {"Location": "https://login.example.org/"})
        ),
        serves=False,
    ),
    "patients-refused": Quirk(
        "Patients may not be read", _refused(lambda request, here: here.rest(request).startswith("Patient/"), 403), serves=False
    ),
    "known-by-another-address": Quirk(
        "References are absolute, below an address that Tocsin is not given",
        _references(lambda text, _here: f"https://fhir.hospital.example.org/r4/{text}"),
        serves=False,
    ),
    "sort-refused": Quirk("A search with _sort is 400", _parameter_is_refused("_sort")),
    "sort-ignored": Quirk("_sort changes nothing", _parameter_is_ignored("_sort")),
    "sorts-the-other-way": Quirk("What is to come first comes last", _sorted_the_other_way),
    "elements-refused": Quirk("_elements is 400", _parameter_is_refused("_elements")),
    "elements-ignored": Quirk("_elements changes nothing", _parameter_is_ignored("_elements")),
    "gzip": Quirk("Answers are gzip though nobody asked", _compressed("gzip", gzip.compress)),
    "x-gzip": Quirk("gzip under the old name that RFC 9110 keeps", _compressed("x-gzip", gzip.compress)),
    "deflate": Quirk("Answers are deflate though nobody asked", _compressed("deflate", zlib.compress)),
    "deflate-raw": Quirk("deflate without its zlib wrapper", _compressed("deflate", raw_deflate)),
    "brotli": Quirk("Answers are br though nobody asked", _compressed("br", stored_brotli)),
    "absent-without-an-outcome": Quirk("404 and 410 have no OperationOutcome", _absent_without_an_outcome, serves=False),
    "entries-say-their-status-alone": Quirk(
        "A transaction's answer has neither location, etag nor outcome",
        _entry_responses(lambda response, _here: {"status": str(response["status"])[:3]}),
    ),
    "entries-say-their-place-in-full": Quirk(
        "A transaction's answer has absolute locations",
        _entry_responses(lambda response, here: response | {"location": f"{here.base_url}/{response.get('location', '')}"}),
    ),
    "entries-say-200-for-created": Quirk(
        "A transaction says 200 for what it created",
        _entry_responses(lambda response, _here: response | {"status": "200 OK"}),
        written_by_others=True,
    ),
    "transactions-say-nothing": Quirk("A transaction is answered without a body", _transactions_are_answered(b"")),
    "transactions-say-an-outcome": Quirk(
        "A transaction is answered with an OperationOutcome (return=OperationOutcome by default)",
        _transactions_are_answered(
            orjson.dumps({"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational"}]})
        ),
    ),
    "transactions-say-no-entries": Quirk(
        "A transaction is answered with a Bundle without entries (return=minimal)",
        _transactions_are_answered(orjson.dumps({"resourceType": "Bundle", "type": "transaction-response"})),
    ),
    "answers-of-one": Quirk("A search answers with one resource at a time", _answers_hold_at_most(1)),
    "says-little-of-writes": Quirk("An update is answered without a body (return=minimal by default)", _says_little_of_writes),
    "opaque-versions": Quirk("Version ids are words, ETags strong", _opaque_versions),
    "versions-in-the-etag-alone": Quirk("meta has no versionId", _versions_in_the_etag_alone),
    "search-adds-an-outcome": Quirk("A search's answer holds an OperationOutcome too", _search_adds_an_outcome),
    "closes-each-connection": Quirk("Connections are not kept", _closes_each_connection),
    "byte-order-mark": Quirk("JSON begins with a byte order mark", _marks_the_byte_order),
    "types-with-parameters": Quirk("Content types have parameters and capitals", _types_with_parameters),
    "lower-case-headers": Quirk("Header names are in lower case", _lower_case_headers),
}


@dataclass
class OtherServer:
    """A real server that answers in its own way, which may be changed at any time."""

    base_url: str = ""
    store: str = ""
    """scheme://host:port of the store that it may send clients to."""
    quirks: tuple[str, ...] = ()
    """Names of QUIRKS, the outermost first."""


@contextmanager
def other_server(base_url: str, *quirks: str) -> Iterator[OtherServer]:
    """Stands before the server with this base address until the block ends."""
    parts, standing = urlsplit(base_url), OtherServer(quirks=quirks)
    ask = server_at(parts.netloc)

    def answer(request: Request) -> Reply:
        here = Here(standing.base_url, standing.store)
        return _in_their_manner((QUIRKS[name].manner for name in reversed(standing.quirks)), _as(here, ask, base_url), here)(request)

    def stored(request: Request) -> Reply:
        if request.header("Authorization") or "Signature" not in request.path:
            return Reply(400, b"<Error>Only one auth mechanism allowed</Error>")  # as S3 answers
        return ask(Request("GET", f"{parts.path}{request.path.partition('?')[0]}", {"Accept": "image/jpeg, image/png"}))

    with ExitStack() as stack:
        standing.store = stack.enter_context(relay(stored))
        standing.base_url = stack.enter_context(relay(answer)) + parts.path
        yield standing


def _in_their_manner(manners: Iterable[Manner], ask: Ask, here: Here) -> Ask:
    for manner in manners:
        ask = _after(manner, ask, here)
    return ask


def _after(manner: Manner, ask: Ask, here: Here) -> Ask:
    return lambda request: manner(request, ask, here)


def _as(here: Here, ask: Ask, base_url: str) -> Ask:
    """The server knows itself by the gateway's address: its own links lead there, and references that are written to it may too."""

    def asked(request: Request) -> Reply:
        reply = ask(replace(request, body=request.body.replace(f'"{here.base_url}/'.encode(), b'"')))
        return replace(reply, body=reply.body.replace(f"{base_url}/".encode(), f"{here.base_url}/".encode())) if _json(reply) else reply

    return asked
